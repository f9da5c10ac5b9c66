"""What a sandbox answers over the stream that is attached to it: our side of the protocol, and what both agree on.

A request is a line ``verb token most size`` and ``size`` bytes. The answer is a line ``token:``, up to ``most`` bytes,
and a line ``token status``: steps cannot foresee the token, so nothing that they leave can look like the end. One
request at a time; each begins with an empty line, so that what a dead client left of its own does no harm, and what
comes before the first line of an answer was meant for that client.

The shell's side (``script``) is busybox's, with nothing of a user's in it. It reads a body to its end whatever happens,
and pins a directory that steps can write to by going there and looking where it is, so that it follows no link of
theirs.

``open`` fills the store of the values, once: it says ``begun`` of one that is filled. What it is filled with beside the
values of the request is brought to ``RESTORED`` before, where ``restore`` has said that the store is new; until then
``restore_returns`` fills the returns.

``leave`` ends the sandbox, and is not answered: to have it killed takes the engine 20 ms more.

``list_returns`` shows their files as lines, and ``read_returns`` those that it is asked for, some at a time: a listing,
a tar and a listing again, each after a line of the token. What is the same in both was not replaced in between.
"""

import secrets
import threading

from runner.backends.docker.attach import Connection, pieces
from runner.backends.docker.frames import Frames
from runner.clock import Deadline
from runner.engine.backend import STDOUT
from runner.errors import EngineTimeoutError, EngineUnavailableError, InfrastructureError

_STALL_SECONDS, _ALL_SECONDS, _LEAVE_SECONDS = 5.0, 30.0, 0.1
_LONGEST_STATUS = len("255\n")
_MOST_BYTES = 1 << 20
_TOLD = 500


class NoAnswerError(InfrastructureError):
    """A sandbox did not answer, or not in time, or with nonsense; it is not asked again."""


class LongAnswerError(InfrastructureError):
    """A sandbox has more to say than it was asked for; it may be asked something else."""


class Answers:
    """The stream of one sandbox, for use from any thread. ``name`` is the sandbox's, for messages."""

    def __init__(self, name: str, connection: Connection) -> None:
        self._name = name
        self._connection = connection
        self._frames = Frames()
        self._over = threading.Event()
        self._lock = threading.Lock()

    def ask(
        self,
        verb: str,
        body: bytes = b"",
        *,
        most: int = _MOST_BYTES,
        stall: float = _STALL_SECONDS,
        token: str = "",
    ) -> bytes:
        """Return the answer, of up to ``most`` bytes.

        ``stall`` is how many seconds may pass without a sign. ``token`` marks parts of the answer, where the verb has
        such; it must be one that steps cannot foresee.

        Raises:
            NoAnswerError: see there.
            LongAnswerError: the answer is longer.
            InfrastructureError: the sandbox could not do it; the message says why.
        """
        token = token or new_token()
        with self._lock:
            if self._over.is_set():
                raise NoAnswerError(f"{self._name} is not asked any more")
            try:
                request = f"\n{verb} {token} {most + 1} {len(body)}\n".encode() + body
                self._connection.send(request, _ALL_SECONDS, self._over)
                data, status = self._receive(token, most, stall)
            except InfrastructureError as error:
                self.cut()
                raise NoAnswerError(f"{self._name} does not answer: {error.message}") from error
        if len(data) > most:
            raise LongAnswerError(f"{self._name} has more to say than {most:,} bytes")
        if status:
            told = data[-_TOLD:].decode(errors="replace").strip()
            raise InfrastructureError(f"{self._name} cannot do {verb}: {told or f'status {status}'}")
        return data

    def leave(self) -> bool:
        """Have the sandbox end by itself, and ask nothing more; say whether it was told so."""
        if not self._lock.acquire(blocking=False):
            return False  # it is being asked something, and may take its time
        try:
            if self._over.is_set():
                return False
            self._connection.send(f"\nleave {new_token()} 0 0\n".encode(), _LEAVE_SECONDS, self._over)
        except InfrastructureError:
            return False
        finally:
            self._over.set()
            self._lock.release()
        return True

    @property
    def usable(self) -> bool:
        """Whether it may be asked."""
        return not self._over.is_set()

    def cut(self) -> None:
        """Ask nothing more, and end what is being asked; for any thread."""
        self._over.set()
        self._connection.shut()

    def close(self) -> None:
        """Give the connection back; the sandbox lives on."""
        self.cut()
        with self._lock:
            self._connection.close()

    def _receive(self, token: str, most: int, stall: float) -> tuple[bytes, int]:
        start, end = f"\n{token}:\n".encode(), f"\n{token} ".encode()
        data, begun = bytearray(), False
        deadline = Deadline(_ALL_SECONDS)

        def look() -> None:
            if self._over.is_set():
                raise EngineUnavailableError("its stream was cut")
            if deadline.passed:
                raise EngineTimeoutError(f"the answer takes more than {_ALL_SECONDS:g} seconds")

        for piece in pieces(self._connection, stall, look):
            for stream, part in self._frames.feed(piece):
                data += part if stream == STDOUT else b""
            if not begun:
                _, found, rest = data.partition(start)
                data, begun = (rest, True) if found else (data[-len(start) :], False)
            _, found, status = data[-len(end) - _LONGEST_STATUS :].rpartition(end)
            if found and status.endswith(b"\n"):
                return bytes(data[: -len(end) - len(status)]), int(status)
            if len(data) > most + len(end) + _LONGEST_STATUS + 1:
                raise InfrastructureError("it sends more than it was asked for")
        raise EngineUnavailableError("its stream has ended")


def new_token() -> str:
    """Return a token that nobody can foresee."""
    return secrets.token_hex(16)
