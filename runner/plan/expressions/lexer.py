"""Cut an expression into tokens, as expr-lang's ``parser/lexer`` (v1.17.8)."""

import enum
import re
import unicodedata

from runner.plan.expressions.syntax import FaultError
from runner.records import record

_LARGEST_INTEGER = 2**63 - 1
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_WORD_OPERATORS = frozenset(
    ["and", "contains", "else", "endsWith", "if", "in", "let", "matches", "not", "or", "startsWith"]
)

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_SYMBOL = re.compile(r"[&!=*<>][&=*]?|\|\|?|::?|\?[.?]?|\.\.?|[()\[\]{},;%+\-^/]")
_RAW_STRING = re.compile(r"`((?:[^`]|``)*+)`")
_PLAIN = {quote: re.compile(rf"[^{quote}\\\n]+") for quote in "'\""}
_ESCAPE = re.compile(
    r"\\(?:(?P<letter>[abfnrtv\\'\"])|(?P<octal>[0-3][0-7]{2})"
    r"|(?:x(?P<x>[0-9a-fA-F]{2})|u\{(?P<braced>[0-9a-fA-F]{1,6})\}|u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})))"
)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _number_of(digits: str) -> str:
    return rf"[{digits}]*(?:\.(?!\.)[{digits}]*)?(?:[eE][+-]?[{digits}]*)?"


# What the scanner takes; most of the odd forms, such as 0x1.5, are refused when they are read.
_NUMBER = re.compile(
    rf"\.?(?:0[xX]{_number_of('0-9a-fA-F_')}|0[oO]{_number_of('0-7_')}|0[bB]{_number_of('01_')}|{_number_of('0-9_')})"
)


class Kind(enum.Enum):
    """What a token is; SYMBOL covers operators (``and`` too) and brackets."""

    NAME = enum.auto()
    NUMBER = enum.auto()
    STRING = enum.auto()
    SYMBOL = enum.auto()
    END = enum.auto()


@record
class Token:
    """One token: ``text`` as written, ``value`` what a number or a string stands for."""

    kind: Kind
    text: str
    column: int
    value: str | float | None = None


def tokens(text: str) -> list[Token]:
    """The tokens of an expression, the last of them END. Raises FaultError for what is no token."""
    found: list[Token] = []
    at = _skip(text, 0)
    while at < len(text):
        token, at = _read(text, at)
        found.append(token)
        at = _skip(text, at)
    found.append(Token(kind=Kind.END, text="", column=len(text) + 1))
    return found


def _skip(text: str, at: int) -> int:
    """The next place that is neither white space, as Go sees it, nor a comment."""
    while at < len(text):
        if comment := _COMMENT.match(text, at):
            at = comment.end()
        elif text[at].isspace() and not "\x1c" <= text[at] <= "\x1f":
            at += 1
        else:
            break
    return at


def _read(text: str, at: int) -> tuple[Token, int]:
    char, following = text[at], text[at + 1 : at + 2]
    if char in "'\"":
        return _read_string(text, at)
    if char == "`":
        return _read_raw_string(text, at)
    if char in "bB" and following in ("'", '"'):
        raise FaultError(at + 1, "has a literal of bytes, which is not supported here", "write a string, without the b")
    if char == "#":
        raise FaultError(at + 1, "has a #, which is not supported here", "there are no closures")
    if char in "0123456789" or (char == "." and following and following in "0123456789"):
        return _read_number(text, at)
    if _is_word(char):
        return _read_word(text, at)
    if text.startswith("/*", at):
        raise FaultError(at + 1, "has a comment that does not end", "close it with */")
    if symbol := _SYMBOL.match(text, at):
        return Token(kind=Kind.SYMBOL, text=symbol[0], column=at + 1), symbol.end()
    raise FaultError(at + 1, f"has the character {char!r}, which means nothing here", "quote text: 'like this'")


def _is_word(char: str) -> bool:
    category = unicodedata.category(char)
    return char in "_$" or category[0] == "L" or category == "Nd"


def _read_word(text: str, at: int) -> tuple[Token, int]:
    end = at + 1
    while end < len(text) and _is_word(text[end]):
        end += 1
    word = text[at:end]
    kind = Kind.SYMBOL if word in _WORD_OPERATORS else Kind.NAME
    return Token(kind=kind, text=word, column=at + 1), end


def _read_number(text: str, at: int) -> tuple[Token, int]:
    found = _NUMBER.match(text, at)
    end = found.end() if found else at
    written = text[at:end]
    if end < len(text) and _is_word(text[end]):
        raise FaultError(at + 1, f"has the bad number {text[at : end + 1]!r}", "write a number such as 10 or 1.5")
    try:
        value = _number(written.replace("_", "").lower())
    except ValueError as error:
        raise FaultError(at + 1, f"has the bad number {written!r}", "write a number such as 10 or 1.5") from error
    if value > _LARGEST_INTEGER and (isinstance(value, int) or value == float("inf")):
        raise FaultError(at + 1, f"has the number {written!r}, which is too large", "integers have 64 bits")
    return Token(kind=Kind.NUMBER, text=written, column=at + 1, value=value), end


def _number(written: str) -> float:
    bases = {"0x": 16, "0b": 2, "0o": 8}
    if written.startswith("0x") or ("." not in written and "e" not in written):
        base = bases.get(written[:2])
        return int(written[2:], base) if base else int(written)
    return float(written)


def _read_raw_string(text: str, at: int) -> tuple[Token, int]:
    found = _RAW_STRING.match(text, at)
    if found is None:
        raise FaultError(at + 1, "has a string that does not end", "close it with `")
    value = found[1].replace("``", "`")
    return Token(kind=Kind.STRING, text=found[0], column=at + 1, value=value), found.end()


def _read_string(text: str, start: int) -> tuple[Token, int]:
    quote = text[start]
    parts: list[str] = []
    at = start + 1
    while text[at : at + 1] != quote:
        if plain := _PLAIN[quote].match(text, at):
            parts.append(plain[0].replace("\r", "\n"))
            at = plain.end()
            continue
        if text[at : at + 1] in ("", "\n"):
            raise FaultError(start + 1, "has a string that does not end", f"close it with {quote} on the same line")
        part, at = _read_escape(text, at, quote)
        parts.append(part)
    return Token(kind=Kind.STRING, text=text[start : at + 1], column=start + 1, value="".join(parts)), at + 1


def _read_escape(text: str, at: int, quote: str) -> tuple[str, int]:
    found = _ESCAPE.match(text, at)
    if found is None or found["letter"] in {"'", '"'} - {quote}:
        raise FaultError(
            at + 1, "has a bad escape", r"write \\ for a backslash, or quote with `...`, which knows no escapes"
        )
    if letter := found["letter"]:
        return _LETTERS.get(letter, letter), found.end()
    number = found["x"] or found["braced"] or found["u"] or found["U"]
    code = int(number, 16) if number else int(found["octal"], 8)
    try:
        return chr(code).encode().decode(), found.end()
    except UnicodeEncodeError:
        # A lone surrogate; Go writes the replacement character.
        return _REPLACEMENT, found.end()
    except (ValueError, OverflowError) as error:
        raise FaultError(at + 1, "has an escape beyond Unicode", r"the largest is \U0010FFFF") from error
