"""Which kinds of values meet in an expression: the supported part of expr-lang's ``checker`` (v1.17.8).

It refuses more than a run would: ``A == 1`` is an error for a variable that is there, since variables are strings, and
only false for one that is not.
"""

import itertools
from collections.abc import Collection
from typing import NoReturn

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
    children,
)
from runner.plan.expressions.types import (
    BOOLEAN,
    INTEGER,
    NUMBERS,
    STRING,
    UNKNOWN,
    Kind,
    Type,
    array_of,
    coalesced,
    comparable,
    joined,
    orderable,
    type_of_literal,
)
from runner.plan.model import Matcher

# An undefined variable of one of these names is a function to expr-lang, and no string.
_BUILTINS = frozenset(
    """
    abs all any bitand bitnand bitnot bitor bitshl bitshr bitushr bitxor ceil concat count date duration filter find
    findIndex findLast findLastIndex first flatten float floor fromBase64 fromJSON fromPairs get groupBy hasPrefix
    hasSuffix indexOf int join keys last lastIndexOf len lower map max mean median min none now one reduce repeat
    replace reverse round sort sortBy split splitAfter string sum take timezone toBase64 toJSON toPairs trim trimPrefix
    trimSuffix type uniq upper values
    """.split()  # noqa: SIM905 - a list would take a line for each name
)
# How many arguments of which kinds a function takes, and what it gives.
_SIGNATURES = {
    "hasPrefix": (2, (Kind.STRING,), BOOLEAN),
    "hasSuffix": (2, (Kind.STRING,), BOOLEAN),
    "len": (1, (Kind.STRING, Kind.ARRAY), INTEGER),
}


def check(root: Node, names: Collection[str] | None) -> None:
    """Refuse kinds of values that do not go together; ``names`` are the defined variables, None where not yet known.

    Raises FaultError. What is refused without the names is refused with any.
    """
    result = _Checker(names).type_of(root)
    if not result.may_be(Kind.BOOLEAN):
        reason = f"gives {result.kind.value}, and not true or false"
        raise FaultError(root.column, reason, "compare the value, as in A == 'b'")


class _Checker:
    def __init__(self, names: Collection[str] | None) -> None:
        self._names = names

    def type_of(self, node: Node) -> Type:  # noqa: PLR0911 - one return for each kind of node
        match node:
            case Literal():
                return type_of_literal(node)
            case Name():
                return self._name(node)
            case Array():
                return array_of([self.type_of(item) for item in node.operands])
            case Not() | Logical():
                return self._conditions(node)
            case Sign():
                return self._sign(node)
            case Ordering():
                return self._ordering(node)
            case Binary():
                return self._binary(node)
            case Choice():
                return self._choice(node)
            case Call():
                return self._call(node)

    def _name(self, node: Name) -> Type:
        if self._names is None:
            return UNKNOWN
        if node.name in self._names:
            return STRING
        if node.name in _BUILTINS:
            reason = f"has {node.name}, which is a function and no variable of this environment"
            raise FaultError(node.column, reason, "define the variable, or give it another name")
        return UNKNOWN

    def _conditions(self, node: Not | Logical) -> Type:
        for operand in children(node):
            self._condition(node.column, operand)
        return BOOLEAN

    def _condition(self, column: int, node: Node) -> Type:
        found = self.type_of(node)
        if not found.may_be(Kind.BOOLEAN):
            hint = "compare the value, as in A == 'b'; not binds tighter than a comparison"
            raise FaultError(column, f"uses {found.kind.value} as a condition", hint)
        return found

    def _sign(self, node: Sign) -> Type:
        found = self.type_of(node.operand)
        if not found.may_be(*NUMBERS):
            raise FaultError(node.column, f"has a sign before {found.kind.value}", "only numbers have a sign")
        return found

    def _ordering(self, node: Ordering) -> Type:
        for left, right in itertools.pairwise([self.type_of(operand) for operand in node.operands]):
            if not orderable(left, right):
                _refuse_comparison(node, left, right)
        return BOOLEAN

    def _binary(self, node: Binary) -> Type:
        left, right = self.type_of(node.left), self.type_of(node.right)
        match node.operator:
            case "??":
                return coalesced(left, right)
            case "==" | "!=":
                if not comparable(left, right):
                    _refuse_comparison(node, left, right)
            case "in":
                _check_in(node, left, right)
            case _:
                _check_text(node, left, right)
        return BOOLEAN

    def _choice(self, node: Choice) -> Type:
        condition = self._condition(node.column, node.condition)
        then = condition if node.then is None else self.type_of(node.then)
        otherwise = self.type_of(node.otherwise)
        if (then.kind is Kind.NIL) != (otherwise.kind is Kind.NIL):
            # expr-lang gives it the type of the other branch, and then fails here or answers there.
            reason = "has nil as one branch of ?:, which is not supported here"
            raise FaultError(node.column, reason, "give both branches values of one kind")
        return joined(then, otherwise)

    def _call(self, node: Call) -> Type:
        if self._names is not None and node.function in self._names:
            reason = f"calls {node.function}, which is a variable of this environment"
            raise FaultError(node.column, reason, "give the variable another name")
        count, kinds, result = _SIGNATURES[node.function]
        if len(node.operands) != count:
            reason = f"calls {node.function} with {len(node.operands)} arguments"
            raise FaultError(node.column, reason, f"it takes {count}")
        for argument in node.operands:
            found = self.type_of(argument)
            if not found.may_be(*kinds):
                hint = f"it takes {' or '.join(kind.value for kind in kinds)}"
                raise FaultError(argument.column, f"calls {node.function} with {found.kind.value}", hint)
        return result


def work(root: Node) -> int:
    """Return how much work the patterns of an expression are, as ``match.check``; ``check`` has found nothing wrong."""
    total = 0
    open_ends = [root]
    while open_ends:
        node = open_ends.pop()
        pattern = _pattern(node)
        total += 0 if pattern is None else patterns.check(Matcher.REGEXP, pattern)
        open_ends += children(node)
    return total


def _pattern(node: Node) -> str | None:
    if isinstance(node, Binary) and node.operator == "matches" and isinstance(node.right, Literal):
        return node.right.value if isinstance(node.right.value, str) else None
    return None


def _check_in(node: Binary, left: Type, right: Type) -> None:
    if right.element is not None:
        if not comparable(left, right.element):
            _refuse_comparison(node, left, right.element)
    elif not (right.kind is Kind.UNKNOWN or (right.kind is Kind.STRING and left.kind is Kind.UNKNOWN)):
        raise FaultError(
            node.column, f"looks for {left.kind.value} in {right.kind.value}", "in stands before an [array]"
        )


def _check_text(node: Binary, left: Type, right: Type) -> None:
    if not (left.may_be(Kind.STRING) and right.may_be(Kind.STRING)):
        reason = f"applies {node.operator} to {left.kind.value} and {right.kind.value}"
        raise FaultError(node.column, reason, f"{node.operator} stands between strings")
    pattern = _pattern(node)
    if pattern is not None:
        try:
            patterns.check(Matcher.REGEXP, pattern)
        except patterns.BadPatternError as error:
            raise FaultError(node.right.column, f"has a bad pattern: {error}", error.hint) from error


def _refuse_comparison(node: Node, left: Type, right: Type) -> NoReturn:
    strings = Kind.STRING in (left.kind, right.kind)
    hint = "variables are strings: quote what they are compared with" if strings else "compare values of one kind"
    raise FaultError(node.column, f"compares {left.kind.value} with {right.kind.value}", hint)
