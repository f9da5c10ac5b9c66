"""Where we stand in a container's output, so that a log read again from its start goes on where we were.

The engine's json-file log is no copy of the bytes: it writes U+FFFD for every byte that is no UTF-8 (Go's
``encoding/json``) and ends the last line with a newline. Line ends alone survive, so a position is a number of whole
lines and a length within the unfinished one, as the log would spell it.
"""

import codecs
from collections import defaultdict


def _each_byte(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\ufffd" * (error.end - error.start), error.end


# Python replaces a broken sequence by one U+FFFD, Go each of its bytes.
codecs.register_error("runner-each-byte", _each_byte)
_decoder = codecs.getincrementaldecoder("utf-8")


# Of one entry beside the text: its keys, the stream, the time to the nanosecond.
_ENTRY_BYTES = len('{"log":"","stream":"stdout","time":"2006-01-02T15:04:05.999999999Z"}\n')
_ESCAPED = bytes((*range(32), *b'"<>&\\\x7f'))
_ESCAPE_BYTES = len("\\u003c") - 1


def logged_size(data: bytes) -> int:
    """Return about how many bytes these are in a json-file log, at most; quick."""
    escaped = len(data) - len(data.translate(None, _ESCAPED))
    return len(data) + escaped * _ESCAPE_BYTES + (data.count(b"\n") + 1) * _ENTRY_BYTES


class Position:
    """How much of one stream has been seen."""

    def __init__(self) -> None:
        self.lines = 0
        self._within = 0
        self._decode = _decoder("runner-each-byte")

    @property
    def within(self) -> int:
        """Bytes of the unfinished line; a character whose end has not come yet counts as it is."""
        return self._within + len(self._decode.getstate()[0])

    def advance(self, data: bytes) -> None:
        """Count ``data`` as seen."""
        lines = data.count(b"\n")
        if lines:
            self.lines += lines
            self._within = 0
            self._decode.reset()
            data = data[data.rindex(b"\n") + 1 :]
        if data:
            self._within += len(self._decode.decode(data).encode())


class Replay:
    """Drops from a log that starts anew what has been seen of it."""

    def __init__(self, positions: dict[int, Position]) -> None:
        self._lines: defaultdict[int, int] = defaultdict(int)
        self._within: defaultdict[int, int] = defaultdict(int)
        for stream, position in positions.items():
            self._lines[stream] = position.lines
            self._within[stream] = position.within

    def fresh(self, stream: int, data: bytes) -> bytes:
        """Return what of ``data`` is new."""
        lines = self._lines[stream]
        if lines:
            found = data.count(b"\n")
            self._lines[stream] = max(0, lines - found)
            if found < lines:
                return b""
            data = data.split(b"\n", lines)[lines]
        dropped = min(self._within[stream], len(data))
        self._within[stream] -= dropped
        return data[dropped:]
