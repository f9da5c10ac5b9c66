"""Bytes to bounded lines, and text that a terminal may safely be given."""

import re

LONGEST = 64 * 1024
"""A line of more bytes is shown in pieces."""

CONTINUED = b" [line continues]"

SGR = re.compile(r"\x1b\[[0-9;:]*m")
"""What ``safe`` leaves of escape sequences: colours."""

_UTF8_LONGEST = 4
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # every sequence begins with one
_SEQUENCE = r"""
    (?P<colour> \x1b\[ [0-9;:]* m )
    | (?: \x1b[\]PX^_] | [\x90\x98\x9d-\x9f] ) [^\x07\x18\x1a\x1b\x9c\n]* (?: \x07 | \x1b\\ | \x9c )?  # OSC, DCS, …
    | (?: \x1b\[ | \x9b ) [0-?]* [ -/]* [@-~]                                                         # CSI
    | \x1b [ -/]* [0-~]                                                                               # the others
    | [\x00-\x08\x0b-\x1f\x7f-\x9f]
"""


class Lines:
    r"""Makes blocks of complete lines from the chunks of one stream; where chunks end makes no difference.

    ``\r\n`` becomes ``\n``; all other bytes stay as they are. A line above ``LONGEST`` bytes is cut, between two
    UTF-8 characters, and each piece but the last is marked with ``CONTINUED``; so an endless line needs no more memory.
    """

    def __init__(self) -> None:
        self._rest = b""

    @property
    def incomplete(self) -> bool:
        """Whether there is a line that is not complete by now."""
        return bool(self._rest)

    def feed(self, data: bytes) -> bytes:
        """Return the lines that are complete by now, each with its newline; empty when there is none."""
        if self._rest:
            data = self._rest + data
        pieces: list[bytes] = []
        begin = end = 0
        while True:
            newline = data.rfind(b"\n", end, end + LONGEST + 1)
            if newline >= 0:
                end = newline + 1
            elif len(data) - end > LONGEST:
                end = _character_before(data, end + LONGEST)
                pieces += (data[begin:end], CONTINUED, b"\n")
                begin = end
            else:
                break
        self._rest = data[end:]
        pieces.append(data[begin:end])
        lines = b"".join(pieces)
        # One character is looked for forty times as fast as two, and hardly any output has it.
        return lines.replace(b"\r\n", b"\n") if b"\r" in lines else lines

    def finish(self) -> bytes:
        """Return the incomplete last line as if it were complete; empty when there is none."""
        rest, self._rest = self._rest, b""
        return rest.removesuffix(b"\r") + b"\n" if rest else b""


def _character_before(data: bytes, end: int) -> int:
    """Return the last position up to ``end`` where a UTF-8 character begins; ``end`` for what is not UTF-8."""
    for back in range(_UTF8_LONGEST):
        if data[end - back] & 0xC0 != 0x80:  # noqa: PLR2004 -- the two bits that mark a continuation byte
            return end - back
    return end


def decode(data: bytes) -> str:
    """Return hostile bytes as text; what is not UTF-8 is shown as U+FFFD."""
    return data.decode("utf-8", "replace")


def safe(text: str) -> str:
    """Return lines as a terminal may be given them: colours stay, nothing else can move, write or answer.

    Removed are all escape sequences but SGR (titles, clipboard, cursor) and all control characters but newline and tab.
    Of a line that redraws itself with carriage returns, the last state is left.
    """
    if not _UNSAFE.search(text):
        return text  # almost every line, ten times as fast
    if "\r" in text:
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return re.sub(_SEQUENCE, lambda sequence: sequence["colour"] or "", text, flags=re.VERBOSE)
