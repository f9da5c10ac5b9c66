"""The bookkeeping of the soak: what counts as wrong. (What it does needs an engine: ``make soak``.)"""

import json
import os
import random
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from runner.dispatch.requests import Submission, Submitted
from runner.errors import ConflictError
from runner.plan.status import Status
from tests.support.scripts import load


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load("soak")


def a_sample(script: ModuleType, **changes: float) -> Any:  # noqa: ANN401 - the type lives in the loaded script
    facts: dict[str, float] = {"at": 10.0, "memory": 100.0, "threads": 10, "descriptors": 50}
    return script.Sample(**(facts | changes))


class FakeDaemon:
    """Accepts everything; ``statuses`` are those of its runs."""

    def __init__(self, **statuses: str) -> None:
        self.statuses = statuses
        self.submitted = 0
        self.cancelled: list[str] = []

    def submit(self, submission: Submission) -> Submitted:
        self.submitted += 1
        return Submitted(id=f"run{self.submitted}")

    def summary(self, run: str) -> SimpleNamespace:
        return SimpleNamespace(status=self.statuses.get(run, "running"), reason="")

    def cancel(self, run: str, *, force: bool) -> None:
        if Status(self.statuses.get(run, "running")).ended:
            raise ConflictError("it has ended")
        self.cancelled.append(run)


@pytest.mark.parametrize(
    ("later", "grown"),
    [
        ({"memory": 114.0, "threads": 20, "descriptors": 79}, []),
        ({"memory": 116.0}, ["memory: 100, later 116"]),
        ({"threads": 30, "descriptors": 90}, ["threads: 10, later 30", "descriptors: 50, later 90"]),
        ({"memory": 50.0, "threads": 1}, []),
    ],
)
def test_what_has_grown_is_told_and_a_little_is_no_growth(
    script: ModuleType, later: dict[str, float], grown: list[str]
) -> None:
    assert script.growth(a_sample(script), a_sample(script, **later)) == grown


def test_a_sample_is_of_the_process_that_is_named(script: ModuleType) -> None:
    found = script.sample(os.getpid(), 1.0)

    assert found.memory > 1
    assert found.threads >= 1
    assert found.descriptors >= 3


def test_a_run_that_ends_otherwise_than_it_should_is_wrong(script: ModuleType) -> None:
    work = script.Work(going={"a": Status.SUCCESS, "b": Status.FAILURE, "c": Status.SUCCESS, "d": Status.SUCCESS})
    work.cancelled = {"c"}
    work.judge("a", Status.ERROR, "the disk is full")
    work.judge("b", Status.FAILURE, "")
    work.judge("c", Status.CANCELLED, "")
    work.judge("d", Status.CANCELLED, "")

    assert [wrong[:5] for wrong in work.wrong] == ["run a", "run d"]
    assert work.going == {}
    assert work.ended == {Status.ERROR: 1, Status.FAILURE: 1, Status.CANCELLED: 2}


def test_as_many_runs_go_on_as_are_asked_for(script: ModuleType) -> None:
    daemon, work, chance = FakeDaemon(run1="success", run2="failure"), script.Work(), random.Random(1)
    script.step(daemon, work, 4, chance)
    script.step(daemon, work, 4, chance)

    assert len(work.going) == 4
    assert daemon.submitted == 6
    assert set(daemon.cancelled) == work.cancelled


def test_a_run_that_ends_while_it_is_cancelled_counts_as_it_has_ended(script: ModuleType) -> None:
    work = script.Work(going={"a": Status.SUCCESS})
    script.cancel(FakeDaemon(a="success"), work, random.Random(1))

    assert work.cancelled == set()


@pytest.mark.parametrize(("fails", "last"), [(True, "exit 1"), (False, "true")])
def test_a_pipeline_fails_if_it_is_to(script: ModuleType, fails: bool, last: str) -> None:  # noqa: FBT001
    found = json.loads(script.pipeline(random.Random(3), fails=fails))

    assert {step["commands"][-1] for step in found["stages"]["right"]["steps"]} == {last}


def test_a_row_counts_by_status(script: ModuleType) -> None:
    work = script.Work()
    work.ended.update({Status.SUCCESS: 3, Status.FAILURE: 1, Status.CANCELLED: 2})

    assert script.row(a_sample(script, memory=99.5), work).split() == ["10", "6", "3", "1", "2", "99.5", "10", "50"]
