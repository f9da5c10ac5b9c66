"""A terminal that is not there: what a program writes to it, as a person would see it."""

import io
import os

import pyte
from pyte.modes import LNM


class Terminal(io.BytesIO):
    """Takes bytes like a terminal whose driver turns a newline into a carriage return and a newline."""

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        super().__init__()
        self._screen = pyte.HistoryScreen(columns, lines, history=10_000)
        self._screen.set_mode(LNM)
        self._stream = pyte.ByteStream(self._screen)
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> int:  # type: ignore[override] # the tested code writes bytes only
        """Show what a program writes."""
        self.writes.append(bytes(data))
        self._stream.feed(bytes(data))
        return len(data)

    @property
    def size(self) -> os.terminal_size:
        """Columns and lines."""
        return os.terminal_size((self._screen.columns, self._screen.lines))

    def resize(self, columns: int, lines: int) -> None:
        """Become wider or narrower, or get more lines; fewer lines are not told to the cursor by this emulator."""
        self._screen.resize(lines, columns)

    @property
    def screen(self) -> list[str]:
        """The lines that are seen, without the empty ones at the end."""
        lines = [line.rstrip() for line in self._screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def scrolled(self) -> list[str]:
        """The lines that have left the screen at its top."""
        columns = range(self._screen.columns)
        return ["".join(line[column].data for column in columns).rstrip() for line in self._screen.history.top]

    @property
    def everything(self) -> list[str]:
        """What has scrolled away, and what is seen."""
        return self.scrolled + self.screen

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column, from 0."""
        return self._screen.cursor.y, self._screen.cursor.x

    @property
    def cursor_hidden(self) -> bool:
        """Whether the cursor is hidden."""
        return bool(self._screen.cursor.hidden)

    def colour(self, row: int, column: int) -> str:
        """Return the colour of a cell, as the emulator names it."""
        return str(self._screen.buffer[row][column].fg)
