"""Executions: what steps return and others refer to, evaluations, and what is in the way of what."""

from typing import Any

import pytest

from runner.backends.standing import World, leftovers
from runner.plan.model import BlockedBy
from runner.plan.status import Status
from tests.support.engine import SCALE, Result, drive
from tests.support.executions import execution, executions, task
from tests.support.plans import stage, step, steps_only


def printed(result: Result, path: str) -> str:
    return result.output(result.last(path)).text.strip()


@pytest.mark.parametrize(
    ("reference", "meaning"),
    [
        ("!A.pipelineParameters.p.s.primaryReturn", '{"n":3}'),
        ("!A.pipelineParameters.p.s.primaryReturn.n", "3"),
        ("!A.pipelineParameters.p.s.namedReturns.K", "v"),
        ("!A.pipelineParameters.p.s.namedReturn.K", "v"),
        ("!A.globals.color", "red"),
        ("!A.globals.given", "blue"),
        ("!short", "3"),
        ("!own", "x"),
        ("!own-!{short}", None),
        ("at !{own} and !{short}", "at x and 3"),
        ("!given || none", "none"),
    ],
)
def test_a_child_refers_to_what_its_parent_hands_on(reference: str, meaning: str | None) -> None:
    parent = execution(
        "A",
        task("p/s", returns='{"n": 3}', named="K=v", global_="color=red"),
        globals={"given": "blue"},
        links={"short": "!A.pipelineParameters.p.s.primaryReturn.n"},
    )
    child = execution("B", task("q/t", text=reference), parents=["A"], globals={"own": "x"})

    result = drive(executions(parent, child))

    if meaning is None:
        assert result.stages["B"] == "failure"
    else:
        assert printed(result, "B/q/t") == meaning


def test_what_is_missing_fails_the_step_and_is_named() -> None:
    result = drive(executions(execution("A", task("p/s", text="!nowhere.x"), task("p/t"))))

    assert result.status("A/p/s") is Status.FAILURE
    assert "FAKE_PRINT" in result.reason("A/p/s")
    assert "nowhere" in result.reason("A/p/s")
    assert result.standing("A/p/t").started is None
    assert result.run.status is Status.FAILURE


def test_a_later_step_refers_to_earlier_ones_of_its_execution() -> None:
    steps = (
        task("p/s", returns="main", named="k=extra"),
        task("p/t", text="@s #s.k @LastStepId"),
        task("q/u", text="@p.s"),
    )
    result = drive(executions(execution("A", steps[0], task("p/t", text="!{nope || @s}"), steps[2])))

    assert printed(result, "A/p/t") == "main"
    assert printed(result, "A/q/u") == "main"


def test_a_global_that_a_step_sets_counts_for_later_steps_over_the_one_that_was_given() -> None:
    before, setter, after = task("p/a", text="!color"), task("p/b", global_="color=red"), task("p/c", text="!color")

    result = drive(executions(execution("A", before, setter, after, globals={"color": "blue"})))

    assert (printed(result, "A/p/a"), printed(result, "A/p/c")) == ("blue", "red")


def test_links_of_all_parents_are_known_and_a_later_one_wins() -> None:
    first = execution("A", task("p/s"), links={"both": "!{ONE || first}", "only": "a"})
    second = execution("B", task("p/s", link="set=!A.globals.x || by a step"), links={"both": "second"})
    child = execution("C", task("p/s", text="!{both} !{only} !{set}"), parents=["A", "B"])

    result = drive(executions(first, second, child))

    assert printed(result, "C/p/s") == "second a by a step"


def test_what_a_failed_parent_is_in_the_way_of_is_not_run_and_says_because_of_whom() -> None:
    result = drive(
        executions(
            execution("A", task("p/s", 3)),
            execution("B", task("p/s")),
            execution("C", task("p/s"), parents=["A", "B"]),
            execution("D", task("p/s"), parents=["C"]),
            execution("E", task("p/s"), parents=["B"]),
        )
    )

    assert result.stages == {"A": "failure", "B": "success", "C": "not_run", "D": "not_run", "E": "success"}
    assert result.reason("C") == result.reason("D") == "not started: stage A has failed"
    assert result.run.status is Status.FAILURE


def test_an_execution_that_may_runs_whatever_has_become_of_its_parents() -> None:
    child = execution("B", task("p/s"), parents=["A"], blocked_by=BlockedBy.NOTHING)

    result = drive(executions(execution("A", task("p/s", 3)), child))

    assert result.stages == {"A": "failure", "B": "success"}


