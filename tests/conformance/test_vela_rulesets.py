"""Vela's rulesets, as data: the text of a ruleset through the loader, the dialect and the plan's rules."""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner.dialects.source import Findings, load
from runner.dialects.source import Mapping as MappingNode
from runner.dialects.text import to_plan
from runner.dialects.vela import keys
from runner.dialects.vela.fields import Fields
from runner.dialects.vela.rulesets import judge, read_ruleset
from runner.errors import InvalidPipelineError
from runner.plan import rules
from runner.plan.model import Facts
from runner.plan.status import Status
from runner.plan.trigger import Trigger

DATA = Path(__file__).parent / "data" / "vela_rulesets.json"
STATUSES = {status.value: status for status in Status} | {"canceled": Status.CANCELLED}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case of the file; ``expected`` is True, False or "error", and the sane answer where Vela's is an accident."""

    id: str
    kind: str
    phase: str
    ruleset: str
    facts: Facts
    status: str
    environment: Mapping[str, str] | None
    expected: bool | str


def _read(case: Mapping[str, Any]) -> Case:
    build: dict[str, Any] = dict(case["build"])
    status = build.pop("status", "")
    environment = build.pop("env", None)
    for name in ("path", "label"):
        build[name] = tuple(build.get(name, ()))
    return Case(
        id=case["id"],
        kind=case["kind"],
        phase=case["phase"],
        ruleset=case["ruleset"],
        facts=Facts(**build),
        status=status,
        environment=environment,
        expected=case.get("sane", case["expected"]),
    )


CASES = [_read(case) for case in json.loads(DATA.read_text(encoding="utf-8"))["cases"]]


def _pipeline(ruleset: str) -> bytes:
    step = f"- name: s\n  image: alpine\n  ruleset:\n{textwrap.indent(ruleset, '    ')}\n"
    return f"version: '1'\nsteps:\n{textwrap.indent(step, '  ')}".encode()


def _keeps(case: Case) -> bool:
    """Compile a whole pipeline, whose step gets the environment of the case, and look whether the step is there."""
    trigger = Trigger(facts=case.facts, environment=case.environment or {})
    return bool(to_plan(_pipeline(case.ruleset), "in.yml", trigger, dialect="vela").stages)


def _keeps_without_environment(case: Case) -> bool:
    """Ask the rules alone, since a step of a pipeline always has an environment."""
    findings = Findings()
    verdict = rules.keep(read_ruleset(_fields(case, findings)).ruleset, case.facts)
    findings.raise_if_errors()
    return verdict.holds


def _fields(case: Case, findings: Findings) -> Fields:
    root = load(f"ruleset:\n{textwrap.indent(case.ruleset, '  ')}\n".encode(), "in.yml", findings)
    assert isinstance(root, MappingNode)
    return Fields(root, "step 's'", findings, keys.STEP)


def _runs(case: Case) -> bool:
    """Decide on a step that was kept, with the status of the case."""
    findings = Findings()
    written = read_ruleset(_fields(case, findings))
    judge(written, case.facts, findings, case.environment or {})
    findings.raise_if_errors()
    return rules.runs(written.ruleset, case.facts, STATUSES[case.status], environment=case.environment).holds


def _outcome(case: Case) -> bool | str:
    """What Vela validates with a status, a run of ours sees in two looks: at compile time, and with that status."""
    try:
        if case.phase == "run time":
            return _runs(case)
        if "eval" in case.ruleset and case.environment is None:
            return _keeps_without_environment(case)
        return _keeps(case) and (case.phase != "validate" or _runs(case))
    except InvalidPipelineError:
        return "error"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_ruleset_decides_as_vela_does(case: Case) -> None:
    assert _outcome(case) == case.expected


def test_all_phases_and_all_cases_take_part() -> None:
    assert {case.phase for case in CASES} == {"compile", "run time", "local exec", "validate"}
    assert len(CASES) == 132
    assert len([case for case in CASES if "eval" in case.ruleset]) == 9
