"""A sandbox's shell without a container: its script runs in this machine's own sh, over directories of a test."""

import os
import select
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from runner.backends.docker.answers import Answers, NoAnswerError
from runner.backends.docker.script import SCRIPT
from runner.engine.backend import STDOUT
from tests.support.connections import connection_pair, frame


class Silent(Answers):
    """A sandbox that answers nothing."""

    def __init__(self) -> None:
        """Need no connection."""

    def ask(self, verb: str, body: bytes = b"", **_: object) -> bytes:
        """Never answer."""
        raise NoAnswerError(f"no answer to {verb}, with {len(body)} bytes")


@dataclass(frozen=True)
class Shell:
    """Where its script finds what a sandbox mounts, and the process that runs it."""

    root: Path
    process: subprocess.Popen[bytes]

    @property
    def state(self) -> Path:
        """The volume of the run's values."""
        return self.root / "state"

    @property
    def values(self) -> Path:
        """The store."""
        return self.state / "values"

    @property
    def shim(self) -> Path:
        """The volume of the commands of steps."""
        return self.root / "shim"

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.root / "config"

    @property
    def outputs(self) -> Path:
        """The outputs."""
        return self.root / "outputs"

    @contextmanager
    def client(self) -> Iterator[Answers]:
        """Attach to it, as one client after the other may."""
        connection, engine = connection_pair()
        pump = threading.Thread(target=self._pump, args=(engine,))
        pump.start()
        answers = Answers("sandbox", connection)
        try:
            yield answers
        finally:
            answers.close()
            pump.join()
            engine.close()

    def _pump(self, engine: socket.socket) -> None:
        """Do what an engine does: pass what is sent to stdin, and stdout back in frames, until the client goes."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        while True:
            ready, _, _ = select.select([engine.fileno(), stdout.fileno()], [], [])
            if stdout.fileno() in ready:
                data = os.read(stdout.fileno(), 1 << 16)
                if not data:
                    engine.shutdown(socket.SHUT_WR)
                    return
                with suppress(ConnectionError):  # it has gone, which is seen below
                    engine.sendall(frame(STDOUT, data))
            if engine.fileno() in ready:
                try:
                    sent = engine.recv(1 << 16)
                except ConnectionResetError:  # it has left an answer unread
                    return
                if not sent:
                    return
                stdin.write(sent)
                stdin.flush()


@contextmanager
def sandbox_shell(root: Path) -> Iterator[Shell]:
    """Run the script over directories below ``root``; the configuration is closed as the engine makes it."""
    for name, mode in (("state", 0o755), ("shim", 0o755), ("config", 0o700), ("outputs", 0o755)):
        (root / name).mkdir(exist_ok=True)
        (root / name).chmod(mode)
    places = [str(root / name) for name in ("state", "shim", "config", "outputs")]
    with subprocess.Popen(
        ["sh", "-c", SCRIPT, "sandbox", *places], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Shell(root, process)
        process.kill()
