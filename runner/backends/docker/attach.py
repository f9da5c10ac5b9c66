"""A container's streams as one socket of ours: attached live, or read again from the engine's log."""

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any, cast
from urllib.parse import urlsplit

import docker

from runner.backends.docker.client import accepted, endpoint, translated
from runner.backends.docker.frames import Chunks
from runner.clock import Deadline
from runner.errors import EngineTimeoutError, EngineUnavailableError

_POLL_SECONDS = 0.1
_PIECE_BYTES = 1 << 16
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

Parameters = Mapping[str, str | int]


class Connection:
    """The socket of one answer that goes on: non-blocking, and ours alone.

    It takes the connection of an ``answer`` over; ``close`` ends what else there is of that. The HTTP library may have
    read past the head of the answer; ``receive`` begins with what it holds. A lock keeps a sender and the reader apart,
    since a TLS connection is no thing for two threads.
    """

    def __init__(self, answer: HTTPResponse, close: Callable[[], None]) -> None:
        buffered = cast("Any", answer.fp)
        self._close = close
        self._socket: socket.socket = buffered.raw._sock  # noqa: SLF001  # see above
        self._socket.settimeout(0)
        self._ahead = _read_ahead(buffered)
        self._chunks = Chunks() if (answer.getheader("Transfer-Encoding") or "").lower() == "chunked" else None
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """Return the descriptor to select on; -1 once closed."""
        return self._socket.fileno()

    @property
    def pending(self) -> bool:
        """Whether bytes wait on our side, which no select announces."""
        return bool(self._ahead) or (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0)

    def receive(self, buffer: memoryview) -> memoryview | None:
        """Read once, into ``buffer`` or less; None when nothing is there yet, empty at the end.

        Raises:
            OSError: the connection broke.
        """
        if self._ahead:
            size = min(len(buffer), len(self._ahead))
            buffer[:size] = self._ahead[:size]
            self._ahead = self._ahead[size:]
            return buffer[:size]
        try:
            with self._lock:
                return buffer[: self._socket.recv_into(buffer)]
        except _NOT_YET:
            return None

    def body(self, data: memoryview) -> Iterator[memoryview]:
        """Take HTTP's own framing off what ``receive`` returned."""
        return iter((data,)) if self._chunks is None else self._chunks.feed(data)

    @property
    def complete(self) -> bool:
        """Whether HTTP said that nothing more comes; a raw stream ends with its connection only."""
        return self._chunks is not None and self._chunks.ended

    def send(self, data: bytes, seconds: float, over: threading.Event) -> None:
        """Send all of ``data``, within ``seconds`` and only until ``over`` is set.

        Raises:
            EngineTimeoutError: it was not taken in time.
            EngineUnavailableError: the connection broke, or what it leads to is over.
        """
        deadline = time.monotonic() + seconds
        left = memoryview(data)
        while left:
            if over.is_set():
                raise EngineUnavailableError("what was attached has ended")
            if time.monotonic() > deadline:
                raise EngineTimeoutError(f"{len(left):,} of {len(data):,} bytes were not taken in {seconds:g} seconds")
            left = left[self.send_some(left) :]

    def send_some(self, data: memoryview) -> int:
        """Send what is taken within a moment; returns how much that was.

        Raises:
            EngineUnavailableError: the connection broke.
        """
        poll = select.poll()
        try:
            poll.register(self._socket, select.POLLOUT)
            poll.poll(_POLL_SECONDS * 1000)
            with self._lock:
                return self._socket.send(data)
        except _NOT_YET:
            return 0
        except (OSError, ValueError) as error:  # ValueError: the reader has closed it
            raise EngineUnavailableError(f"the connection broke while it was written to ({error})") from error

    def end_input(self) -> None:
        """Tell the other side that nothing more is sent, where the connection can say so (TLS cannot)."""
        if not isinstance(self._socket, ssl.SSLSocket):
            with suppress(OSError):  # gone already: the reader sees the end of the stream
                self._socket.shutdown(socket.SHUT_WR)

    def shut(self) -> None:
        """Cut the connection, from any thread: whoever reads it sees its end. It must still be closed."""
        with suppress(OSError):  # cut already
            # Not the TLS socket's own shutdown: that drops the state which the reader may be using.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the descriptor back; only the thread that reads may do so. May be called twice."""
        self.shut()
        self._close()
        self._socket.close()


