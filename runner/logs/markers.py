"""The marker ``::add-mask::VALUE``, with which a step announces a secret: obeyed, and never shown.

It is looked for before anything is masked, since what it announces holds from the very next byte on.
"""

from runner.logs.lines import LONGEST
from runner.logs.mask import MASK, Mask, Masker

MARKER = b"::add-mask::"


class Redactor:
    r"""Takes one stream to what may be shown of it: markers are obeyed, secrets masked; one thread at a time.

    The rest of a line after a marker is a secret of the whole run. A line that begins with a marker vanishes, with its
    ``\n`` or ``\r\n``. Of a marker inside a line, as ``set -x`` prints them, ``***`` is left. A value of more than
    ``LONGEST`` bytes is hidden in pieces of so many, so an endless one needs no more memory.

    ``refused`` is set once a line of the first kind has announced a value that is too short to be masked.
    """

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._masker = Masker(mask)
        self._held = b""
        """The beginning of what may become a marker."""
        self._line_begins = True
        """Whether what comes next begins a line; inside a value, whether its marker did."""
        self._inside = False
        """Whether what comes next belongs to a value."""
        self._value = bytearray()
        """What has come of it, less the pieces that are hidden already."""
        self._pieces = 0
        self.refused = False

    @property
    def ends_a_line(self) -> bool:
        """Whether the end of a line is among what is held back: it is there, and nobody can see it yet."""
        return b"\n" in self._held or self._masker.ends_a_line

    def feed(self, data: bytes) -> bytes:
        """Return what can be shown by now, as ``Masker.feed``; a value is held back until its line ends."""
        if self._held:
            data, self._held = self._held + data, b""
        shown: list[bytes] = []
        at = 0
        while at < len(data):
            take = self._announced if self._inside else self._text
            at = take(data, at, shown)
        return shown[0] if len(shown) == 1 else b"".join(shown)

    def finish(self) -> bytes:
        """Return what was held back: the stream has ended. A value is complete then, part of a marker is just text."""
        return self._rest() + self._masker.finish()

    def cut(self) -> bytes:
        """Return what was held back when the bytes that follow are lost, as ``Masker.cut``; a new line begins.

        Of a value that is cut off the part that has come is hidden.
        """
        refused = self.refused
        shown = self._rest() + self._masker.cut()
        self._line_begins = True
        self.refused = refused  # a part of a value may be short
        return shown

    def _text(self, data: bytes, at: int, shown: list[bytes]) -> int:
        """Show text from ``at`` on, and return where a value begins, or the end."""
        found = data.find(MARKER, at)
        if found >= 0:
            self._show(data[at:found], shown)
            self._inside = True
            return found + len(MARKER)
        end = _begun(data, at)
        self._held = data[end:]
        self._show(data[at:end], shown)
        return len(data)

    def _announced(self, data: bytes, at: int, shown: list[bytes]) -> int:
        """Take more of a value, and return where the text after it begins, or the end."""
        newline = data.find(b"\n", at)
        end = newline if newline >= 0 else len(data)
        self._value += data[at:end]
        while len(self._value) > LONGEST:
            self._hide(bytes(self._value[:LONGEST]))
            del self._value[:LONGEST]
            self._pieces += 1
        if newline < 0:
            return end
        self._end(b"\n", shown)
        return newline + 1

    def _end(self, newline: bytes, shown: list[bytes]) -> None:
        """Hide a value that is complete, and show what is left of its line."""
        value = bytes(self._value)
        if value.endswith(b"\r"):
            value, newline = value[:-1], b"\r" + newline
        hidden = self._hide(value) or self._pieces > 0
        if not self._line_begins:
            self._show((MASK if value or self._pieces else b"") + newline, shown)
        elif not hidden:
            self.refused = True
        self._inside = False
        self._value.clear()
        self._pieces = 0

    def _hide(self, value: bytes) -> bool:
        r"""Hide a value, and what it stands for where ``%0A`` is ``\n`` and ``%25`` is ``%``.

        So GitHub's actions write a value of several lines (actions/toolkit, ``escapeData``).
        """
        lines = value.replace(b"%0D", b"\r").replace(b"%0A", b"\n").replace(b"%25", b"%")
        if lines != value:
            self._mask.hide(lines)
        return self._mask.hide(value)

    def _rest(self) -> bytes:
        """Return what is left when a stream stops."""
        shown: list[bytes] = []
        if self._inside:
            self._end(b"", shown)
        held, self._held = self._held, b""
        self._show(held, shown)
        return b"".join(shown)

    def _show(self, data: bytes, shown: list[bytes]) -> None:
        if data:
            self._line_begins = data.endswith(b"\n")
            shown.append(self._masker.feed(data))


def _begun(data: bytes, begin: int) -> int:
    """Return where a marker begins, not before ``begin``, that the end of ``data`` cuts off, else the end."""
    at = max(begin, len(data) - len(MARKER) + 1)
    while (at := data.find(MARKER[:1], at)) >= 0:
        if MARKER.startswith(data[at:]):
            return at
        at += 1
    return len(data)
