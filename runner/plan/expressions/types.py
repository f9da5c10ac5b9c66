"""The kinds of values an expression knows before it runs, as expr-lang's ``checker/nature`` (v1.17.8)."""

import enum
from collections.abc import Sequence

from runner.plan.expressions.syntax import Literal
from runner.records import record


class Kind(enum.Enum):
    """The kinds of values; the text is for messages."""

    BOOLEAN = "a boolean"
    INTEGER = "an integer"
    FLOAT = "a float"
    STRING = "a string"
    ARRAY = "an array"
    NIL = "nil"
    UNKNOWN = "something unknown"


NUMBERS = (Kind.INTEGER, Kind.FLOAT)


@record
class Type:
    """The kind of a value, and for an array the type of its elements."""

    kind: Kind
    element: "Type | None" = None

    def may_be(self, *kinds: Kind) -> bool:
        """Whether the value has one of the kinds, as far as is known."""
        return self.kind is Kind.UNKNOWN or self.kind in kinds


BOOLEAN = Type(kind=Kind.BOOLEAN)
INTEGER = Type(kind=Kind.INTEGER)
STRING = Type(kind=Kind.STRING)
UNKNOWN = Type(kind=Kind.UNKNOWN)


def type_of_literal(literal: Literal) -> Type:
    """The type of a literal."""
    match literal.value:
        case None:
            return Type(kind=Kind.NIL)
        case bool():
            return BOOLEAN
        case int():
            return INTEGER
        case float():
            return Type(kind=Kind.FLOAT)
        case str():
            return STRING


def array_of(elements: Sequence[Type]) -> Type:
    """The type of an array: of the last element's type when all are of one kind, where nil counts as unknown."""
    kinds = {Kind.UNKNOWN if element.kind is Kind.NIL else element.kind for element in elements}
    return Type(kind=Kind.ARRAY, element=elements[-1] if len(kinds) == 1 else UNKNOWN)


def comparable(left: Type, right: Type) -> bool:
    """Whether ``==`` may stand between the types."""
    if left.may_be(Kind.NIL) or right.may_be(Kind.NIL) or left.kind is right.kind:
        return True
    return left.kind in NUMBERS and right.kind in NUMBERS


def orderable(left: Type, right: Type) -> bool:
    """Whether ``<`` may stand between the types."""
    return any(left.may_be(*kinds) and right.may_be(*kinds) for kinds in (NUMBERS, (Kind.STRING,)))


def coalesced(left: Type, right: Type) -> Type:
    """The type of ``left ?? right``."""
    if left.kind is Kind.NIL:
        return right
    return left if right.kind in (Kind.NIL, left.kind) else UNKNOWN


def joined(one: Type, other: Type) -> Type:
    """The type of a value that comes from one branch or the other."""
    if one.kind is not other.kind:
        return UNKNOWN
    if one.element is None or other.element is None:
        return one
    same = one.element.kind is other.element.kind and one.element.kind not in (Kind.UNKNOWN, Kind.NIL)
    return one if same else array_of([])
