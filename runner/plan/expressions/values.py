"""What an expression does with values, as expr-lang's ``vm/runtime`` (v1.17.8)."""

from typing import TypeGuard

from runner.plan.expressions.syntax import Value


def is_number(value: Value) -> TypeGuard[float]:
    """Whether the value is an integer or a float."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def kind_of(value: Value) -> str:
    """The kind of a value, for messages."""
    match value:
        case None:
            return "nil"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case tuple():
            return "an array"


def equal(left: Value, right: Value) -> bool:
    """``==``: numbers by value, arrays by their items; values of unlike kinds are unequal."""
    if is_number(left) and is_number(right):
        both_whole = isinstance(left, int) and isinstance(right, int)
        return left == right if both_whole else float(left) == float(right)
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(equal, left, right))
    return type(left) is type(right) and left == right


def ordered(operator: str, left: Value, right: Value) -> bool | None:
    """``< <= > >=`` between two strings or two numbers; None for others, which have no order."""
    if isinstance(left, str) and isinstance(right, str):
        less, more = left < right, left > right
    elif is_number(left) and is_number(right):
        both_whole = isinstance(left, int) and isinstance(right, int)
        one, other = (left, right) if both_whole else (float(left), float(right))
        less, more = one < other, one > other
    else:
        return None
    return {"<": less, "<=": not more, ">": more, ">=": not less}[operator]


def valid(text: str) -> str:
    """The text without half surrogate pairs, which neither Go nor RE2 has in a string."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
