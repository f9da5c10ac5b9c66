r"""The lines ``KEY=value`` of an outputs file or a file of variables, as hashicorp/go-envparse v0.1.0 reads them.

::

    # a comment
    export KEY = some words # and a comment
    KEY=plain" double\tquoted with JSON's escapes "'single quoted'

Different on purpose: a comment does not tear the character before it, a line may have any length, and NUL and halves of
surrogate pairs, which no environment can hold, are errors.
"""

import json
import re

# What Go's bytes.TrimSpace removes: unlike str.strip() not U+001C to U+001F.
_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_EXPORT = "export "
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9/_.]*")
_PIECE = re.compile(r"""'(?P<single>[^']*)'|(?P<double>"(?:[^"\\]|\\.)*+")|(?P<plain>[^'"#]+)""", re.DOTALL)
_UNFIT = re.compile("[\0\ud800-\udfff]")
_CONTROL = re.compile("[\0-\x1f]")


class BadLineError(ValueError):
    """A line that cannot be read: ``line`` counts from 1, ``message`` says what is wrong, ``hint`` what would be right.

    The message holds nothing of a value, which may be a secret.
    """

    def __init__(self, line: int, message: str, hint: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.message = message
        self.hint = hint


def parse(text: str, *, keep_empty: bool = True) -> dict[str, str]:
    """The variables of a text; of several lines with the same key the last counts.

    Without ``keep_empty`` a line whose value is empty counts as if it were not there, as in Vela's outputs files.

    Raises BadLineError for the first line that is neither blank nor a comment nor an assignment; nothing of such a file
    may be used.
    """
    variables: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip(_SPACE)
        if not stripped or stripped.startswith("#"):
            continue
        name, value = _Line(number).read(stripped)
        if value or keep_empty:
            variables[name] = value
    return variables


class _Line:
    """The reading of one line; its number is for the errors."""

    def __init__(self, number: int) -> None:
        self._number = number

    def read(self, line: str) -> tuple[str, str]:
        key, separator, value = line.partition("=")
        if not separator:
            raise self._bad("has no =", "write KEY=value; a line break in a value is \\n in double quotes")
        return self._key(key.strip(_SPACE)), self._value(value.strip(_SPACE))

    def _key(self, key: str) -> str:
        if len(key) > len(_EXPORT):
            key = key.removeprefix(_EXPORT)
        if not _KEY.fullmatch(key):
            raise self._bad(
                "has no valid key before its =",
                "a key is made of letters, digits, '_', '.' and '/', and begins with a letter or '_'",
            )
        return key

    def _value(self, value: str) -> str:
        """The value without its quotes, its comment and, where a comment follows, unquoted space before that."""
        pieces: list[str] = []
        length = significant = at = 0
        while at < len(value):
            if value[at] == "#":
                return "".join(pieces)[:significant]
            written = self._piece(value, at)
            pieces.append(self._unquoted(written))
            # Space is significant in quotes, and before what is significant itself.
            shown = pieces[-1].rstrip(" ") if written.lastgroup == "plain" else pieces[-1]
            significant = length + len(shown) if shown else significant
            length += len(pieces[-1])
            at = written.end()
        return "".join(pieces)

    def _piece(self, value: str, at: int) -> re.Match[str]:
        written = _PIECE.match(value, at)
        if written is None:
            raise self._bad("has a quote that is not closed", f"write a second {value[at]} in the same line")
        if _CONTROL.search(written[0]):
            raise self._bad("has a control character in its value", r'write it as an escape in double quotes: "\t"')
        return written

    def _unquoted(self, piece: re.Match[str]) -> str:
        if piece.lastgroup == "double":
            return self._unescaped(piece[0])
        return piece["plain"] or piece["single"] or ""

    def _unescaped(self, quoted: str) -> str:
        try:
            text: str = json.loads(quoted)
        except ValueError as error:
            hint = r"the escapes are JSON's: \" \\ \/ \b \f \n \r \t \uXXXX"
            raise self._bad("has an escape in double quotes that does not exist", hint) from error
        if _UNFIT.search(text) and not _UNFIT.search(quoted):
            raise self._bad(
                "has an escape for a character that no variable can hold",
                r"\u0000 is none, and a character beyond \uffff takes two escapes, \ud83d\udd25",
            )
        return text

    def _bad(self, message: str, hint: str) -> BadLineError:
        return BadLineError(self._number, message, hint)
