"""Forks: one branch for each value, as many at a time as may be, and the join behind them."""

import json
from collections.abc import Iterable

import pytest

from runner.engine.journal import Entry
from runner.plan.model import BlockedBy, Json
from runner.plan.status import Status
from tests.support.engine import Result, drive
from tests.support.executions import execution, executions, fork, task
from tests.support.plans import stage


def printed(result: Result, path: str) -> str:
    return result.output(result.last(path)).text.strip()


def most_at_a_time(entries: Iterable[Entry], stages: set[str]) -> int:
    going, most = 0, 0
    for entry in entries:
        if entry.address.stage in stages and not entry.address.step:
            going += 1 if entry.status is Status.RUNNING else -1
            most = max(most, going)
    return most


def test_a_fork_runs_once_for_each_value_and_its_join_once() -> None:
    each = fork(
        "EACH",
        task("p/s", text="!executionForkValue at !{executionForkValueIndex}", returns="!executionForkValue"),
        over="!l",
        globals={"l": ["a", "b", {"k": "c"}]},
    )
    join = execution("ALL", task("q/s", text="!EACH.pipelineParameters"), parents=["EACH"])

    result = drive(executions(each, join))

    assert result.stages == {"EACH[0]": "success", "EACH[1]": "success", "EACH[2]": "success", "ALL": "success"}
    slots = [slot["p"]["s"]["primaryReturn"] for slot in json.loads(printed(result, "ALL/q/s"))]
    assert slots == ["a", "b", {"k": "c"}]


@pytest.mark.parametrize("values", [[], ["only"]])
def test_few_values_are_a_list_too(values: list[Json]) -> None:
    each = fork("EACH", task("p/s", global_="g=x"), over=values)
    join = execution(
        "ALL", task("q/s", text="!EACH.pipelineParameters"), task("q/t", text="!EACH.globals"), parents=["EACH"]
    )

    result = drive(executions(each, join))

    assert result.run.status is Status.SUCCESS
    assert len(json.loads(printed(result, "ALL/q/s"))) == len(values)
    assert [slot["g"] for slot in json.loads(printed(result, "ALL/q/t"))] == ["x"] * len(values)


def test_a_fork_that_would_give_the_run_too_many_stages_fails_before_a_branch_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runner.engine.forking.MOST_STAGES", 5)
    each = fork("EACH", task("p/s"), over=list("abcde"))

    result = drive(executions(each, execution("ALL", task("q/s"), parents=["EACH"])))

    assert result.stages == {"EACH": "failure", "ALL": "not_run"}
    assert result.reason("EACH") == (
        "with the 5 branches of fork EACH the run would have 6 stages, and at most 5 can be"
    )


def test_the_values_come_from_what_a_step_has_found() -> None:
    find = execution("FIND", task("p/s", returns='["x", "y"]'))
    each = fork(
        "EACH",
        task("p/s", text="!executionForkValue"),
        over="FIND.pipelineParameters.p.s.primaryReturn",
        parents=["FIND"],
    )

    result = drive(executions(find, each))

    assert [printed(result, f"EACH[{index}]/p/s") for index in range(2)] == ["x", "y"]


@pytest.mark.parametrize(
    ("over", "says"),
    [("nowhere", "nowhere"), ("!text", "list"), ([0] * 1001, "1,001"), ("!m.k", "k")],
)
def test_what_is_no_list_fails_the_fork(over: Json, says: str) -> None:
    each = fork("EACH", task("p/s"), over=over, inside=["IN"], globals={"text": "a", "m": {}})
    plan = executions(
        each, execution("IN", task("p/s"), parents=["EACH"]), execution("ALL", task("p/s"), parents=["IN"])
    )

    result = drive(plan)

    assert result.stages == {"EACH": "failure", "IN": "not_run", "ALL": "not_run"}
    assert "EACH" in result.reason("EACH")
    assert says in result.reason("EACH")
    assert result.order == []


