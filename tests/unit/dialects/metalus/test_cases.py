"""What comes of the cases that run elsewhere when they are compiled."""

from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from runner.dialects.text import examine
from runner.plan import codec
from runner.plan.model import Plan
from runner.plan.trigger import Trigger

DATA: Final = Path(__file__).parents[3] / "conformance" / "data" / "metalus.yaml"
CASES: Final[list[dict[str, Any]]] = yaml.safe_load(DATA.read_text(encoding="utf-8"))["cases"]
REFUSED: Final = [case for case in CASES if case["expect"]["run"] == "refused"]
GOOD: Final = [case for case in CASES if case not in REFUSED]


def _id(case: dict[str, Any]) -> str:
    name: str = case["id"]
    return name


def _plan(case: dict[str, Any]) -> Plan:
    examined = examine(_text(case), "app.yml", Trigger())
    assert examined.plan is not None
    assert examined.findings == ()
    return examined.plan


def _text(case: dict[str, Any]) -> bytes:
    return yaml.safe_dump(case["application"], sort_keys=False).encode()


def test_there_are_cases_of_both_ends() -> None:
    assert len(REFUSED) >= 11
    assert len(GOOD) >= 70
    assert {case["kind"] for case in REFUSED} == {"validation"}


@pytest.mark.parametrize("case", REFUSED, ids=_id)
def test_what_is_refused_names_the_culprit(case: dict[str, Any]) -> None:
    examined = examine(_text(case), "app.yml", None)

    told = "\n".join(map(str, examined.findings))
    assert examined.plan is None
    assert all(text in told for text in case["expect"]["message_contains"])
    assert len(examined.findings) == 1


@pytest.mark.parametrize("case", GOOD, ids=_id)
def test_every_other_case_compiles_without_a_warning_into_its_executions(case: dict[str, Any]) -> None:
    plan = _plan(case)

    written = [str(execution["id"]) for execution in case["application"]["executions"]]
    assert [stage.name for stage in plan.stages] == written
    assert plan.mapped
    assert codec.from_document(codec.to_document(plan)) == plan


@pytest.mark.parametrize("case", GOOD, ids=_id)
def test_the_steps_that_a_case_speaks_of_are_there(case: dict[str, Any]) -> None:
    plan = _plan(case)

    paths = {f"{stage.name}/{step.name}" for stage in plan.stages for step in stage.steps}
    expect = case["expect"]
    by_step = {**expect.get("log_lines", {}), **expect.get("log_json", {}), **expect.get("log_json_has", {})}
    assert {_unforked(path) for path in (*by_step, *expect.get("steps_not_run", ()))} <= paths


def _unforked(path: str) -> str:
    stage, _, step = path.partition("/")
    return f"{stage.partition('[')[0]}/{step}"
