"""The conditions of version 2: CEL, over texts that are known when the file is compiled.

=================== =================================================================================
 ``properties``      the plain properties, parameters of the trigger over them: ``properties['a-b']``
 ``branch``          the branch; of a pull request, the one that it goes to
 ``commit``          the commit
 ``event``           ``push``, ``pull_request``, ``tag``, ``deployment``, ``comment``, ``schedule``
 ``pipeline_type``   ``ci``, ``cd``, ``pr``, ``cc``
 ``repository``      the repository, as ``org/name``
 ``sender``          who has caused the run
 ``tag``             the tag
 ``target``          the target of a deployment
=================== =================================================================================

A property whose name can be that of a variable is one, too, and counts over those of the table but ``properties``.
"""

import re
from collections.abc import Mapping
from typing import Final

from runner.dialects.fields import Fields
from runner.dialects.findings import Findings, quoted
from runner.dialects.ibm.work import Around
from runner.dialects.nodes import FALSE_WORDS, TRUE_WORDS
from runner.plan.graph import Named
from runner.plan.trigger import Trigger
from runner.records import record

_LONGEST: Final = 1000  # the parser has no limit of its own, and dies of a text that nests too deep
_PROPERTIES: Final = "properties"
# What goes through lists could go through lists in lists for hours.
_LOOP: Final = re.compile(r"\b(?:all|exists|exists_?[oO]ne|map|filter|transform\w+)\s*(?://[^\n]*\s*)*\(")
_PROBLEM: Final = re.compile(r"<input>:(?P<line>\d+):(?P<column>\d+): (?:Syntax error: )?(?P<what>.*)")


class _BadConditionError(Exception):
    """A condition that means nothing; ``hint`` says what would be right."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@record
class Condition:
    """What stands under ``when``."""

    named: Named

    @property
    def constant(self) -> bool | None:
        """What is written as true or false; None for an expression."""
        text = self.named.name.strip()
        return text in TRUE_WORDS if text in TRUE_WORDS | FALSE_WORDS else None


def read_condition(fields: Fields) -> Condition | None:
    """Return the condition of a task or step; one that is no CEL is an error, and is None."""
    named = fields.named("when")
    if named is None:
        return None
    condition = Condition(named=named)
    if condition.constant is None:
        try:
            _compile(named.name)
        except _BadConditionError as error:
            fields.findings.error(named.place, f"'when' of {fields.what}: {error}", error.hint)
            return None
    return condition


def why_not(condition: Condition | None, variables: Mapping[str, object] | None, findings: Findings) -> str:
    """Return why what has this condition does not run; empty if it does.

    Without ``variables`` it is not to run, and every expression holds. One that cannot be decided is an error.
    """
    if condition is None:
        return ""
    if condition.constant is not None:
        return "" if condition.constant else "the file says 'when: false'"
    text = condition.named.name
    try:
        holds = variables is None or _evaluate(text, variables)
    except _BadConditionError as error:
        findings.error(condition.named.place, f"the condition {quoted(text)}: {error}", error.hint)
        return ""
    return "" if holds else f"its condition {quoted(text)} does not hold"


def variables_of(trigger: Trigger, kind: str, around: Around) -> dict[str, object]:
    """Return what conditions can name."""
    facts = trigger.facts
    return {
        "branch": facts.branch,
        "commit": trigger.commit.sha,
        "event": facts.event.partition(":")[0],
        "pipeline_type": kind,
        "repository": facts.repo or trigger.repository.name,
        "sender": facts.sender,
        "tag": facts.tag,
        "target": facts.target,
        **{name: value for name, value in around.properties.items() if name.isidentifier()},
        _PROPERTIES: dict(around.properties),
    }


def _compile(text: str) -> None:
    """See that a text is an expression that can be decided in no time."""
    import cel  # noqa: PLC0415 - it takes as long to import as the rest of us, and few files have conditions

    if len(text) > _LONGEST:
        raise _BadConditionError(f"it has {len(text)} characters", f"a condition has at most {_LONGEST}")
    if _LOOP.search(text):
        raise _BadConditionError("it goes through a list", "conditions can only compare, and look texts up")
    try:
        cel.compile(text)
    except ValueError as error:
        found = _PROBLEM.search(str(error))
        what = found["what"].partition(" expecting ")[0] if found else "it cannot be read"
        where = f" at its character {found['column']}" if found and found["line"] == "1" else ""
        raise _BadConditionError(f"no CEL expression: {what}{where}", "for example branch == 'main'") from error


def _evaluate(text: str, variables: Mapping[str, object]) -> bool:
    import cel  # noqa: PLC0415 - as above

    program = cel.compile(text)
    unknown = [name for name in program.variables() if name not in variables]
    if unknown:
        hint = f"a text stands in quotes, as {unknown[0]!r}; variables are {', '.join(variables)}"
        raise _BadConditionError(f"there is no variable {quoted(unknown[0])}", hint)
    try:
        value = program.execute(dict(variables))
    except KeyError as error:
        hint = "give it with --property, or ask first: 'NAME' in properties"
        raise _BadConditionError(f"there is no property {error}", hint) from error
    except (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError) as error:
        raise _BadConditionError(str(error).partition(". ")[0], "compare texts with texts") from error
    if not isinstance(value, bool):
        raise _BadConditionError(f"it is {quoted(str(value))}, and neither true nor false", "compare it with something")
    return value
