"""Applications in the format of Metalus from text, for tests."""

import textwrap

import pytest

from runner.dialects.text import examine, to_plan
from runner.errors import InvalidPipelineError
from runner.plan.model import Plan, Stage, Step
from runner.plan.trigger import Trigger

FILE = "in.yml"
WORK = "{id: w, steps: [{id: s, image: i}]}"
"""A pipeline of one step."""


def plan_of(text: str, trigger: Trigger | None = None, *, dialect: str = "metalus") -> Plan:
    """Compile the text of an application."""
    return to_plan(textwrap.dedent(text).encode(), FILE, trigger or Trigger(), dialect=dialect)


def findings_of(text: str, trigger: Trigger | None = None) -> list[str]:
    """Return what is told of an application that must be refused, without the name of the file."""
    with pytest.raises(InvalidPipelineError) as caught:
        plan_of(text, trigger)
    return [str(finding).removeprefix(f"{FILE}:") for finding in caught.value.findings]


def finding_of(text: str) -> str:
    """Return the only thing that is told of an application that must be refused."""
    (finding,) = findings_of(text)
    return finding


def warnings_of(text: str, trigger: Trigger | None = None) -> list[str]:
    """Return the warnings about an application that can run, without the name of the file."""
    return [warning.removeprefix(f"{FILE}:") for warning in plan_of(text, trigger).warnings]


def examined(text: str) -> Plan | None:
    """Return the plan of an application that is not to run, as ``runner validate`` looks at it."""
    return examine(textwrap.dedent(text).encode(), FILE, None, dialect="metalus").plan


def executions(keys: str, before: str = "") -> str:
    """Return the text of an application whose executions are these, one a line in braces; all can run ``w``."""
    lines = "".join(f"  - {line.strip()}\n" for line in keys.strip().splitlines())
    return f"{before}pipelines:\n  - {WORK}\nexecutions:\n{lines}"


def stage_of(keys: str, before: str = "", trigger: Trigger | None = None) -> Stage:
    """Compile an application of one execution ``A`` with these keys; warnings are not expected."""
    plan = plan_of(executions(f"{{id: A{', ' if keys else ''}{keys}}}", before), trigger)
    assert plan.warnings == ()
    return plan.stages[0]


def step_text(keys: str) -> str:
    """Return the text of an application of one step, whose keys beside ``id`` begin at line 6, column 9."""
    inner = textwrap.indent(textwrap.dedent(keys).strip("\n"), " " * 8)
    return f"executions:\n- id: A\n  pipelines:\n    - id: p\n      steps:\n      - {inner.strip()}\n        id: s\n"


def step_of(keys: str, trigger: Trigger | None = None) -> Step:
    """Compile an application of one step with these keys beside ``id``; warnings are not expected."""
    plan = plan_of(step_text(keys), trigger)
    assert plan.warnings == ()
    return plan.stages[0].steps[0]
