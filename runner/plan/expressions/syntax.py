"""The tree of an expression, and the fault that every stage raises.

Each node knows the column (from 1) of the token that names it.
"""

from collections.abc import Iterator

from runner.records import record

Value = str | int | float | bool | tuple["Value", ...] | None


class FaultError(Exception):
    """Something wrong at a column: the reason, and as ``hint`` what would be right."""

    def __init__(self, column: int, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason
        self.hint = hint


@record
class Literal:
    """A string, a number, ``true``, ``false`` or ``nil``."""

    column: int
    value: str | float | bool | None


@record
class Name:
    """A variable of the environment."""

    column: int
    name: str


@record
class Array:
    """``[a, b]``."""

    column: int
    operands: tuple["Node", ...]


@record
class Not:
    """``not a``, ``!a``, and the ``not`` of ``a not in b``."""

    column: int
    operand: "Node"


@record
class Sign:
    """``-a``, or ``+a``."""

    column: int
    negative: bool
    operand: "Node"


@record
class Logical:
    """``a or b or c`` where ``any`` is true, else ``a and b and c``."""

    column: int
    any: bool
    operands: tuple["Node", ...]


@record
class Ordering:
    """``a < b <= c``: each operator stands between two neighbours, and all must hold."""

    column: int
    operators: tuple[str, ...]
    operands: tuple["Node", ...]


@record
class Binary:
    """``== != in matches contains startsWith endsWith ??``."""

    column: int
    operator: str
    left: "Node"
    right: "Node"


@record
class Choice:
    """``condition ? then : otherwise``; without ``then`` it is ``condition ?: otherwise``."""

    column: int
    condition: "Node"
    then: "Node | None"
    otherwise: "Node"


@record
class Call:
    """``function(a, b)``."""

    column: int
    function: str
    operands: tuple["Node", ...]


Node = Literal | Name | Array | Not | Sign | Logical | Ordering | Binary | Choice | Call


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below a node."""
    match node:
        case Literal() | Name():
            return ()
        case Not() | Sign():
            return (node.operand,)
        case Array() | Logical() | Ordering() | Call():
            return node.operands
        case Binary():
            return node.left, node.right
        case Choice():
            then = () if node.then is None else (node.then,)
            return node.condition, *then, node.otherwise


def levels(root: Node) -> Iterator[tuple[Node, ...]]:
    """The nodes of a tree, level by level from the root."""
    level: tuple[Node, ...] = (root,)
    while level:
        yield level
        level = tuple(child for node in level for child in children(node))
