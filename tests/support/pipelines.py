"""Vela pipelines from text, for tests."""

import textwrap

import pytest

from runner.dialects.source import Findings, load
from runner.dialects.vela.compiler import compile_pipeline
from runner.errors import InvalidPipelineError
from runner.plan.model import Facts, Plan, Step

FILE = "in.yml"
PUSH = Facts(branch="main", event="push", repo="octocat/hello-world")


def plan_of(text: str, facts: Facts = PUSH, *, strict: bool = False) -> Plan:
    """Compile the text of a pipeline."""
    findings = Findings()
    root = load(textwrap.dedent(text).encode(), FILE, findings)
    return compile_pipeline(root, facts, findings, strict=strict)


def findings_of(text: str, facts: Facts = PUSH, *, strict: bool = False) -> list[str]:
    """Return what is told of a pipeline that must be refused."""
    with pytest.raises(InvalidPipelineError) as caught:
        plan_of(text, facts, strict=strict)
    return [str(finding) for finding in caught.value.findings]


def _with_step(yaml: str) -> str:
    keys = textwrap.indent(textwrap.dedent(yaml).strip("\n"), "    ")
    return f"version: '1'\nsteps:\n  - name: s\n    image: alpine\n{keys}\n"


def step_of(yaml: str, facts: Facts = PUSH) -> Step:
    """Compile a pipeline of one step ``s`` with the given keys besides name and image; warnings are not expected."""
    plan = plan_of(_with_step(yaml), facts)
    assert plan.warnings == ()
    return plan.stages[0].steps[0]


def step_warnings(yaml: str, facts: Facts = PUSH) -> list[str]:
    """Return the warnings about a step with the given keys, which begin at line 5, column 5."""
    return list(plan_of(_with_step(yaml), facts).warnings)


def step_findings(yaml: str, facts: Facts = PUSH) -> list[str]:
    """Return what is told of a step that must be refused; its keys begin at line 5, column 5."""
    return findings_of(_with_step(yaml), facts)