def attach(api: docker.APIClient, container: str, *, stdin: bool) -> Connection:
    """Attach to a container's live streams; before its start, or output is missed.

    An attach to an *ended* container never ends: whoever attaches to a started one has to see whether it runs still.

    Raises:
        InfrastructureError: the engine did not let us.
    """
    wanted: Parameters = {"stream": 1, "stdin": int(stdin), "stdout": 1, "stderr": 1}
    headers = {"Connection": "Upgrade", "Upgrade": "tcp"}
    return connect(api, "POST", endpoint(api, "/containers/{0}/attach", container), wanted, headers)


def logs(api: docker.APIClient, container: str, *, follow: bool) -> Connection:
    """Read what the engine has logged of a container, from the first byte; with ``follow`` until its end.

    Raises:
        InfrastructureError: the engine did not let us, or keeps no log (driver ``none``: 501).
    """
    wanted: Parameters = {"follow": int(follow), "stdout": 1, "stderr": 1}
    return connect(api, "GET", endpoint(api, "/containers/{0}/logs", container), wanted, {"Connection": "close"})


def start_exec(api: docker.APIClient, exec_id: str, *, tty: bool = False) -> Connection:
    """Start what ``exec_create`` has made, and read its streams until its end; of a terminal, its bytes as they are.

    Raises:
        InfrastructureError: the engine cannot start it.
    """
    headers = {"Connection": "Upgrade", "Upgrade": "tcp"}
    body: Parameters = {"Detach": False, "Tty": tty}
    return connect(api, "POST", endpoint(api, "/exec/{0}/start", exec_id), {}, headers, body=body)


def connect(  # noqa: PLR0913  # the parts of an HTTP request
    api: docker.APIClient,
    method: str,
    url: str,
    parameters: Parameters,
    headers: Mapping[str, str],
    *,
    body: Parameters | None = None,
) -> Connection:
    """Make a call whose answer goes on; ``url`` comes from ``client.endpoint``, ``body`` is sent as JSON.

    Raises:
        InfrastructureError: the engine refused, or does not answer.
    """
    with translated(f"{method} {urlsplit(url).path}"):
        response = api.request(
            method, url, params=dict(parameters), headers=dict(headers), json=body, stream=True, timeout=api.timeout
        )
        taken = accepted(response)
        # Neither requests nor the SDK hands out the socket of an upgraded connection together with the bytes that
        # were read ahead; docker-py's own attach_socket loses those and leaks the descriptor.
        return Connection(cast("Any", taken.raw)._fp, taken.close)  # noqa: SLF001  # see above


def pieces(connection: Connection, stall: float | None, look: Callable[[], None] | None = None) -> Iterator[memoryview]:
    """Yield a connection's body until its end, for a thread that does nothing else meanwhile.

    ``look`` is called before each read and all the while nothing comes; it may raise.

    Raises:
        EngineTimeoutError: nothing came for ``stall`` seconds.
        EngineUnavailableError: the connection broke.
    """
    buffer = memoryview(bytearray(_PIECE_BYTES))
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    while not connection.complete:
        if look is not None:
            look()
        if not connection.pending:
            _await(poll, stall, look)
        try:
            data = connection.receive(buffer)
        except OSError as error:
            raise EngineUnavailableError(f"the connection broke while it was read ({error})") from error
        if data is not None:
            if not data:
                return
            yield from connection.body(data)


def _await(poll: select.poll, stall: float | None, look: Callable[[], None] | None) -> None:
    """Wait until there is something to read."""
    deadline = Deadline(stall)
    longest = None if look is None else _POLL_SECONDS
    while not poll.poll(_milliseconds(deadline.remaining, longest)):
        if deadline.passed:
            raise EngineTimeoutError(f"nothing came for {stall:g} seconds")
        if look is not None:
            look()


def _milliseconds(*waits: float | None) -> float | None:
    """Return the shortest of these waits, of which None has no end."""
    return min((wait * 1000 for wait in waits if wait is not None), default=None)


def _read_ahead(buffered: Any) -> bytes:  # noqa: ANN401  # io.BufferedReader behind an untyped library
    try:
        return bytes(buffered.peek())
    except ssl.SSLWantReadError:
        return b""
