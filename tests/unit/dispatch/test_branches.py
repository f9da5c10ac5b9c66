"""Runs with forks: their branches take the place of what the file says, in all that is told of them."""

from dataclasses import replace

import pytest

from runner.dispatch.parts import check_part, is_of, steps_of
from runner.dispatch.requests import Again
from runner.engine.events import Changed
from runner.errors import NotFoundError, UsageError
from runner.naming import Address
from runner.plan.model import Fork, Plan, Stage
from tests.support.daemons import Daemon, Grounds, told
from tests.support.plans import plan, service, stage, step

BROKEN = {"FAKE_EXIT": "!executionForkValue"}


def _of(each: Stage) -> Stage:
    return replace(each, steps=tuple(replace(step, pipeline="p", id=step.name) for step in each.steps))


def _forking(*values: str, **fields: object) -> Plan:
    fork = Fork(values=list(values), stages=("test",))
    each = stage("each", step("a", text="built", **fields), needs=("first",), fork=fork)  # type: ignore[arg-type]  # passed on
    stages = (
        stage("first", step("a", text="begun")),
        each,
        stage("test", step("a", text="tested"), needs=("each",)),
        stage("last", step("a", text="joined"), needs=("test",)),
    )
    return plan(*map(_of, stages), mapped=True)


NAMES = ["first", "each[0]", "each[1]", "test[0]", "test[1]", "last"]


def test_the_report_of_a_run_has_its_branches_and_its_plan_is_as_it_was_ordered(daemon: Daemon) -> None:
    run = daemon.ended(daemon.give(_forking("x", "y")))

    found = {each["name"]: each["status"] for each in daemon.service.report(run)["stages"]}
    assert sorted(found) == sorted(NAMES)
    assert set(found.values()) == {"success"}
    assert [each.name for each in daemon.service.plan(run).stages] == ["first", "each", "test", "last"]


def test_the_log_of_a_branch_is_that_of_its_stage_and_the_log_of_a_fork_that_of_its_branches(daemon: Daemon) -> None:
    run = daemon.ended(daemon.give(_forking("x", "y")))

    assert daemon.text(run, "each[1]", "a") == "built\n"
    assert daemon.text(run, "each[1]") == "each[1]/a | built\n"
    assert sorted(daemon.text(run, "each").splitlines()) == ["each[0]/a | built", "each[1]/a | built"]
    assert sorted(daemon.text(run, "test", "a").splitlines()) == ["test[0]/a | tested", "test[1]/a | tested"]
    assert len(daemon.text(run).splitlines()) == 6
    with pytest.raises(NotFoundError, match=r"no stage 'each\[2\]'"):
        daemon.text(run, "each[2]")


def test_a_fork_without_values_has_no_branch_and_no_log(daemon: Daemon) -> None:
    run = daemon.ended(daemon.give(_forking()))

    assert [each["name"] for each in daemon.service.report(run)["stages"]] == ["first", "last"]
    assert daemon.text(run, "each") == ""


def test_how_many_branches_a_fork_has_is_told_to_whoever_follows(daemon: Daemon) -> None:
    run = daemon.give(_forking("x", "y", "z"))

    with daemon.service.feed(run) as feed:
        items = told(feed)

    told_of = [(item.entry.address.stage, item.entry.branches) for item in items if isinstance(item, Changed)]
    assert [each for each in told_of if each[1] is not None] == [("each", 3)]


def test_a_rerun_can_begin_at_a_branch_by_the_name_that_the_report_has(daemon: Daemon, grounds: Grounds) -> None:
    first = daemon.ended(daemon.give(_forking("0", "3", fake=BROKEN)))
    assert daemon.statuses(first)["each[1]/a"] == "failure"

    second = daemon.ended(daemon.service.rerun(first, Again(from_stage="each[1]")).id)

    begun = {address.path for address in grounds.world.starts if address.run == second}
    assert "each[1]/a" in begun
    assert begun.isdisjoint({"first/a", "each[0]/a", "test[0]/a"})
    assert daemon.statuses(second)["each[0]/a"] == "success"
    assert grounds.world.layers[Address(second, "each[1]")] == (Address(first, "first"),)


def test_a_shell_knows_branches_by_their_names(daemon: Daemon) -> None:
    run = daemon.ended(daemon.give(_forking("0", "3", fake=BROKEN)))

    with pytest.raises(NotFoundError, match="no stage 'nix'") as caught:
        daemon.service.shell(run, "nix", "", None)  # type: ignore[arg-type]  # it does not come to that
    assert "each[1]" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "stage", "holds"),
    [
        ("each", "each", True),
        ("each[0]", "each", True),
        ("inner[0][12]", "inner", True),
        ("inner[0][12]", "inner[0]", True),
        ("each", "each[0]", False),
        ("eachother", "each", False),
        ("each[0]x", "each", False),
        ("each[a]", "each", False),
        ("each[0]", "each[1]", False),
    ],
)
def test_a_branch_is_of_its_stage_and_of_no_other(name: str, stage: str, holds: object) -> None:
    assert is_of(name, stage) is holds


STEPS = steps_of(plan(stage("a", step("x"), step("y")), stage("b", step("x")), services=[service("db")]))


@pytest.mark.parametrize(
    ("part", "kind", "message", "hint"),
    [
        (("c", ""), NotFoundError, "there is no stage 'c'", "there are a, b, @services"),
        (("b", "y"), NotFoundError, "stage b has no step 'y'", "it has x"),
        (("", "x"), UsageError, "step 'x': of which stage?", "there are a, b, @services"),
    ],
)
def test_a_part_that_is_not_there_is_named_with_those_that_are(
    part: tuple[str, str], kind: type[UsageError], message: str, hint: str
) -> None:
    with pytest.raises(kind) as caught:
        check_part(STEPS, *part)

    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize("part", [("", ""), ("a", ""), ("a", "y"), ("@services", "db")])
def test_a_part_that_is_there_is_no_error(part: tuple[str, str]) -> None:
    check_part(STEPS, *part)
