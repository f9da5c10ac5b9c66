"""Put the values of variables into a text, at compile time (``early``) and right before a step starts (``late``).

As Vela does with drone/envsubst v1.0.3: only ``${...}``, never ``$NAME``, and ``$$`` stands for ``$``. So ``$${NAME}``
is ``${NAME}`` after ``early``, for ``late`` or, in a command, for the shell. ``expansions`` says what is read,
``operators`` what is done.
"""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet

from runner.plan import operators
from runner.plan.expansions import DEFAULTS, BadTemplateError, Expansion, Part, Text, read

__all__ = ["BadTemplateError", "early", "escaped", "late", "names"]

_MOST_WORK = 8 * 1024 * 1024  # in characters of one text; no process can be started with so much environment
_PER_UNIT = 8  # characters of the arguments that cost as much as one of the value


def early(text: str, variables: Mapping[str, str], outside: AbstractSet[str] = frozenset()) -> str:
    """The text at compile time: an expansion that hangs on a variable which is not in ``variables`` stays as written.

    What comes of the variables in ``outside`` is escaped, for a text that ``late`` looks at again.

    Vela puts ``${NAME}`` in its place, without its operators, and a value with a newline in quotes
    (``compiler/native/substitute.go``); here values are inserted as they are.

    Raises BadTemplateError for a text that cannot be substituted, whatever the values are, or whose substitution is far
    too much work.
    """
    return _substitute(text, variables.get, outside)


def late(text: str, variables: Mapping[str, str]) -> str:
    """The text at run time: a variable that is not in ``variables`` is empty. Raises BadTemplateError as ``early``."""
    return _substitute(text, lambda name: variables.get(name, ""), frozenset())


def names(text: str) -> frozenset[str]:
    """The variables that a text refers to, also within defaults and patterns. Raises BadTemplateError as ``early``."""
    return frozenset(_names(read(text)))


def _names(parts: Iterable[Part]) -> Iterable[str]:
    for part in parts:
        if isinstance(part, Expansion):
            yield part.name
            yield from _names(part.arguments)


def escaped(value: str) -> str:
    """Return the text that ``early`` and ``late`` make into that value."""
    return value.replace("$", "$$")


def _substitute(text: str, lookup: Callable[[str], str | None], outside: AbstractSet[str]) -> str:
    if "$" not in text:
        return text
    substitution = _Substitution(lookup, outside)
    return "".join(substitution.written(part) for part in read(text))


class _Substitution:
    """The substitution of one text, which counts its work: a hostile text must not take the machine."""

    def __init__(self, lookup: Callable[[str], str | None], outside: AbstractSet[str]) -> None:
        self._lookup = lookup
        self._outside = outside
        self._work = 0

    def written(self, part: Part) -> str:
        """What stands in place of a part: its value or, as far as that is not known yet, itself as written."""
        if isinstance(part, Text):
            return part.value
        value = self._value(part)
        if value is not None:
            return value if self._outside.isdisjoint(_names([part])) else escaped(value)
        if part.operator in DEFAULTS and self._lookup(part.name) == "":
            return "".join(map(self.written, part.arguments))
        return part.source

    def _value(self, part: Part) -> str | None:
        """The value of a part; None when it hangs on a variable that is not known."""
        if isinstance(part, Text):
            return part.value
        value = self._lookup(part.name)
        if value is None:
            return None
        if part.operator in DEFAULTS:
            self._count(part, len(value))
            return value or self._default(part)
        arguments = self._values(part.arguments)
        if arguments is None:
            return None
        self._count(part, len(value) * (1 + sum(map(len, arguments)) // _PER_UNIT))
        return operators.apply(part.operator, value, arguments)

    def _default(self, part: Expansion) -> str | None:
        pieces = self._values(part.arguments)
        return None if pieces is None else "".join(pieces)

    def _values(self, parts: Iterable[Part]) -> list[str] | None:
        values: list[str] = []
        for part in parts:
            value = self._value(part)
            if value is None:
                return None
            values.append(value)
        return values

    def _count(self, part: Expansion, work: int) -> None:
        self._work += work
        if self._work > _MOST_WORK:
            raise BadTemplateError(part.source, "makes the text too long", "pass so much data in a file")
