"""Vela pipelines from text, for tests."""

import textwrap

import pytest

from runner.dialects.text import to_plan
from runner.dialects.vela import defaults
from runner.errors import InvalidPipelineError
from runner.plan.model import Facts, Plan, Service, Step
from runner.plan.trigger import Trigger

FILE = "in.yml"
PUSH = Facts(branch="main", event="push", repo="octocat/hello-world")


def plan_of(text: str, why: Facts | Trigger = PUSH, *, strict: bool = False) -> Plan:
    """Compile the text of a pipeline."""
    trigger = why if isinstance(why, Trigger) else Trigger(facts=why)
    return to_plan(textwrap.dedent(text).encode(), FILE, trigger, dialect="vela", strict=strict)


def findings_of(text: str, why: Facts | Trigger = PUSH, *, strict: bool = False) -> list[str]:
    """Return what is told of a pipeline that must be refused."""
    with pytest.raises(InvalidPipelineError) as caught:
        plan_of(text, why, strict=strict)
    return [str(finding) for finding in caught.value.findings]


def _with_step(yaml: str) -> str:
    keys = textwrap.indent(textwrap.dedent(yaml).strip("\n"), "    ")
    return f"version: '1'\nsteps:\n  - name: s\n    image: alpine\n{keys}\n"


def step_of(yaml: str, why: Facts | Trigger = PUSH) -> Step:
    """Compile a pipeline of one step ``s`` with the given keys besides name and image; warnings are not expected."""
    plan = plan_of(_with_step(yaml), why)
    assert plan.warnings == ()
    return plan.stages[0].steps[0]


def step_warnings(yaml: str, why: Facts | Trigger = PUSH) -> list[str]:
    """Return the warnings about a step with the given keys, which begin at line 5, column 5."""
    return list(plan_of(_with_step(yaml), why).warnings)


def step_findings(yaml: str, why: Facts | Trigger = PUSH) -> list[str]:
    """Return what is told of a step that must be refused; its keys begin at line 5, column 5."""
    return findings_of(_with_step(yaml), why)


def variables_of(container: Step | Service) -> dict[str, str]:
    """Return the variables of a step or service, less those that tell one container from another."""
    return {name: value for name, value in container.environment.items() if name not in defaults.OWN}
