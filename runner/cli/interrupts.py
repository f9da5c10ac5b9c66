"""Ctrl-C and SIGTERM: once ends the run cleanly, twice at once."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from runner.errors import ExitCode

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STDERR = 2


class Interrupts:
    """Which signals have arrived; the first asks ``cancel`` to be polite, every further one to be quick."""

    def __init__(self, cancel: Callable[[bool], None]) -> None:
        self._cancel = cancel
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
        # The main thread may be inside a write to sys.stderr, whose buffer is not reentrant: write past it.
        with suppress(OSError):  # the terminal may be what has gone
            os.write(_STDERR, b"killing what still runs\n" if again else b"ending the run; once more kills it\n")
        self._cancel(again)


@contextmanager
def interrupts(cancel: Callable[[bool], None]) -> Iterator[Interrupts]:
    """Send the signals of this process to ``cancel(force)`` until the end of the block.

    A hang-up that is ignored (``nohup``) stays ignored.
    """
    taken = Interrupts(cancel)
    ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
    before = {number: signal.signal(number, taken.arrived) for number in _SIGNALS if number not in ignored}
    try:
        yield taken
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
