"""Runs that are paused: what waits, what goes on, and how it goes on when somebody resumes."""

from dataclasses import replace

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine.journal import Entry, Memory
from runner.naming import Address
from runner.plan.status import Status
from tests.support.engine import RUN, SCALE, Life, Result, drive
from tests.support.executions import execution, executions, fork, task
from tests.support.plans import service, step


@pytest.fixture
def world() -> World:
    return World(scale=SCALE)


def resume(journal: Memory) -> None:
    at = journal.read()[-1].at
    journal.take().append(Entry(address=Address(RUN), status=Status.RUNNING, at=at))


def starts(result: Result) -> dict[str, int]:
    return {path: result.order.count(path) for path in result.order}


def test_a_pause_ends_the_execution_for_now_and_others_go_on(world: World) -> None:
    paused = execution("A", task("p/a", wish="pause:a person"), task("p/b"), task("q/c"))
    other = execution("B", task("p/s", seconds=2), task("p/t"))

    result = drive(executions(paused, other, execution("C", task("p/s"), parents=["A"])), world=world)

    assert result.run.status is Status.PAUSED
    assert result.run.reason == "stage A: a person"
    assert result.stages == {"A": "paused", "B": "success", "C": "pending"}
    assert result.standing("A/p/b").started is None
    assert leftovers(world) == ()


def test_a_failure_weighs_more_than_a_pause() -> None:
    result = drive(executions(execution("A", task("p/s", wish="pause")), execution("B", task("p/s", 1))))

    assert result.run.status is Status.FAILURE
    assert result.stages["A"] == "paused"


def test_a_run_that_is_paused_is_not_driven_on_until_somebody_resumes(world: World) -> None:
    plan, journal = executions(execution("A", task("p/a", wish="pause"), task("p/b"))), Memory()
    first = drive(plan, world=world, journal=journal, resumable=True)

    second = drive(plan, world=world, journal=journal, resumable=True)

    assert second.run.status is Status.PAUSED
    assert second.entries == first.entries


def test_a_resumed_execution_goes_on_behind_the_step_that_has_paused(world: World) -> None:
    steps = (
        task("p/a", returns="x", global_="g=y"),
        task("p/b", wish="pause"),
        task("p/c", text="@{a} !{g}"),
        task("q/d"),
    )
    plan = executions(
        execution("A", *steps),
        execution("B", task("p/s", text="!A.pipelineParameters.p.a.primaryReturn"), parents=["A"]),
    )
    journal = Memory()
    assert drive(plan, world=world, journal=journal, resumable=True).run.status is Status.PAUSED
    resume(journal)

    result = drive(plan, world=world, journal=journal, resumable=True)

    assert result.run.status is Status.SUCCESS
    assert set(starts(result).values()) == {1}
    assert result.output(result.last("A/p/c")).text.strip() == "x y"
    assert result.output(result.last("B/p/s")).text.strip() == "x"
    assert leftovers(world) == ()


def test_a_resumed_evaluation_goes_on_with_what_is_left_of_it_and_then_runs(world: World) -> None:
    steps = (task("ev/a", wish="pause", evaluates=True), task("ev/b", evaluates=True), task("p/c"))
    plan, journal = executions(execution("A", *steps)), Memory()
    drive(plan, world=world, journal=journal, resumable=True)
    resume(journal)

    result = drive(plan, world=world, journal=journal, resumable=True)

    assert result.run.status is Status.SUCCESS
    assert result.order == ["A/ev/a", "A/ev/b", "A/p/c"]


def test_an_execution_can_be_paused_again(world: World) -> None:
    plan, journal = (
        executions(execution("A", task("p/a", wish="pause:one"), task("p/b", wish="pause:two"), task("p/c"))),
        Memory(),
    )
    reasons = []
    result = drive(plan, world=world, journal=journal, resumable=True)
    while result.run.status is Status.PAUSED:
        reasons.append(result.reason("A"))
        resume(journal)
        result = drive(plan, world=world, journal=journal, resumable=True)

    assert (reasons, result.run.status) == (["one", "two"], Status.SUCCESS)
    assert set(starts(result).values()) == {1}


def test_a_pause_in_one_branch_keeps_the_join_waiting_and_lets_the_others_finish(world: World) -> None:
    each = fork("EACH", task("p/s", fake={"FAKE_WISH": "!executionForkValue"}), over=["", "pause:b", ""], limit=1)
    plan, journal = executions(each, execution("ALL", task("p/s"), parents=["EACH"])), Memory()

    paused = drive(plan, world=world, journal=journal, resumable=True)
    resume(journal)
    result = drive(plan, world=world, journal=journal, resumable=True)

    assert paused.stages == {"EACH[0]": "success", "EACH[1]": "paused", "EACH[2]": "success", "ALL": "pending"}
    assert set(result.stages.values()) == {"success"}
    assert set(starts(result).values()) == {1}


def test_services_are_made_again_when_a_run_goes_on(world: World) -> None:
    plan = executions(execution("A", task("p/a", wish="pause"), task("p/b")), services=[service("db")])
    journal = Memory()
    drive(plan, world=world, journal=journal, resumable=True)
    resume(journal)

    result = drive(plan, world=world, journal=journal, resumable=True)

    assert result.run.status is Status.SUCCESS
    assert result.order.count("@services/db") == 1  # written once, made twice
    assert leftovers(world) == ()


def test_a_detached_step_of_a_paused_run_has_ended_with_it(world: World) -> None:
    beside = replace(task("p/w", fake={"FAKE_HANG": "1"}), detach=True)
    plan, journal = executions(execution("A", beside, task("p/a", wish="pause"), task("p/b"))), Memory()
    drive(plan, world=world, journal=journal, resumable=True)
    resume(journal)

    result = drive(plan, world=world, journal=journal, resumable=True)

    assert result.run.status is Status.SUCCESS
    assert result.status("A/p/w") is Status.CANCELLED


def test_a_paused_run_of_which_nothing_is_to_stay_leaves_nothing(world: World) -> None:
    drive(executions(execution("A", task("p/a", wish="pause"))), world=world)

    assert leftovers(world) == ()


def test_a_cancel_ends_what_is_paused_too(world: World) -> None:
    plan = executions(execution("A", task("p/a", wish="pause"), task("p/b")), execution("B", step("x", seconds=600)))
    life = Life(plan, backend=FakeBackend(world)).start()
    life.until_status(Address(RUN, "A"), Status.PAUSED)

    life.driver.cancel()
    result = life.finish()

    assert result.run.status is Status.CANCELLED
    assert result.stages == {"A": "cancelled", "B": "cancelled"}