@pytest.mark.parametrize(
    ("decision", "own", "child", "run"),
    [
        ({"returns": "false"}, "success", "success", Status.SUCCESS),
        ({"wish": "skip:nothing to do"}, "skipped", "success", Status.SUCCESS),
        ({"wish": "stop:not today"}, "stopped", "not_run", Status.FAILURE),
        ({"exit_code": 4}, "stopped", "not_run", Status.FAILURE),
        ({"wish": "pause:a person"}, "paused", "pending", Status.PAUSED),
    ],
    ids=str,
)
def test_an_evaluation_decides(decision: dict[str, Any], own: str, child: str, run: Status) -> None:
    evaluation = task("ev/s", evaluates=True, **decision)
    last = task("ev/t", evaluates=True)

    result = drive(
        executions(execution("A", evaluation, last, task("p/s")), execution("B", task("q/s"), parents=["A"]))
    )

    assert result.stages == {"A": own, "B": child}
    assert result.run.status is run
    ran = own == "success"
    assert (result.standing("A/p/s").started is not None) is ran
    assert (result.standing("A/ev/t").started is not None) is ran


def test_what_an_evaluation_has_set_is_gone_when_its_execution_runs() -> None:
    evaluation = task("ev/s", returns="x", global_="g=y", evaluates=True)
    seen = task("p/s", text="@{ev.s || none} !{g || none}")
    child = execution("B", task("q/s", text="!{A.pipelineParameters.ev.s.primaryReturn || none}"), parents=["A"])

    result = drive(executions(execution("A", evaluation, seen), child))

    assert printed(result, "A/p/s") == "none none"
    assert printed(result, "B/q/s") == "none"


def test_what_an_evaluation_has_set_that_skips_is_what_children_see() -> None:
    evaluation = task("ev/s", returns="x", global_="g=y", wish="skip", evaluates=True)
    child = execution("B", task("q/s", text="!{A.pipelineParameters.ev.s.primaryReturn} !{A.globals.g}"), parents=["A"])

    result = drive(executions(execution("A", evaluation, task("p/s")), child))

    assert result.stages["A"] == "skipped"
    assert printed(result, "B/q/s") == "x y"


def test_a_step_that_asks_to_skip_leaves_the_rest_out_and_keeps_what_there_is() -> None:
    steps = (task("p/a", returns="kept"), task("p/b", wish="skip:enough"), task("p/c"), task("q/d"))
    child = execution("B", task("q/s", text="!A.pipelineParameters.p.a.primaryReturn"), parents=["A"])

    result = drive(executions(execution("A", *steps), child))

    assert (result.status("A"), result.reason("A")) == (Status.SKIPPED, "enough")
    assert [result.status(f"A/{name}") for name in ("p/c", "q/d")] == [Status.SKIPPED, Status.SKIPPED]
    assert printed(result, "B/q/s") == "kept"


def test_a_step_that_asks_for_something_and_fails_has_failed() -> None:
    result = drive(executions(execution("A", task("p/s", 4, wish="pause"))))

    assert result.run.status is Status.FAILURE


def test_what_is_stopped_leaves_its_siblings_alone() -> None:
    stopped = execution("A", task("ev/s", 1, evaluates=True), task("p/s"), parents=["R"])

    result = drive(
        executions(execution("R", task("p/s")), stopped, execution("B", task("p/s", seconds=1), parents=["R"]))
    )

    assert result.stages == {"R": "success", "A": "stopped", "B": "success"}
    assert result.run.reason == "stage A: step ev/s: exit code 1"


def test_a_plan_that_is_not_mapped_has_no_references() -> None:
    result = drive(steps_only(step("a", text="!x || none", fake={"FAKE_WISH": "skip"}), step("b")))

    assert result.output(result.last("s/a")).text.strip() == "!x || none"
    assert result.statuses == {"s/a": "success", "s/b": "success"}


def test_an_image_is_referred_to_and_fetched_when_its_turn_has_come() -> None:
    world = World(scale=SCALE)

    result = drive(
        executions(execution("A", task("p/s", returns="busybox:late"), task("p/t", image="@{s}"))), world=world
    )

    assert result.run.status is Status.SUCCESS
    assert ("busybox:late", False) in world.fetched
    assert leftovers(world) == ()


def test_a_stage_by_the_rules_of_vela_is_a_failure_of_the_run_where_its_evaluation_stops_it() -> None:
    stopping = stage("a", task("ev", 1, evaluates=True), task("s"))
    later = stage("b", task("s"), needs=("a",))
    report = stage("c", task("s", status=["failure"]), needs=("a",))

    result = drive(executions(stopping, later, report))

    assert result.stages == {"a": "stopped", "b": "skipped", "c": "success"}


def test_a_text_that_begins_with_a_dollar_is_no_reference_where_outputs_are_meant_by_it() -> None:
    result = drive(executions(execution("A", task("p/s", text="$NOPE")), outputs="/outputs"))

    assert printed(result, "A/p/s") == "$NOPE"
