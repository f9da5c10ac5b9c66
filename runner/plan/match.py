"""Does one pattern match one value: Go's ``filepath.Match`` and RE2, as Vela reads the patterns of a ruleset.

RE2 is that of google-re2.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import re2

from runner.errors import quoted
from runner.plan.model import Matcher

_SEPARATOR = ord("/")
_REPLACEMENT = 0xFFFD  # what Go decodes from a byte that is no UTF-8
_LONGEST_RUNE = 4  # bytes of UTF-8
_MOST_MEMORY = 1024 * 1024  # of one regular expression; by default RE2 takes eight times as much


class BadPatternError(ValueError):
    """A pattern that cannot be read: the message says why, ``hint`` what would be right."""

    def __init__(self, pattern: str, reason: str, hint: str) -> None:
        super().__init__(f"{quoted(pattern)} {reason}")
        self.pattern = pattern
        self.hint = hint


def matches(matcher: Matcher, pattern: str, value: str) -> bool:
    """Whether the pattern matches the value: the whole of it with FILEPATH, any part of it with REGEXP.

    Raises BadPatternError for a pattern that cannot be read, whatever the value is.
    """
    if matcher is Matcher.REGEXP:
        # RE2 refuses lone surrogates; Go reads such bytes as the replacement character.
        text = _bytes(value).decode("utf-8", "replace")
        return bool(_regexp(pattern).search(text))
    return _match_glob(_glob(pattern), _bytes(value))


def check(matcher: Matcher, pattern: str) -> int:
    """Return how much work it is to read the pattern, about 0.5 us a unit; raise BadPatternError when it cannot be."""
    if matcher is Matcher.REGEXP:
        return int(_regexp(pattern).programsize)
    _glob(pattern)
    return len(pattern)


def _bytes(text: str) -> bytes:
    # "surrogatepass": a fact may come from an event's JSON with half a surrogate pair, and must not end the compiler.
    return text.encode("utf-8", "surrogatepass")


@functools.lru_cache(maxsize=512)
def _regexp(pattern: str) -> "re2._Regexp":
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MOST_MEMORY
    options.never_capture = True  # only yes or no is asked, and groups cost a hostile pattern's author nothing
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise BadPatternError(pattern, f"is no regular expression: {reason}", "the syntax is RE2's") from error


@dataclass(frozen=True, kw_only=True)
class _Byte:
    """One literal byte."""

    value: int


@dataclass(frozen=True, kw_only=True)
class _AnyRune:
    """``?``: one character that is no separator."""


@dataclass(frozen=True, kw_only=True)
class _Class:
    """``[a-z]``: one character, the separator included, as in Go."""

    negated: bool
    ranges: tuple[tuple[int, int], ...]


_Atom = _Byte | _AnyRune | _Class


@dataclass(frozen=True, kw_only=True)
class _Chunk:
    """What stands between two runs of ``*``; ``star`` says whether a ``*`` stands before it."""

    star: bool
    atoms: tuple[_Atom, ...]


@functools.lru_cache(maxsize=512)
def _glob(pattern: str) -> tuple[_Chunk, ...]:
    """Read a pattern of Go's ``filepath.Match`` (``path/filepath/match.go``, Go 1.16 and later).

    Since Go 1.16 a malformed pattern is an error for every value, so reading it apart from matching changes nothing.
    """
    text = _bytes(pattern)
    chunks: list[_Chunk] = []
    at = 0
    while at < len(text):
        star = text[at] == ord("*")
        while at < len(text) and text[at] == ord("*"):
            at += 1
        atoms: list[_Atom] = []
        while at < len(text) and text[at] != ord("*"):
            atom, at = _read_atom(pattern, text, at)
            atoms.append(atom)
        chunks.append(_Chunk(star=star, atoms=tuple(atoms)))
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


def _match_glob(chunks: Sequence[_Chunk], name: bytes) -> bool:
    """Go's ``Match``: each chunk takes the first place where it fits, and is not moved again."""
    at = 0
    for index, chunk in enumerate(chunks):
        last = index == len(chunks) - 1
        found = _place(chunk, name, at, whole=last)
        if found is None:
            return False
        at = found
    return at == len(name)


def _place(chunk: _Chunk, name: bytes, at: int, *, whole: bool) -> int | None:
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
