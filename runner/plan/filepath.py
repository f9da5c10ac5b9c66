"""Go's ``filepath.Match`` (``path/filepath/match.go``, Go 1.16 and later), on bytes as there."""

import functools
from collections.abc import Sequence

from runner.plan.match import BadPatternError
from runner.records import record

_SEPARATOR = ord("/")
_REPLACEMENT = 0xFFFD  # what Go decodes from a byte that is no UTF-8
_LONGEST_RUNE = 4  # bytes of UTF-8


@record
class _Byte:
    """One literal byte."""

    value: int


@record
class _AnyRune:
    """``?``: one character that is no separator."""


@record
class _Class:
    """``[a-z]``: one character, the separator included, as in Go."""

    negated: bool
    ranges: tuple[tuple[int, int], ...]


_Atom = _Byte | _AnyRune | _Class


@record
class Chunk:
    """What stands between two runs of ``*``; ``star`` says whether a ``*`` stands before it."""

    star: bool
    atoms: tuple[_Atom, ...]


@functools.lru_cache(maxsize=512)
def read(pattern: str) -> tuple[Chunk, ...]:
    """Read a pattern of Go's ``filepath.Match`` (``path/filepath/match.go``, Go 1.16 and later).

    Since Go 1.16 a malformed pattern is an error for every value, so reading it apart from matching changes nothing.
    """
    text = pattern.encode("utf-8", "surrogatepass")
    chunks: list[Chunk] = []
    at = 0
    while at < len(text):
        star = text[at] == ord("*")
        while at < len(text) and text[at] == ord("*"):
            at += 1
        atoms: list[_Atom] = []
        while at < len(text) and text[at] != ord("*"):
            atom, at = _read_atom(pattern, text, at)
            atoms.append(atom)
        chunks.append(Chunk(star=star, atoms=tuple(atoms)))
    return tuple(chunks)


def _read_atom(pattern: str, text: bytes, at: int) -> tuple[_Atom, int]:
    match text[at : at + 1]:
        case b"[":
            return _read_class(pattern, text, at + 1)
        case b"?":
            return _AnyRune(), at + 1
        case b"\\":
            at += 1
            if at == len(text):
                raise BadPatternError(pattern, "ends with a single backslash", r"write \\ for a backslash")
    return _Byte(value=text[at]), at + 1


def _read_class(pattern: str, text: bytes, at: int) -> tuple[_Class, int]:
    negated = text[at : at + 1] == b"^"
    if negated:
        at += 1
    ranges: list[tuple[int, int]] = []
    while not (ranges and text[at : at + 1] == b"]"):
        low, at = _read_class_rune(pattern, text, at)
        high = low
        if text[at : at + 1] == b"-":
            high, at = _read_class_rune(pattern, text, at + 1)
        ranges.append((low, high))
    return _Class(negated=negated, ranges=tuple(ranges)), at + 1


def _read_class_rune(pattern: str, text: bytes, at: int) -> tuple[int, int]:
    """Go's ``getEsc``: one possibly escaped character of a class, which something must follow."""
    if text[at : at + 1] in (b"-", b"]"):
        raise BadPatternError(pattern, "has a misplaced - or ] in its [class]", r"write \- or \] for the character")
    if text[at : at + 1] == b"\\":
        at += 1
    rune, width = _rune(text, at)
    if at + width >= len(text):
        raise BadPatternError(pattern, "has a [ without its ]", r"write \[ for the character")
    return rune, at + width


def _rune(text: bytes, at: int) -> tuple[int, int]:
    """Go's ``utf8.DecodeRune``: the character at a position and its width in bytes (0 at the end)."""
    window = text[at : at + _LONGEST_RUNE]
    for width in range(1, len(window) + 1):
        try:
            return ord(window[:width].decode("utf-8")), width
        except UnicodeDecodeError:
            continue
    return _REPLACEMENT, min(1, len(window))


def fits(pattern: str, name: bytes) -> bool:
    """Go's ``Match``: each chunk takes the first place where it fits, and is not moved again.

    Raises BadPatternError for a pattern that cannot be read.
    """
    chunks = read(pattern)
    at = 0
    for index, chunk in enumerate(chunks):
        last = index == len(chunks) - 1
        found = _place(chunk, name, at, whole=last)
        if found is None:
            return False
        at = found
    return at == len(name)


def _place(chunk: Chunk, name: bytes, at: int, *, whole: bool) -> int | None:
    """Where a chunk ends that is matched at ``at`` or, after a star, at the first later place before a separator."""
    while True:
        end = _match_atoms(chunk.atoms, name, at)
        if end is not None and (end == len(name) or not whole):
            return end
        if not chunk.star or at >= len(name) or name[at] == _SEPARATOR:
            return None
        at += 1


def _match_atoms(atoms: Sequence[_Atom], name: bytes, at: int) -> int | None:
    for atom in atoms:
        if at >= len(name):
            return None
        rune, width = (name[at], 1) if isinstance(atom, _Byte) else _rune(name, at)
        if not _takes(atom, rune):
            return None
        at += width
    return at


def _takes(atom: _Atom, rune: int) -> bool:
    match atom:
        case _Byte():
            return atom.value == rune
        case _AnyRune():
            return rune != _SEPARATOR
        case _Class():
            return any(low <= rune <= high for low, high in atom.ranges) != atom.negated
