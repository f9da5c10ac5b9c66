"""What the operators of a ``${...}`` do with a value, as drone/envsubst v1.0.3 (``funcs.go``).

Lengths and positions count bytes of UTF-8, as there. Different on purpose: a character that a cut would tear goes
as a whole, and a negative length counts from the end, as in bash, where the library panics.
"""

import re
from collections.abc import Callable, Sequence

from runner.plan.expansions import LENGTH

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_MOST_DIGITS = 4000  # fewer than the digits that int() refuses
_INT64 = range(-(2**63), 2**63)
_CONTINUATION = bytes(range(0x80, 0xC0))  # of a character of UTF-8, after its first byte


def apply(operator: str, value: str, arguments: Sequence[str]) -> str:
    """The value after an operator that is none of ``expansions.DEFAULTS``; ``arguments`` are as many as were written.

    Time and result grow at most with the product of the lengths of the value and the arguments.
    """
    return _OPERATORS[operator](value, *arguments)


def _plain(value: str) -> str:
    return value


def _length(value: str) -> str:
    return str(len(_utf8(value)))


def _upper(value: str) -> str:
    return "".join(map(_upper_character, value))


def _lower(value: str) -> str:
    return "".join(map(_lower_character, value))


def _upper_first(value: str) -> str:
    return _upper(value[:1]) + value[1:]


def _lower_first(value: str) -> str:
    return _lower(value[:1]) + value[1:]


def _upper_character(character: str) -> str:
    """Go's ``unicode.ToUpper``: always one character (``ß`` has none and stays)."""
    for converted in (character.upper(), character.title()):
        if len(converted) == 1:
            return converted
    return character


def _lower_character(character: str) -> str:
    """Go's ``unicode.ToLower``: always one character."""
    return character.lower()[0]


def _substring(value: str, position: str, length: str | None = None) -> str:
    """A part of the value; all of it when position or length is no number."""
    start = _integer(position)
    count = None if length is None else _integer(length)
    if start is None or (length is not None and count is None):
        return value
    raw = _utf8(value)
    if start < 0:
        start = max(0, start + len(raw))
    end = len(raw)
    if count is not None:
        end = min(end, count + (start if count >= 0 else end))
    return value[_characters(raw, start) : _whole_characters(raw, end)] if start < end else ""


def _integer(text: str) -> int | None:
    """Go's ``strconv.Atoi``."""
    if not _INTEGER.fullmatch(text) or len(text) > _MOST_DIGITS:
        return None
    number = int(text)
    return number if number in _INT64 else None


def _utf8(value: str) -> bytes:
    # "surrogatepass": a value may hold half a surrogate pair, from an event's JSON, and must not end the compiler.
    return value.encode("utf-8", "surrogatepass")


def _characters(raw: bytes, end: int) -> int:
    """How many characters begin before a byte."""
    return len(raw[:end].translate(None, _CONTINUATION))


def _whole_characters(raw: bytes, end: int) -> int:
    """How many characters end before a byte."""
    torn = raw[end : end + 1] and raw[end] in _CONTINUATION
    return _characters(raw, end) - bool(torn)


def _replace_all(value: str, pattern: str, text: str = "") -> str:
    return value.replace(pattern, text)


def _replace_first(value: str, pattern: str, text: str = "") -> str:
    return value.replace(pattern, text, 1)


def _replace_prefix(value: str, pattern: str, text: str | None = None) -> str:
    # Without a text the library changes nothing, unlike bash; a file that runs in Vela may know.
    if text is None or not value.startswith(pattern):
        return value
    return text + value.removeprefix(pattern)


def _replace_suffix(value: str, pattern: str, text: str | None = None) -> str:
    if text is None or not value.endswith(pattern):
        return value
    return value.removesuffix(pattern) + text


def _reach(glob: str, value: str, *, greedy: bool, from_end: bool = False) -> int:
    from runner.plan.globs import reach  # noqa: PLC0415 - globs are rare, and RE2 takes long to import

    return reach(glob, value, greedy=greedy, from_end=from_end)


def _trim_prefix(value: str, pattern: str) -> str:
    return value[_reach(pattern, value, greedy=False) :]


def _trim_longest_prefix(value: str, pattern: str) -> str:
    return value[_reach(pattern, value, greedy=True) :]


def _trim_suffix(value: str, pattern: str) -> str:
    return value[: len(value) - _reach(pattern, value, greedy=False, from_end=True)]


def _trim_longest_suffix(value: str, pattern: str) -> str:
    return value[: len(value) - _reach(pattern, value, greedy=True, from_end=True)]


_OPERATORS: dict[str, Callable[..., str]] = {
    "": _plain,
    LENGTH: _length,
    "^": _upper_first,
    "^^": _upper,
    ",": _lower_first,
    ",,": _lower,
    ":": _substring,
    "/": _replace_first,
    "//": _replace_all,
    "/#": _replace_prefix,
    "/%": _replace_suffix,
    "#": _trim_prefix,
    "##": _trim_longest_prefix,
    "%": _trim_suffix,
    "%%": _trim_longest_suffix,
}
