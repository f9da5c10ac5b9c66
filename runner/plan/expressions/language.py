"""Expressions from text to answer, as the package describes them."""

import functools
from collections.abc import Mapping

from runner.plan.expressions import BadExpressionError
from runner.plan.expressions.checker import check as _check_kinds
from runner.plan.expressions.checker import work
from runner.plan.expressions.evaluation import evaluate
from runner.plan.expressions.folding import fold
from runner.plan.expressions.parser import parse
from runner.plan.expressions.syntax import FaultError, Node
from runner.plan.expressions.values import valid
from runner.records import record

_LONGEST = 10_000


@record
class _Expression:
    """The tree as written, for the check, and as it is run."""

    written: Node
    folded: Node


def check(text: str) -> int:
    """Return what ``expressions.check`` does."""
    try:
        written = _read(text).written
        _check_kinds(written, None)
        return work(written)
    except FaultError as fault:
        raise BadExpressionError(text, fault) from fault


def holds(text: str, variables: Mapping[str, str]) -> bool:
    """Answer as ``expressions.holds``."""
    try:
        expression = _read(text)
        _check_kinds(expression.written, variables.keys())
        return evaluate(expression.folded, variables)
    except FaultError as fault:
        raise BadExpressionError(text, fault) from fault


@functools.lru_cache(maxsize=512)
def _read(text: str) -> _Expression:
    if len(text) > _LONGEST:
        raise FaultError(_LONGEST + 1, f"is longer than {_LONGEST} characters", "write it shorter")
    written = parse(valid(text))
    return _Expression(written=written, folded=fold(written))
