"""IBM's files from text, for tests."""

import textwrap

import pytest

from runner.dialects.text import Examined, examine, to_plan
from runner.errors import InvalidPipelineError
from runner.plan.model import Facts, Plan, Stage
from runner.plan.trigger import Trigger

FILE = "in.yml"
PUSH = Facts(event="push", branch="main", repo="octocat/shop")


def trigger_of(kind: str = "ci", properties: dict[str, str] | None = None) -> Trigger:
    """Return the trigger of a push for a kind of pipeline."""
    return Trigger(facts=PUSH, kind=kind, properties=properties or {})


def plan_of(text: str, why: str | Trigger = "ci") -> Plan:
    """Compile the text of a file for a kind of pipeline, or for a trigger."""
    trigger = why if isinstance(why, Trigger) else trigger_of(why)
    return to_plan(textwrap.dedent(text).encode(), FILE, trigger, dialect="ibm")


def findings_of(text: str, why: str | Trigger = "ci") -> list[str]:
    """Return what is told of a file that must be refused."""
    with pytest.raises(InvalidPipelineError) as caught:
        plan_of(text, why)
    return [str(finding) for finding in caught.value.findings]


def warnings_of(text: str, why: str | Trigger = "ci") -> list[str]:
    """Return the warnings of a file that is right."""
    return list(plan_of(text, why).warnings)


def validated(text: str) -> Examined:
    """Examine a file that is not to run."""
    return examine(textwrap.dedent(text).encode(), FILE, None, dialect="ibm")


def async_stage(plan: Plan, name: str) -> Stage:
    """Return an async stage of a plan."""
    return next(stage for stage in plan.async_stages if stage.name == name)


def needs(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return what each stage waits for, in order."""
    return {stage.name: stage.needs for stage in plan.stages}


def why_pruned(plan: Plan) -> dict[str, str]:
    """Return why stages and steps are not in a plan."""
    return {f"{gone.stage}/{gone.step}" if gone.step else gone.stage: gone.why for gone in plan.pruned}