def test_what_stands_on_a_fork_runs_in_its_branches_and_sees_its_own() -> None:
    each = fork("EACH", task("p/s", returns="r-!{executionForkValue}"), over=["a", "b"], inside=["IN", "LEAF"])
    inner = execution("IN", task("q/s", text="!EACH.pipelineParameters.p.s.primaryReturn"), parents=["EACH"])
    join = execution("ALL", task("q/s", text="!{executionForkValue || none}"), parents=["IN"])

    result = drive(executions(each, inner, execution("LEAF", task("q/s"), parents=["EACH"]), join))

    assert [printed(result, f"IN[{index}]/q/s") for index in range(2)] == ["r-a", "r-b"]
    assert printed(result, "ALL/q/s") == "none"
    assert result.stages["LEAF[1]"] == "success"


def test_forks_in_forks_know_all_values_outer_ones_first() -> None:
    outer = fork("OUT", task("p/s"), over=["a", "b"], inside=["INN", "IJ"])
    inner = fork(
        "INN",
        task("p/s", text="!executionForkValues", returns="!executionForkValue"),
        over="!m",
        inside=[],
        parents=["OUT"],
        globals={"m": [1, 2]},
    )
    inner_join = execution(
        "IJ",
        task("p/s", text="!executionForkValue", returns="!INN.pipelineParameters[1].p.s.primaryReturn"),
        parents=["INN"],
    )
    join = execution("OJ", task("p/s", text="!IJ.pipelineParameters[1].p.s.primaryReturn"), parents=["IJ"])

    result = drive(executions(outer, inner, inner_join, join))

    assert set(result.stages.values()) == {"success"}
    assert [json.loads(printed(result, f"INN[{i}][{j}]/p/s")) for i in range(2) for j in range(2)] == [
        ["a", 1],
        ["a", 2],
        ["b", 1],
        ["b", 2],
    ]
    assert [printed(result, f"IJ[{index}]/p/s") for index in range(2)] == ["a", "b"]
    assert printed(result, "OJ/p/s") == "2"


@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_branches_run_at_a_time_than_may(limit: int) -> None:
    each = fork("EACH", task("p/s", seconds=1), over=[1, 2, 3, 4], inside=["IN"], limit=limit)
    inner = execution("IN", task("p/s", seconds=1), parents=["EACH"])

    result = drive(executions(each, inner), max_parallel=9)

    assert result.run.status is Status.SUCCESS
    # No branch begins while others are between two of their stages, either.
    assert (
        most_at_a_time(result.entries, {f"{name}[{index}]" for name in ("EACH", "IN") for index in range(4)}) <= limit
    )
    order = [path.partition("/")[0] for path in result.order]
    assert limit > 1 or order == [f"{name}[{index}]" for index in range(4) for name in ("EACH", "IN")]


def test_a_failing_branch_lets_the_others_finish_and_keeps_the_join_from_running() -> None:
    each = fork(
        "EACH", task("p/s", seconds=1, fake={"FAKE_EXIT": "!executionForkValue"}), over=[0, 3, 0], inside=["IN"]
    )
    inner = execution("IN", task("p/s"), parents=["EACH"])
    after = execution("AFTER", task("p/s"), parents=["ALL"])

    result = drive(executions(each, inner, execution("ALL", task("p/s"), parents=["IN"]), after))

    assert result.stages == {
        "EACH[0]": "success",
        "EACH[1]": "failure",
        "EACH[2]": "success",
        "IN[0]": "success",
        "IN[1]": "not_run",
        "IN[2]": "success",
        "ALL": "not_run",
        "AFTER": "not_run",
    }
    assert result.reason("AFTER") == "not started: stage EACH[1] has failed"


def test_a_join_that_runs_always_finds_an_empty_slot_for_a_branch_that_failed() -> None:
    each = fork("EACH", task("p/s"), over=[3, 0], inside=["X", "Y"])
    x = execution("X", task("p/s", fake={"FAKE_EXIT": "!executionForkValue"}), parents=["EACH"])
    y = execution("Y", task("p/s", returns="done"), parents=["X"])
    text = "!{Y.pipelineParameters[0] || null slot} !{Y.pipelineParameters[1].p.s.primaryReturn}"
    join = execution("ALL", task("p/s", text=text), parents=["Y"], blocked_by=BlockedBy.NOTHING)

    result = drive(executions(each, x, y, join))

    assert printed(result, "ALL/p/s") == "null slot done"
    assert result.run.status is Status.FAILURE


