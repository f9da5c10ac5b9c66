"""A TCP proxy on loopback that misbehaves as told, in what it sends back."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum

_PIECE = 1 << 16


class Manner(Enum):
    """How a proxy treats answers."""

    PASS = "pass"
    DELAY = "delay"  # each piece comes ``seconds`` late
    DRIP = "drip"  # ``after`` bytes every ``seconds``
    CUT = "cut"  # after ``after`` bytes of a connection it breaks
    STALL = "stall"  # after ``after`` bytes of a connection nothing more comes


@dataclass(frozen=True, kw_only=True)
class Mode:
    """A manner and its measures."""

    manner: Manner = Manner.PASS
    after: int = 0
    seconds: float = 0.0


@dataclass(eq=False)
class _Link:
    """One connection and the one behind it."""

    client: socket.socket
    server: socket.socket
    gone: threading.Event = field(default_factory=threading.Event)

    def close(self) -> None:
        self.gone.set()
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@dataclass
class Proxy:
    """``mode`` may change at any time and holds for what comes then; ``connections`` counts those ever made."""

    target: tuple[str, int]
    port: int = 0
    mode: Mode = Mode()
    connections: int = 0
    links: list[_Link] = field(default_factory=list)

    @property
    def host(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    @property
    def active(self) -> int:
        """How many connections are open."""
        return sum(not link.gone.is_set() for link in self.links)

    def serve(self, listener: socket.socket) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(self.target, timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            link = _Link(client, server)
            self.links.append(link)
            threading.Thread(target=self._run, args=(link,), daemon=True).start()

    def _run(self, link: _Link) -> None:
        asking = threading.Thread(target=_ask, args=(link,), daemon=True)
        asking.start()
        with suppress(OSError):
            self._answer(link)
        link.close()
        asking.join()
        link.client.close()
        link.server.close()

    def _answer(self, link: _Link) -> None:
        sent = 0
        while data := link.server.recv(_PIECE):
            mode = self.mode
            if mode.manner in (Manner.CUT, Manner.STALL) and sent + len(data) > mode.after:
                link.client.sendall(data[: max(0, mode.after - sent)])
                if mode.manner is Manner.STALL:
                    link.gone.wait()
                return
            step = mode.after if mode.manner is Manner.DRIP else len(data)
            for start in range(0, len(data), step):
                if mode.manner in (Manner.DELAY, Manner.DRIP) and link.gone.wait(mode.seconds):
                    return
                link.client.sendall(data[start : start + step])
            sent += len(data)


def _ask(link: _Link) -> None:
    with suppress(OSError):
        while data := link.client.recv(_PIECE):
            link.server.sendall(data)
    link.close()


@contextmanager
def proxy(port: int) -> Iterator[Proxy]:
    """Run a proxy in front of a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Proxy(target=("127.0.0.1", port), port=listener.getsockname()[1])
        thread = threading.Thread(target=made.serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for link in made.links:
                link.close()
            thread.join()
