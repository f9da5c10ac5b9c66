"""How much an application stands for, since each execution has what the application says once for all of them."""

from typing import Final

from runner.dialects.findings import Findings
from runner.dialects.nodes import Node, Scalar, Sequence
from runner.errors import Place

MOST: Final = 8 * 1024 * 1024
_VALUE: Final = 16


def weight(node: Node | None) -> int:
    """Return how many characters the texts of a value have, and a few more for each value in it."""
    match node:
        case None:
            return 0
        case Scalar():
            return _VALUE + len(node.text)
        case Sequence():
            return _VALUE + sum(map(weight, node.items))
        case _:
            return _VALUE + sum(weight(entry.key) + weight(entry.value) for entry in node.entries)


class Scales:
    """Adds up what executions stand for; it ends the reading when that is too much."""

    def __init__(self, findings: Findings, what: str) -> None:
        self._findings = findings
        self._what = what
        self._sum = 0

    def add(self, more: int, place: Place) -> None:
        """Add the weight of one execution.

        Raises:
            InvalidPipelineError: with all findings, when it is too much.
        """
        self._sum += more
        if self._sum > MOST:
            message = f"the executions up to here have too many {self._what}, counted once for each of them"
            self._findings.fail(place, message, "let fewer executions share them, or keep large data in a file")
