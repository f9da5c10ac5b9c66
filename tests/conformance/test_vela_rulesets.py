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
from runner.dialects.vela.compiler import compile_pipeline
from runner.dialects.vela.fields import Fields
from runner.dialects.vela.rulesets import judge, read_ruleset
from runner.errors import InvalidPipelineError
from runner.plan.model import Facts
from runner.plan.rules import runs
from runner.plan.status import Status

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
    expected: bool | str


def _read(case: Mapping[str, Any]) -> Case:
    build: dict[str, Any] = dict(case["build"])
    status = build.pop("status", "")
    build.pop("env", None)
    for name in ("path", "label"):
        build[name] = tuple(build.get(name, ()))
    return Case(
        id=case["id"],
        kind=case["kind"],
        phase=case["phase"],
        ruleset=case["ruleset"],
        facts=Facts(**build),
        status=status,
        expected=case.get("sane", case["expected"]),
    )


CASES = [_read(case) for case in json.loads(DATA.read_text(encoding="utf-8"))["cases"]]
WITH_EVAL = [case for case in CASES if "eval" in case.ruleset]
WITHOUT_EVAL = [case for case in CASES if case not in WITH_EVAL]


def _pipeline(ruleset: str) -> bytes:
    step = f"- name: s\n  image: alpine\n  ruleset:\n{textwrap.indent(ruleset, '    ')}\n"
    return f"version: '1'\nsteps:\n{textwrap.indent(step, '  ')}".encode()


def _keeps(case: Case) -> bool:
    """Compile a whole pipeline and look whether the step is there."""
    findings = Findings()
    return bool(compile_pipeline(load(_pipeline(case.ruleset), "in.yml", findings), case.facts, findings).stages)


def _runs(case: Case) -> bool:
    """Decide on a step that was kept, with the status of the case."""
    findings = Findings()
    root = load(f"ruleset:\n{textwrap.indent(case.ruleset, '  ')}\n".encode(), "in.yml", findings)
    assert isinstance(root, MappingNode)
    written = read_ruleset(Fields(root, "step 's'", findings))
    judge(written, case.facts, findings)
    findings.raise_if_errors()
    return runs(written.ruleset, case.facts, STATUSES[case.status]).holds


def _outcome(case: Case) -> bool | str:
    """What Vela validates with a status, a run of ours sees in two looks: at compile time, and with that status."""
    try:
        if case.phase == "run time":
            return _runs(case)
        return _keeps(case) and (case.phase != "validate" or _runs(case))
    except InvalidPipelineError:
        return "error"


@pytest.mark.parametrize("case", WITHOUT_EVAL, ids=lambda case: case.id)
def test_a_ruleset_decides_as_vela_does(case: Case) -> None:
    assert _outcome(case) == case.expected


@pytest.mark.parametrize("case", WITH_EVAL, ids=lambda case: case.id)
def test_an_eval_is_refused_by_name(case: Case) -> None:
    with pytest.raises(InvalidPipelineError, match=r"'eval' in .* is not supported yet"):
        _keeps(case)


def test_all_phases_and_all_cases_take_part() -> None:
    assert {case.phase for case in WITHOUT_EVAL} == {"compile", "run time", "local exec", "validate"}
    assert len(WITHOUT_EVAL) > 120