def test_a_branch_that_is_skipped_leaves_what_its_evaluation_has_recorded() -> None:
    skipping = task("ev/s", wish="!{executionForkValue}", returns="seen", evaluates=True)
    each = fork("EACH", skipping, task("p/s", returns="built"), over=["", "skip:no", ""])
    text = "!{EACH.pipelineParameters[1].p || none} !{EACH.pipelineParameters[1].ev.s.primaryReturn}"
    join = execution("ALL", task("p/s", text=text), parents=["EACH"])

    result = drive(executions(each, join))

    assert [result.stages[f"EACH[{index}]"] for index in range(3)] == ["success", "skipped", "success"]
    assert printed(result, "ALL/p/s") == "none seen"


def test_branches_by_the_rules_of_vela_do_not_see_each_others_failures() -> None:
    each = stage(
        "each",
        task("s", fake={"FAKE_EXIT": "!executionForkValue"}),
        task("t", seconds=1),
        fork=fork("x", over=[0, 3, 0]).fork,
    )
    join = stage("all", task("s"), task("report", status=["failure"]), needs=("each",))

    result = drive(executions(each, join), max_parallel=1)

    assert result.statuses == {
        "each[0]/s": "success",
        "each[0]/t": "success",
        "each[1]/s": "failure",
        "each[1]/t": "skipped",
        "each[2]/s": "success",
        "each[2]/t": "success",
        "all/s": "skipped",
        "all/report": "success",
    }


def test_a_fork_by_the_rules_of_vela_is_not_run_where_what_it_needs_has_failed() -> None:
    find = stage("find", task("s", 1, returns="[1]"))
    over = "!find.pipelineParameters.p.s.primaryReturn"
    each = stage("each", task("s"), needs=("find",), fork=fork("x", over=over).fork)

    result = drive(executions(find, each))

    assert result.stages == {"find": "failure", "each": "not_run"}


def test_the_expansion_is_in_the_journal_before_any_branch_begins() -> None:
    result = drive(executions(fork("EACH", task("p/s"), over=["a", "b"])))

    paths = [(entry.address.stage, entry.branches) for entry in result.entries if entry.address.stage]
    assert paths[0] == ("EACH", 2)


def test_a_list_that_has_become_shorter_since_it_was_forked_over_fails_the_branch_that_is_concerned() -> None:
    find = execution("FIND", task("p/s", returns='["a", "b"]'))
    each = fork("EACH", task("p/s"), over="!FIND.pipelineParameters.p.s.primaryReturn", parents=["FIND"])
    first = drive(executions(find, each))
    assert first.stages["EACH[1]"] == "success"


def test_a_join_that_runs_always_does_not_where_its_fork_has_no_branches() -> None:
    lost = fork("LOST", task("p/s"), over="nowhere")
    late = fork("LATE", task("p/s"), over=[1], parents=["LOST"])
    joins = [
        execution(f"J{of}", task("p/s"), parents=[of], blocked_by=BlockedBy.FORK) for of in ("LOST", "LATE", "GOOD")
    ]
    good = fork("GOOD", task("p/s", 1), over=[1])

    result = drive(executions(lost, late, good, *joins))

    assert result.stages["JLOST"] == result.stages["JLATE"] == "not_run"
    assert result.reason("JLATE") == "not started: stage LOST has failed"
    assert result.stages["JGOOD"] == "success"


@pytest.mark.parametrize("values", [[], [1]])
def test_the_links_of_a_fork_are_known_behind_it_however_many_values_it_has(values: list[Json]) -> None:
    each = fork("EACH", task("p/s"), over=values, links={"short": "known"})

    result = drive(executions(each, execution("ALL", task("p/s", text="!short"), parents=["EACH"])))

    assert printed(result, "ALL/p/s") == "known"
