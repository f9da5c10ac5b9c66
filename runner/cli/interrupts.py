"""Ctrl-C and SIGTERM: once ends the run cleanly, twice at once."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from runner.errors import ExitCode

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STDERR = 2


def _write(text: str) -> None:
    # The main thread may be inside a write to sys.stderr, whose buffer is not reentrant: write past it.
    with suppress(OSError):  # the terminal may be what has gone
        os.write(_STDERR, f"{text}\n".encode())


class Interrupts:
    """Which signals have arrived; the first asks ``cancel`` to be polite, every further one to be quick.

    ``say`` tells whoever sent them; it must not wait for anything.
    """

    def __init__(self, cancel: Callable[[bool], None], say: Callable[[str], None]) -> None:
        self._cancel = cancel
        self._say = say
        self._first: int | None = None

    @property
    def exit_code(self) -> ExitCode | None:
        """The exit code that the first signal means; None when none arrived."""
        if self._first is None:
            return None
        return ExitCode.INTERRUPTED if self._first == signal.SIGINT else ExitCode.TERMINATED

    def arrived(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - what Python calls handlers with
        """Take a signal."""
        again = self._first is not None
        self._first = self._first or number
        self._say("killing what still runs" if again else "ending the run; once more kills it")
        self._cancel(again)


@contextmanager
def ending() -> Iterator[None]:
    """End this process by an exception at the first signal, until the end of the block: something has to be removed."""

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - what Python calls handlers with
        raise SystemExit(ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED)

    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, end) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupts(cancel: Callable[[bool], None], say: Callable[[str], None] | None = None) -> Iterator[Interrupts]:
    """Send the signals of this process to ``cancel(force)`` until the end of the block; ``say`` else writes to stderr.

    A hang-up that is ignored (``nohup``) stays ignored.
    """
    taken = Interrupts(cancel, say or _write)
    ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
    before = {number: signal.signal(number, taken.arrived) for number in _SIGNALS if number not in ignored}
    try:
        yield taken
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
