"""Runs that a step has paused: they rest, whatever becomes of their daemon, until somebody has them go on or end."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from runner.backends.standing import leftovers
from runner.clock import Deadline
from runner.dispatch.requests import Again
from runner.engine.job import Task
from runner.errors import ConflictError, NotFoundError
from runner.plan.model import Plan, Stage
from tests.support.crash import Crash, Mortality, Point
from tests.support.daemons import Daemon, Grounds, told, words
from tests.support.hooked import DEADLINE
from tests.support.plans import hanging, plan, service, stage, step, steps_only

LEAVES = {"FAKE_SET_ENV": "version=1"}
ASKS = {"FAKE_WISH": "pause:a person has to look"}


def _mapped(*stages: Stage, **fields: Any) -> Plan:  # noqa: ANN401 - the fields of `Plan`
    """Return a plan whose steps may ask for a pause."""
    told = [replace(s, steps=tuple(replace(step, pipeline=s.name, id=step.name) for step in s.steps)) for s in stages]
    return plan(*told, mapped=True, **fields)


PAUSING = _mapped(
    stage("build", step("a", text="built", fake=LEAVES)),
    stage("ask", step("a", text="asked", fake=ASKS), step("b", text="answered"), needs=("build",)),
    stage("ship", step("a", text="shipped"), needs=("ask",)),
)
WHY = "stage ask: a person has to look"
EFFECTS = range(1, 15)
ONCE = {("build", "a"): 1, ("ask", "a"): 1, ("ask", "b"): 1, ("ship", "a"): 1}


def _starts(grounds: Grounds, run: str) -> dict[tuple[str, str], int]:
    return {(at.stage, at.step): number for at, number in grounds.world.starts.items() if at.run == run}


def _follow(daemon: Daemon, run: str) -> list[str]:
    with daemon.service.feed(run) as feed:
        return words(told(feed), lines=False)


def _stages(daemon: Daemon, run: str) -> dict[str, str]:
    return {each["name"]: each["status"] for each in daemon.service.report(run)["stages"]}


def _until(condition: Callable[[], bool]) -> None:
    deadline = Deadline(DEADLINE)
    while not condition():
        assert not deadline.passed, "it does not come to that"


@pytest.fixture
def paused(grounds: Grounds) -> str:
    """A run whose daemon has died since it was paused."""
    with grounds.serving() as daemon:
        return daemon.ended(daemon.give(PAUSING))


def test_a_paused_run_says_why_and_what_waits_for_it(daemon: Daemon, grounds: Grounds) -> None:
    run = daemon.ended(daemon.give(PAUSING))

    summary = daemon.service.summary(run)
    assert (summary.status, summary.reason, summary.ended, summary.kept_until) == ("paused", WHY, None, None)
    assert _stages(daemon, run) == {"build": "success", "ask": "paused", "ship": "not_run"}
    assert _starts(grounds, run) == {("build", "a"): 1, ("ask", "a"): 1}
    assert daemon.service.health().paused == 1
    assert [each.id for each in daemon.service.runs(status="paused")] == [run]


def test_whoever_follows_hears_that_it_is_paused_and_nothing_more(daemon: Daemon) -> None:
    run = daemon.give(PAUSING)

    first, late = _follow(daemon, run), _follow(daemon, run)

    assert first == late
    assert first[-2:] == ["ask paused", "run paused"]


def test_what_its_steps_have_left_is_in_its_report(daemon: Daemon) -> None:
    run = daemon.ended(daemon.give(PAUSING))

    assert daemon.service.report(run)["values"]["env"] == {"version": "1"}


def test_a_paused_run_keeps_what_it_stands_on_whatever_is_tidied_up(grounds: Grounds) -> None:
    grounds.set(keep_failed=0.0, keep_runs=0, keep_failed_runs=0)
    with grounds.serving() as daemon:
        run = daemon.ended(daemon.give(PAUSING))
        _until(lambda: not daemon.house.dispatcher.driven())

        daemon.house.housekeeping.tidy()

        assert run in grounds.world.kept
        assert run in daemon.house.means.trees._leases
        assert (grounds.data / "runs" / run / "saved").is_dir()
        assert not grounds.world.containers
        daemon.service.resume(run)
        daemon.ended(run)
        assert daemon.status(run) == "success"


def test_a_run_that_is_resumed_goes_on_where_it_stopped(daemon: Daemon, grounds: Grounds) -> None:
    run = daemon.ended(daemon.give(PAUSING))

    daemon.service.resume(run)
    daemon.ended(run)

    assert daemon.status(run) == "success"
    assert _starts(grounds, run) == ONCE
    assert daemon.text(run, "ask") == "ask/a | asked\nask/b | answered\n"
    assert daemon.service.report(run)["values"]["env"] == {"version": "1"}
    assert not leftovers(grounds.world)


def test_a_run_that_is_paused_again_can_be_resumed_again(daemon: Daemon, grounds: Grounds) -> None:
    run = daemon.ended(daemon.give(_mapped(stage("s", step("a", fake=ASKS), step("b", fake=ASKS), step("c")))))

    for expected in ("paused", "success"):
        daemon.service.resume(run)
        assert daemon.status(daemon.ended(run)) == expected

    assert _starts(grounds, run) == {("s", "a"): 1, ("s", "b"): 1, ("s", "c"): 1}


def test_its_services_are_there_again(daemon: Daemon, grounds: Grounds) -> None:
    run = daemon.ended(daemon.give(_mapped(stage("s", step("a", fake=ASKS), step("b")), services=(service("db"),))))
    assert not grounds.world.containers

    daemon.service.resume(run)
    daemon.ended(run)

    assert daemon.status(run) == "success"
    assert not leftovers(grounds.world)


def test_whoever_follows_a_resumed_run_is_told_all_of_it(daemon: Daemon) -> None:
    run = daemon.ended(daemon.give(PAUSING))
    daemon.service.resume(run)

    found = _follow(daemon, run)

    assert found == _follow(daemon, run)
    assert [word for word in found if word.startswith("run ")] == [
        "run running",
        "run paused",
        "run running",
        "run success",
    ]


def test_who_had_heard_of_the_pause_hears_of_nothing_that_comes_after_it(daemon: Daemon) -> None:
    run = daemon.ended(daemon.give(PAUSING))
    with daemon.service.feed(run) as feed:
        before = words(told(feed), lines=False)
        daemon.service.resume(run)
        daemon.ended(run)

        assert before[-1] == "run paused"
        assert not list(feed.poll())
        assert feed.over


def test_a_paused_run_outlives_its_daemon_and_every_further_one(grounds: Grounds) -> None:
    with grounds.serving() as daemon:
        run = daemon.ended(daemon.give(PAUSING))
    with grounds.serving() as daemon:
        assert (daemon.status(run), daemon.house.dispatcher.driven()) == ("paused", ())
        assert _follow(daemon, run)[-1] == "run paused"
        assert run in daemon.house.means.trees._leases
        daemon.house.housekeeping.tidy()
    with grounds.serving() as daemon:
        assert _starts(grounds, run) == {("build", "a"): 1, ("ask", "a"): 1}

        daemon.service.resume(run)
        daemon.ended(run)

        assert daemon.status(run) == "success"
        assert _starts(grounds, run) == ONCE
        assert daemon.service.report(run)["values"]["env"] == {"version": "1"}
        assert not leftovers(grounds.world)


def test_a_resumed_run_whose_daemon_dies_at_once_is_driven_by_the_next(grounds: Grounds, paused: str) -> None:
    with grounds.living() as daemon:
        daemon.service.resume(paused)
        assert daemon.status(paused) == "running"
    with grounds.serving() as daemon:
        daemon.ended(paused)

        assert daemon.status(paused) == "success"
        assert _starts(grounds, paused) == ONCE


def test_wherever_a_daemon_dies_a_resumed_run_does_all_once(grounds: Grounds) -> None:
    for number in EFFECTS:
        with grounds.serving() as daemon:
            run = daemon.ended(daemon.give(PAUSING))
        _die(grounds, number, lambda daemon, run=run: daemon.service.resume(run))  # type: ignore[misc]  # bound now
        with grounds.serving() as daemon:
            if daemon.status(run) == "paused":
                daemon.service.resume(run)
            daemon.ended(run)
            assert (daemon.status(run), _starts(grounds, run)) == ("success", ONCE), number


def test_wherever_a_daemon_dies_a_cancelled_run_ends_and_leaves_nothing(grounds: Grounds) -> None:
    for number in EFFECTS:
        with grounds.serving() as daemon:
            run = daemon.ended(daemon.give(PAUSING))
        _die(grounds, number, lambda daemon, run=run: daemon.service.cancel(run, force=False))  # type: ignore[misc]  # as above
        with grounds.serving() as daemon:
            if not _cancelled(daemon, run):
                daemon.service.cancel(run, force=False)
            daemon.ended(run)
            assert _stages(daemon, run) == {"build": "success", "ask": "cancelled", "ship": "cancelled"}, number
            assert daemon.status(run) == "cancelled"
            assert not leftovers(grounds.world)


def _die(grounds: Grounds, number: int, act: Callable[[Daemon], None]) -> None:
    """Have a daemon do something that ends a run, and die at an effect of that, if it has so many."""
    mortality = Mortality(Point(number))
    with suppress(Crash), grounds.serving(mortality) as daemon:
        (run,) = [each.id for each in daemon.service.runs(limit=1)]
        act(daemon)
        _until(lambda: mortality.dead.is_set() or daemon.status(run) in ("success", "cancelled"))


def _cancelled(daemon: Daemon, run: str) -> bool:
    return bool(daemon.house.means.runs.get(run).cancel)


def test_a_paused_run_that_is_cancelled_ends_at_once_and_leaves_nothing(daemon: Daemon, grounds: Grounds) -> None:
    run = daemon.ended(daemon.give(PAUSING))

    daemon.service.cancel(run, force=False)
    daemon.ended(run)

    summary = daemon.service.summary(run)
    assert (summary.status, summary.reason) == ("cancelled", "it was cancelled while it was paused")
    assert _stages(daemon, run) == {"build": "success", "ask": "cancelled", "ship": "cancelled"}
    assert daemon.statuses(run)["ask/b"] == "cancelled"
    assert daemon.service.report(run)["values"]["env"] == {"version": "1"}
    _until(lambda: not daemon.house.dispatcher.driven())
    assert run not in daemon.house.means.trees._leases
    assert not (grounds.data / "runs" / run / "saved").exists()
    assert not leftovers(grounds.world)


def test_a_paused_run_that_is_cancelled_while_nobody_serves_is_ended_by_the_next(grounds: Grounds, paused: str) -> None:
    with grounds.living() as daemon:
        daemon.service.cancel(paused, force=True)
    with grounds.serving() as daemon:
        daemon.ended(paused)

        assert daemon.status(paused) == "cancelled"
        assert not leftovers(grounds.world)


def test_a_paused_run_that_is_being_cancelled_does_not_go_on(grounds: Grounds, paused: str) -> None:
    with grounds.living() as daemon:
        daemon.service.cancel(paused, force=False)

        with pytest.raises(ConflictError, match=f"run {paused} is being cancelled"):
            daemon.service.resume(paused)
        assert daemon.status(paused) == "paused"


def test_what_is_not_paused_does_not_go_on(grounds: Grounds) -> None:
    grounds.set(queues={"default": 1})
    with grounds.serving() as daemon:
        ended, going = daemon.run(steps_only(step("a"))), daemon.submit(steps_only(hanging("a")))
        daemon.until(going, "s/a")
        waiting = daemon.submit(steps_only(step("a")))

        for run, status in ((ended, "success"), (going, "running"), (waiting, "pending")):
            with pytest.raises(ConflictError, match=f"run {run} is not paused: {status}"):
                daemon.service.resume(run)
        with pytest.raises(NotFoundError, match="no run 0badcafe"):
            daemon.service.resume("0badcafe")


def test_a_run_is_resumed_once_however_often_it_is_asked_for(daemon: Daemon, grounds: Grounds) -> None:
    run = daemon.ended(daemon.give(PAUSING))
    answers: list[str] = []

    def ask() -> None:
        try:
            daemon.service.resume(run)
            answers.append("")
        except ConflictError as error:
            answers.append(error.message)

    tasks = [Task("resume", ask) for _ in range(8)]
    for task in tasks:
        task.finish()
    daemon.ended(run)

    assert sorted(answer.partition(":")[0] for answer in answers) == ["", *[f"run {run} is not paused"] * 7]
    assert (daemon.status(run), _starts(grounds, run)) == ("success", ONCE)


@pytest.mark.parametrize("again", [Again(), Again(failed=True), Again(from_stage="ask")])
def test_a_paused_run_is_not_repeated_before_it_has_ended(daemon: Daemon, again: Again) -> None:
    run = daemon.ended(daemon.give(PAUSING))

    with pytest.raises(ConflictError, match=f"run {run} is paused") as caught:
        daemon.service.rerun(run, again)

    assert caught.value.hint == f"`runner resume {run}` has it go on, `runner cancel {run}` ends it"


def test_a_paused_run_takes_no_place_in_its_queue(grounds: Grounds) -> None:
    grounds.set(queues={"default": 1})
    with grounds.serving() as daemon:
        run = daemon.ended(daemon.give(PAUSING))

        assert daemon.status(daemon.run(steps_only(step("a")))) == "success"
        assert daemon.status(run) == "paused"


def test_a_failure_weighs_more_than_a_pause(daemon: Daemon) -> None:
    run = daemon.ended(daemon.give(_mapped(stage("ask", step("a", fake=ASKS)), stage("test", step("a", 3)))))

    assert daemon.status(run) == "failure"
    with pytest.raises(ConflictError, match="is not paused"):
        daemon.service.resume(run)


def test_a_shell_in_a_paused_run_is_refused(daemon: Daemon) -> None:
    run = daemon.ended(daemon.give(PAUSING))

    with pytest.raises(ConflictError, match="not kept"):
        daemon.service.shell(run, "build", "a", None)  # type: ignore[arg-type]  # it does not come to that
