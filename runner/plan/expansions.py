"""Read the ``${...}`` of a text, as Vela does with drone/envsubst v1.0.3 (package ``parse``).

Different on purpose: a backslash outside a ``${NAME/PATTERN/TEXT}`` is an ordinary character, so is a NUL, which ends
the text there. What a ``${...}`` may hold is what that library reads, its oddities included: a pattern runs to the next
``/``, whatever stands before it, and several ``/`` or ``:`` between two arguments count as one.
"""

import re

from runner.records import record

DEFAULTS = frozenset({"=", ":=", ":-", ":?", ":+"})
LENGTH = "length"  # of ``${#NAME}``: its ``#`` alone would be the operator that cuts off a prefix

_DEEPEST = 16  # expansions within expansions
_LONGEST_EXCERPT = 60

# What follows the name; the longer of two operators with the same beginning first.
_OPERATOR = re.compile(r":[-=?+]|[=:]|\^\^?|,,?|/[/#%]?|##?|%%?|")

# One run of plain characters each: up to the next "${" and what ends such a run.
_OUTSIDE = re.compile(r"(?:[^$]+|\$\$|\$(?!\{))++")
_WORD = re.compile(r"(?:[^}$]+|\$(?!\{))++")
_POSITION = re.compile(r"(?:[^:}$]+|\$(?!\{))++")
_PATTERN = re.compile(r"(?:[^/$\\]+|\$\$|\\[/\\]|\\|\$(?!\{))++")
_REPLACEMENT = re.compile(r"(?:[^}$\\]+|\$\$|\\[/\\]|\\|\$(?!\{))++")
_ESCAPE = re.compile(r"\$(\$)|\\([/\\])")

_BRACE = re.compile(r"\$\{|\}")
_HASH = re.compile("#")
_COLONS = re.compile(":+")
_SLASHES = re.compile("/+")


class BadTemplateError(ValueError):
    """A text whose ``${...}`` cannot be substituted: ``message`` says why, ``hint`` what would be right."""

    def __init__(self, expression: str, reason: str, hint: str) -> None:
        self.message = f"{_excerpt(expression)} {reason}"
        super().__init__(self.message)
        self.hint = hint


@record
class Text:
    """Plain characters, escapes resolved."""

    value: str


@record
class Expansion:
    """One ``${...}``: the name of its variable, what is done with its value, and ``source``, the whole as written.

    ``operator`` is empty for a plain ``${NAME}``. The arguments of one of DEFAULTS are pieces of one text; those of any
    other operator are one part each.
    """

    source: str
    name: str
    operator: str
    arguments: "tuple[Part, ...]" = ()


Part = Text | Expansion


def read(text: str) -> tuple[Part, ...]:
    """Split a text into plain characters and expansions; outside of expansions ``$$`` is a ``$``.

    Raises BadTemplateError for a ``${`` that does not begin an expansion of the library's forms, or that is nested too
    deeply.
    """
    return _Reader(text).parts()


class _Reader:
    """A place in a text, and where the expansions begin that are open there."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._open: list[int] = []

    def parts(self) -> tuple[Part, ...]:
        parts: list[Part] = []
        while self._at < len(self._text):
            plain = self._take(_OUTSIDE)
            parts.append(Text(value=plain.replace("$$", "$")) if plain else self._expansion())
        return tuple(parts)

    def _expansion(self) -> Expansion:
        begin = self._at
        self._open.append(begin)
        if len(self._open) > _DEEPEST:
            raise self._bad(f"holds ${{...}} more than {_DEEPEST} deep", "write less of it in one value")
        self._at += len("${")
        measures = bool(self._take(_HASH))
        name = self._name()
        operator = LENGTH if measures else self._take(_OPERATOR)
        arguments = self._arguments(operator)
        self._expect_end()
        self._open.pop()
        return Expansion(source=self._text[begin : self._at], name=name, operator=operator, arguments=arguments)

    def _name(self) -> str:
        """A name as the library takes it: letters and decimal digits of any script, and underscores."""
        begin = self._at
        while self._at < len(self._text) and _is_of_name(self._text[self._at]):
            self._at += 1
        if begin == self._at:
            raise self._bad("is not a variable that can be substituted")
        return self._text[begin : self._at]

    def _arguments(self, operator: str) -> tuple[Part, ...]:
        if operator in DEFAULTS:
            return self._words()
        match operator[:1]:
            case ":":
                position = self._argument(_POSITION)
                return (position, self._argument(_WORD)) if self._take(_COLONS) else (position,)
            case "/":
                return self._replacement()
            case "#" | "%":
                return (self._argument(_WORD),)
        return ()

    def _words(self) -> tuple[Part, ...]:
        words: list[Part] = []
        while not self._text.startswith("}", self._at):
            words.append(self._argument(_WORD))
        return tuple(words)

    def _replacement(self) -> tuple[Part, ...]:
        pattern = self._argument(_PATTERN, escapes=True)
        if not self._take(_SLASHES):
            raise self._bad("has no / after its pattern", "write ${NAME/PATTERN/TEXT}")
        if self._text.startswith("}", self._at):
            return (pattern,)
        return pattern, self._argument(_REPLACEMENT, escapes=True)

    def _argument(self, run: re.Pattern[str], *, escapes: bool = False) -> Part:
        """One argument: an expansion or a run of characters, never both, as in the library."""
        if self._text.startswith("${", self._at):
            return self._expansion()
        plain = self._take(run)
        if not plain:
            raise self._bad("lacks what its operator works with")
        return Text(value=_ESCAPE.sub(_escaped, plain) if escapes else plain)

    def _take(self, pattern: re.Pattern[str]) -> str:
        """The characters here that the pattern matches, which are then read; none when it does not."""
        found = pattern.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found[0]

    def _expect_end(self) -> None:
        if not self._text.startswith("}", self._at):
            raise self._bad("is not a variable that can be substituted")
        self._at += 1

    def _bad(self, reason: str, hint: str = "") -> BadTemplateError:
        """The error about the outermost expansion that is open here."""
        begin = self._open[0]
        depth = 0
        for brace in _BRACE.finditer(self._text, begin):
            depth += 1 if brace[0] == "${" else -1
            if depth == 0:
                expression = self._text[begin : brace.end()]
                escaped = _excerpt(expression.replace("${", "$${"))
                return BadTemplateError(expression, reason, hint or f"write {escaped} so that the shell sees it")
        return BadTemplateError(self._text[begin:], "has no closing }", "write $${ where ${ itself is meant")


def _is_of_name(character: str) -> bool:
    return character.isalpha() or character.isdecimal() or character == "_"


def _escaped(escape: re.Match[str]) -> str:
    return escape[1] or escape[2]


def _excerpt(text: str) -> str:
    """The first line of a text, so much of it as a message has room for."""
    line = text[: _LONGEST_EXCERPT + 1].partition("\n")[0]
    return line if line == text and len(line) <= _LONGEST_EXCERPT else f"{line[:_LONGEST_EXCERPT]}…"
