"""Compute what is constant, as expr-lang's ``optimizer/fold.go`` (v1.17.8), because it decides what is never run.

``A or true`` is true even where A alone would be an error, and ``A and true`` is A without a look at its kind.
"""

from dataclasses import replace

from runner.plan.expressions.syntax import (
    Array,
    Binary,
    Call,
    Choice,
    Literal,
    Logical,
    Name,
    Node,
    Not,
    Ordering,
    Sign,
)
from runner.plan.expressions.values import is_number


def fold(node: Node) -> Node:
    """The same tree with its constant parts computed. Kinds must be checked on the tree as written."""
    match node:
        case Literal() | Name():
            return node
        case Not() | Sign():
            return _fold_unary(replace(node, operand=fold(node.operand)))
        case Array() | Ordering() | Call():
            return replace(node, operands=_fold_all(node.operands))
        case Logical():
            return _fold_logical(replace(node, operands=_fold_all(node.operands)))
        case Binary():
            return _fold_binary(replace(node, left=fold(node.left), right=fold(node.right)))
        case Choice():
            then = None if node.then is None else fold(node.then)
            return replace(node, condition=fold(node.condition), then=then, otherwise=fold(node.otherwise))


def _fold_all(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(fold(node) for node in nodes)


def _fold_unary(node: Not | Sign) -> Node:
    if not isinstance(node.operand, Literal):
        return node
    value = node.operand.value
    if isinstance(node, Not):
        return Literal(column=node.column, value=not value) if isinstance(value, bool) else node
    if is_number(value):
        return Literal(column=node.column, value=-value if node.negative else value)
    return node


def _fold_logical(node: Logical) -> Node:
    answers = [_answer(operand) for operand in node.operands]
    if node.any in answers:
        return Literal(column=node.column, value=node.any)
    rest = tuple(operand for operand, answer in zip(node.operands, answers, strict=True) if answer is None)
    if len(rest) > 1:
        return replace(node, operands=rest)
    return rest[0] if rest else Literal(column=node.column, value=not node.any)


def _answer(node: Node) -> bool | None:
    return node.value if isinstance(node, Literal) and isinstance(node.value, bool) else None


def _fold_binary(node: Binary) -> Node:
    if node.operator != "==" or not isinstance(node.left, Literal) or not isinstance(node.right, Literal):
        return node
    left, right = node.left.value, node.right.value
    # Neither floats nor nil are computed in advance; a boolean is an int here.
    if isinstance(left, str | int) and type(left) is type(right):
        return Literal(column=node.column, value=left == right)
    return node
