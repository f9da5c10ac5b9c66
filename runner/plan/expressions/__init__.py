"""The expressions of Vela's ruleset key ``eval``: the part of expr-lang (v1.17.8) that compares strings.

Vela compiles them with the environment of the step, ``AllowUndefinedVariables`` and ``AsBool``. So every variable is a
string, one that is undefined is the empty string, and the answer must be a boolean.

Read are ``== != < <= > >=``, ``in contains startsWith endsWith matches`` (these after ``not`` too), ``and or not``
with ``&& || !``, ``?:`` and ``??``, strings, numbers, ``true false nil``, ``[arrays]``, and the functions ``len``,
``hasPrefix`` and ``hasSuffix``. All else is refused.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from runner.plan.expressions.checker import check as _check_kinds
from runner.plan.expressions.checker import work
from runner.plan.expressions.evaluation import evaluate
from runner.plan.expressions.folding import fold
from runner.plan.expressions.parser import parse
from runner.plan.expressions.syntax import FaultError, Node
from runner.plan.expressions.values import valid

_LONGEST = 10_000
_SHOWN = 100


class BadExpressionError(ValueError):
    """An expression that cannot be read or run: the message says why and where, ``hint`` what would be right.

    ``column`` counts the characters of the whole text from 1.
    """

    def __init__(self, expression: str, fault: FaultError) -> None:
        shown = expression if len(expression) <= _SHOWN else f"{expression[:_SHOWN]}..."
        super().__init__(f"{shown!r} {fault.reason} (column {fault.column})")
        self.expression = expression
        self.column = fault.column
        self.hint = fault.hint


@dataclass(frozen=True, kw_only=True)
class _Expression:
    """The tree as written, for the check, and as it is run."""

    written: Node
    folded: Node


def check(text: str) -> int:
    """Return how much work its patterns are, as ``match.check``.

    Raises BadExpressionError for an expression that is wrong in every environment.
    """
    try:
        written = _read(text).written
        _check_kinds(written, None)
        return work(written)
    except FaultError as fault:
        raise BadExpressionError(text, fault) from fault


def holds(text: str, variables: Mapping[str, str]) -> bool:
    """Whether the expression is true with these variables.

    Raises BadExpressionError, besides what ``check`` refuses, where kinds of values do not go together, as expr-lang
    does when it compiles or runs it: ``A == 1``, or ``A`` alone.
    """
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
