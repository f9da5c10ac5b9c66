"""Run a checked and folded expression: the supported part of expr-lang's ``vm`` (v1.17.8).

An undefined variable is the empty string. ``and``, ``or`` and ``?:`` run no more than they need, so a kind that only
shows in the run is an error only where it is reached.
"""

from collections.abc import Mapping

from runner.plan import match as patterns
from runner.plan.expressions.syntax import (
    Array,
    Binary,
    Call,
    Choice,
    FaultError,
    Literal,
    Logical,
    Name,
    Node,
    Not,
    Ordering,
    Sign,
    Value,
)
from runner.plan.expressions.values import equal, is_number, kind_of, ordered, valid
from runner.plan.model import Matcher


def evaluate(node: Node, variables: Mapping[str, str]) -> bool:
    """The answer of a whole expression. Raises FaultError when a value has the wrong kind."""
    return _Evaluation(variables).boolean(node)


class _Evaluation:
    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def boolean(self, node: Node) -> bool:
        value = self._value(node)
        if not isinstance(value, bool):
            hint = "compare the value, as in A == 'b'; an undefined variable is the empty string"
            raise FaultError(node.column, f"gives {kind_of(value)}, and not true or false", hint)
        return value

    def _value(self, node: Node) -> Value:  # noqa: PLR0911 - one return for each kind of node
        match node:
            case Literal() | Name():
                return node.value if isinstance(node, Literal) else valid(self._variables.get(node.name, ""))
            case Array():
                return tuple(self._value(item) for item in node.operands)
            case Not():
                return not self.boolean(node.operand)
            case Sign():
                return self._sign(node)
            case Logical():
                return self._logical(node)
            case Ordering():
                return self._ordering(node)
            case Binary():
                return self._binary(node)
            case Choice():
                return self._choice(node)
            case Call():
                return self._call(node)

    def _sign(self, node: Sign) -> Value:
        value = self._value(node.operand)
        if not node.negative:
            return value
        if not is_number(value):
            raise FaultError(node.column, f"has a sign before {kind_of(value)}", "only numbers have a sign")
        return -value

    def _logical(self, node: Logical) -> Value:
        for operand in node.operands[:-1]:
            if self.boolean(operand) is node.any:
                return node.any
        # The last one is the answer whatever its kind is; who uses it looks.
        return self._value(node.operands[-1])

    def _ordering(self, node: Ordering) -> bool:
        left = self._value(node.operands[0])
        for operator, operand in zip(node.operators, node.operands[1:], strict=True):
            right = self._value(operand)
            answer = ordered(operator, left, right)
            if answer is None:
                reason = f"orders {kind_of(left)} and {kind_of(right)}"
                raise FaultError(node.column, reason, "order two strings or two numbers; variables are strings")
            if not answer:
                return False
            left = right
        return True

    def _binary(self, node: Binary) -> Value:
        left = self._value(node.left)
        if node.operator == "??":
            return self._value(node.right) if left is None else left
        right = self._value(node.right)
        match node.operator:
            case "==":
                return equal(left, right)
            case "!=":
                return not equal(left, right)
            case "in":
                return _is_in(node, left, right)
            case _:
                return _compare_text(node, left, right)

    def _choice(self, node: Choice) -> Value:
        if self.boolean(node.condition):
            return True if node.then is None else self._value(node.then)
        return self._value(node.otherwise)

    def _call(self, node: Call) -> Value:
        match node.function, [self._value(argument) for argument in node.operands]:
            case "len", [str() | tuple() as measured]:
                return len(measured)
            case "hasPrefix", [str() as text, str() as part]:
                return text.startswith(part)
            case "hasSuffix", [str() as text, str() as part]:
                return text.endswith(part)
            case function, values:
                reason = f"calls {function} with {', '.join(map(kind_of, values))}"
                raise FaultError(node.column, reason, "give it strings")


def _is_in(node: Binary, left: Value, right: Value) -> bool:
    if not isinstance(right, tuple):
        raise FaultError(node.column, f"looks for {kind_of(left)} in {kind_of(right)}", "in stands before an [array]")
    if _is_set_of_strings(node.right):
        # expr-lang makes a set of it, where nil is the empty string and other kinds are errors.
        left = "" if left is None else left
        if not isinstance(left, str):
            raise FaultError(node.column, f"looks for {kind_of(left)} among strings", "look for a string")
    return any(equal(item, left) for item in right)


def _is_set_of_strings(node: Node) -> bool:
    if not isinstance(node, Array) or not node.operands:
        return False
    return all(isinstance(item, Literal) and isinstance(item.value, str) for item in node.operands)


def _compare_text(node: Binary, left: Value, right: Value) -> bool:
    if not isinstance(left, str) or not isinstance(right, str):
        reason = f"applies {node.operator} to {kind_of(left)} and {kind_of(right)}"
        raise FaultError(node.column, reason, f"{node.operator} stands between strings")
    match node.operator:
        case "contains":
            return right in left
        case "startsWith":
            return left.startswith(right)
        case "endsWith":
            return left.endswith(right)
    try:
        return patterns.matches(Matcher.REGEXP, right, left)
    except patterns.BadPatternError as error:
        raise FaultError(node.right.column, f"has a bad pattern: {error}", error.hint) from error
