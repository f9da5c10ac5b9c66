"""The expressions of Vela's ruleset key ``eval``: the part of expr-lang (v1.17.8) that compares strings.

Vela compiles them with the environment of the step, ``AllowUndefinedVariables`` and ``AsBool``. So every variable is a
string, one that is undefined is the empty string, and the answer must be a boolean.

Read are ``== != < <= > >=``, ``in contains startsWith endsWith matches`` (these after ``not`` too), ``and or not``
with ``&& || !``, ``?:`` and ``??``, strings, numbers, ``true false nil``, ``[arrays]``, and the functions ``len``,
``hasPrefix`` and ``hasSuffix``. All else is refused.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.plan.expressions.syntax import FaultError

_SHOWN = 100


class BadExpressionError(ValueError):
    """An expression that cannot be read or run: the message says why and where, ``hint`` what would be right.

    ``column`` counts the characters of the whole text from 1.
    """

    def __init__(self, expression: str, fault: "FaultError") -> None:
        shown = expression if len(expression) <= _SHOWN else f"{expression[:_SHOWN]}..."
        super().__init__(f"{shown!r} {fault.reason} (column {fault.column})")
        self.expression = expression
        self.column = fault.column
        self.hint = fault.hint


def check(text: str) -> int:
    """Return how much work its patterns are, as ``match.check``.

    Raises BadExpressionError for an expression that is wrong in every environment.
    """
    # Few pipelines have expressions, and the others need not wait for what reads them.
    from runner.plan.expressions import language  # noqa: PLC0415 - see above

    return language.check(text)


def holds(text: str, variables: Mapping[str, str]) -> bool:
    """Whether the expression is true with these variables.

    Raises BadExpressionError, besides what ``check`` refuses, where kinds of values do not go together, as expr-lang
    does when it compiles or runs it: ``A == 1``, or ``A`` alone.
    """
    from runner.plan.expressions import language  # noqa: PLC0415 - as above

    return language.holds(text, variables)
