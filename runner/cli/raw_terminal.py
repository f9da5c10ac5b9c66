"""The terminal of this process as a shell elsewhere needs it: each key as it is pressed, each byte as it comes."""

import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from runner.errors import InfrastructureError
from runner.logs.lines import safe

_UNKNOWN = (0, 0)


class RawTerminal:
    """The terminal of this process, in raw mode."""

    def __init__(self, cancelled: Callable[[], bool]) -> None:
        self._cancelled = cancelled
        self._gone = False

    def say(self, text: str) -> None:
        """Show a line of ours."""
        self.write(f"{safe(text)}\r\n".encode("utf-8", "replace"))

    def fileno(self) -> int:
        """Return the descriptor to read keys from."""
        return sys.stdin.fileno()

    def write(self, data: bytes) -> None:
        """Show bytes; a terminal that does not take them has gone."""
        try:
            while data:
                data = data[os.write(sys.stdout.fileno(), data) :]
        except OSError:
            self._gone = True

    def size(self) -> tuple[int, int]:
        """Return rows and columns as they are now; zeros when they are not known."""
        try:
            columns, rows = os.get_terminal_size(sys.stdout.fileno())
        except OSError:
            return _UNKNOWN
        return rows, columns

    def closed(self) -> bool:
        """Whether nobody wants it any more."""
        return self._gone or self._cancelled()


@contextmanager
def raw(cancelled: Callable[[], bool]) -> Iterator[RawTerminal]:
    """Have the terminal in raw mode until the end of the block; ``cancelled`` says that nobody wants it any more.

    Raises:
        InfrastructureError: it has gone, or is none.
    """
    keys = sys.stdin.fileno()
    try:
        before = termios.tcgetattr(keys)
        tty.setraw(keys)
    except termios.error as error:
        raise InfrastructureError(f"the terminal cannot be used: {error.args[-1]}") from error
    try:
        yield RawTerminal(cancelled)
    finally:
        with suppress(termios.error):  # a terminal that has gone has no modes to restore
            termios.tcsetattr(keys, termios.TCSADRAIN, before)
