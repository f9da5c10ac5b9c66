"""The last rows of a terminal, drawn anew while lines pass above them."""

from collections.abc import Sequence
from typing import BinaryIO

_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
"""Synchronized output: terminals that know it show all that stands between as one frame; others ignore it."""
_CLIP, _WRAP = "\x1b[?7l", "\x1b[?7h"
_CLEAR_LINE, _CLEAR_BELOW = "\x1b[K", "\x1b[J"


class Region:
    """Rows that stay under the log.

    Between two writes the cursor rests, hidden, at the first cell of the first row. So it is the terminal that knows
    where the rows are: they are found again after it was resized, and what somebody else has written meanwhile
    becomes a line above them. Not safe for threads: its owner holds a lock.
    """

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._encoding = encoding
        self._rows: tuple[str, ...] = ()
        self._hidden = False
        self.gone = False
        """Whether the terminal has failed to take something."""

    def write(self, text: str, rows: Sequence[str] = ()) -> None:
        """Write complete lines above the region, and draw the region anew, or with no ``rows`` remove it.

        Each row must end before the last column; what is longer all the same is clipped by the terminal.

        Raises:
            OSError: the terminal has gone.
        """
        if not text and tuple(rows) == self._rows:
            return
        pieces = [_BEGIN]
        if rows and not self._hidden:
            pieces.append(_HIDE)
        if text and self._rows:
            pieces.append(f"\r{_CLEAR_BELOW}")
        pieces.append(text)
        if rows:
            up = f"\x1b[{len(rows) - 1}A" if len(rows) > 1 else ""
            drawn = f"{_CLEAR_LINE}\r\n".join(rows)
            pieces.append(f"\r{_CLIP}{drawn}{_CLEAR_BELOW}{_WRAP}\r{up}")
        elif not text:
            pieces.append(f"\r{_CLEAR_BELOW}")
        pieces.append(_END)
        self._hidden = self._hidden or bool(rows)
        self._rows = tuple(rows)
        self._put("".join(pieces))

    def close(self) -> None:
        """Remove the region and give the cursor back; it may be drawn again later."""
        self.write("")
        if self._hidden:
            self._hidden = False
            self._put(_SHOW)

    def _put(self, text: str) -> None:
        try:
            self._stream.write(text.encode(self._encoding, "replace"))
            self._stream.flush()
        except OSError:
            self.gone = True
            raise
