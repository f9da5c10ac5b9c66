"""Vela's scheduling of steps and stages, as data: compiled by the dialect, driven by the engine on every backend."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from runner.dialects.vela.stages import ONLY_STAGE
from runner.engine.state import Standing
from runner.naming import new_run_id
from runner.plan.model import Plan
from runner.plan.status import Status
from runner.settings import Settings
from tests.support.backends import PLACES, Place
from tests.support.engine import Result, drive
from tests.support.pipelines import plan_of
from tests.support.plans import IMAGE, behaviour

DATA = Path(__file__).parent / "data" / "vela_stages.json"
NOT_STARTED, DETACHED = "not started", "detached"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case of the file. Steps are named ``stage/step``; times are seconds of an ideal clock."""

    id: str
    level: str
    pipeline: Mapping[str, Any]
    build: str
    outcomes: Mapping[str, Mapping[str, Any]]
    start_times: Mapping[str, float]


def _path(name: str) -> str:
    return name if "/" in name else f"{ONLY_STAGE}/{name}"


def _read(case: Mapping[str, Any]) -> Case:
    expected = case.get("sane", case["expected"])
    return Case(
        id=case["id"],
        level=case["level"],
        pipeline=case["pipeline"],
        build=expected["build"],
        outcomes={_path(name): outcome for name, outcome in expected["steps"].items()},
        start_times={_path(name): seconds for name, seconds in expected["start_times"].items()},
    )


CASES = [_read(case) for case in json.loads(DATA.read_text(encoding="utf-8"))["cases"]]


def _step(step: Mapping[str, Any], scale: float) -> dict[str, Any]:
    """Return a step of a real pipeline: ``exit`` and ``seconds`` as commands and as variables of the fake."""
    seconds = step.get("seconds", 1)
    commands, _ = behaviour(exit_code=step.get("exit", 0), seconds=seconds * scale)
    _, environment = behaviour(exit_code=step.get("exit", 0), seconds=seconds)
    rest = {key: value for key, value in step.items() if key not in ("exit", "seconds")}
    return {"image": IMAGE, "commands": list(commands), "environment": environment, **rest}


def _compiled(case: Case, scale: float) -> Plan:
    def steps(of: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [_step(step, scale) for step in of["steps"]]

    document: dict[str, Any] = {"version": "1"}
    if "steps" in case.pipeline:
        document["steps"] = steps(case.pipeline)
    else:
        stages: Mapping[str, Mapping[str, Any]] = case.pipeline["stages"]
        document["stages"] = {name: {**stage, "steps": steps(stage)} for name, stage in stages.items()}
    return plan_of(json.dumps(document))


def _outcome(standing: Standing, *, detached: bool) -> dict[str, Any]:
    """Return how a step ended in the words of the data."""
    if standing.started is None:
        return {"outcome": NOT_STARTED}
    if detached:
        return {"outcome": DETACHED}
    if standing.status is Status.FAILURE:
        return {"outcome": "failure", "exit_code": standing.exit_code}
    return {"outcome": standing.status.value}


def _outcomes(result: Result) -> dict[str, dict[str, Any]]:
    return {
        f"{stage.name}/{step.name}": _outcome(result.standing(f"{stage.name}/{step.name}"), detached=step.detach)
        for stage in result.state.plan.stages
        for step in stage.steps
    }


def _started(result: Result, path: str) -> float:
    started = result.standing(path).started
    assert started is not None, f"{path} never started"
    return started


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with PLACES[request.param]() as found:
        yield found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_stages_and_steps_run_as_in_vela(case: Case, place: Place) -> None:
    run = new_run_id()

    result = drive(_compiled(case, place.scale), backend=place.client(), run=run, prestart=Settings.read().prestart)

    assert _outcomes(result) == case.outcomes
    assert result.run.status.value == case.build
    for first, second in combinations(sorted(case.start_times, key=case.start_times.__getitem__), 2):
        if case.start_times[first] < case.start_times[second]:
            assert _started(result, first) < _started(result, second), (first, second)
    for stage in result.state.plan.stages:
        begun = [path for path in result.order if path.startswith(f"{stage.name}/")]
        assert begun == [f"{stage.name}/{s.name}" for s in stage.steps if f"{stage.name}/{s.name}" in case.start_times]
    assert place.left(run) == ()


def test_every_case_takes_part_and_compiles_as_a_whole_pipeline() -> None:
    assert len(CASES) == len({case.id for case in CASES}) == 11
    assert {case.level for case in CASES} == {"pipeline"}
