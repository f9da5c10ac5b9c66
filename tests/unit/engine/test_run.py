"""Whole runs: the order of stages, aborts, cancels, and what remains when something of ours breaks."""

import threading
from collections import Counter
from pathlib import Path

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine.backend import Wanted
from runner.engine.events import Changed
from runner.engine.job import Keep, default_parallel
from runner.engine.journal import Entry, Memory, Writer
from runner.engine.specs import RunSpec
from runner.errors import InfrastructureError, SupersededError
from runner.naming import Address
from runner.plan.status import Status
from tests.support.engine import RUN, SCALE, Life, VaryingBackend, at, drive
from tests.support.hooked import DEADLINE, Call, Fault, HookedBackend, Moment
from tests.support.plans import hanging, plan, service, stage, step, steps_only, stubborn


@pytest.fixture
def world() -> World:
    return World(scale=SCALE)


def test_a_run_that_succeeds_leaves_nothing(world: World) -> None:
    result = drive(plan(stage("a", step("x"), step("y")), stage("b", step("z"))), world=world)

    assert (result.run.status, result.run.reason) == (Status.SUCCESS, "")
    assert result.stages == {"a": "success", "b": "success"}
    assert leftovers(world) == ()


def test_a_run_without_stages_is_a_success() -> None:
    assert drive(plan()).run.status is Status.SUCCESS


def test_a_run_that_fails_says_where() -> None:
    result = drive(plan(stage("a", step("x")), stage("b", step("y", 3))))

    assert (result.run.status, result.run.reason) == (Status.FAILURE, "stage b: step y: exit code 3")


def test_every_change_is_told_in_the_order_of_the_journal() -> None:
    result = drive(plan(stage("a", step("x")), stage("b", step("y"))))

    assert [event.entry for event in result.events if isinstance(event, Changed)] == list(result.entries)


def test_a_run_that_has_ended_is_not_driven_again(world: World) -> None:
    journal = Memory()
    first = drive(steps_only(step("a", 1)), world=world, journal=journal)
    calls: list[Call] = []

    second = drive(
        steps_only(step("a", 1)), backend=HookedBackend(FakeBackend(world), before=calls.append), journal=journal
    )

    assert (second.run, second.entries, calls) == (first.run, first.entries, [])


def test_a_stage_starts_when_all_that_it_needs_have_ended_however_they_ended() -> None:
    of = plan(
        stage("good", step("x")),
        stage("bad", step("x", 1)),
        stage("late", step("x"), step("y", status=["failure"]), needs=("good", "bad")),
    )

    result = drive(of)

    entries = [(e.address.path, e.status) for e in result.entries]
    begun = entries.index(("late", Status.RUNNING))
    assert begun > entries.index(("good", Status.SUCCESS))
    assert begun > entries.index(("bad", Status.FAILURE))
    assert (result.status("late/x"), result.status("late/y")) == (Status.SKIPPED, Status.SUCCESS)


def test_a_stage_may_need_one_that_stands_behind_it_in_the_file() -> None:
    result = drive(plan(stage("b", step("x"), needs=("a",)), stage("a", step("x"))))

    assert result.order == ["a/x", "b/x"]


def test_stages_that_need_nothing_of_each_other_run_at_the_same_time() -> None:
    both = threading.Barrier(2)

    def meet(call: Call) -> None:
        if call.verb == "release":
            both.wait(DEADLINE)

    result = drive(
        plan(stage("a", step("x")), stage("b", step("x"))), backend=HookedBackend(FakeBackend(), before=meet)
    )

    assert result.run.status is Status.SUCCESS


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_more_stages_run_at_a_time_than_allowed_and_as_many_as_allowed(most: int) -> None:
    of = plan(*(stage(f"s{n}", step("x", seconds=0.5), step("y")) for n in range(7)))

    result = drive(of, max_parallel=most)

    going, peak = Counter[str](), 0
    for entry in result.entries:
        if entry.address.stage and not entry.address.step:
            going[entry.address.stage] = int(entry.status is Status.RUNNING)
            peak = max(peak, going.total())
    assert peak == most
    assert set(result.stages.values()) == {"success"}


def test_by_default_at_least_four_stages_run_at_a_time() -> None:
    assert default_parallel() >= 4


def test_a_failure_elsewhere_skips_what_has_not_started_unless_the_stage_is_independent() -> None:
    failed = Moment("close_stage", "bad")

    def wait(call: Call) -> None:
        if call.verb == "discard" and call.path in ("same/a", "apart/a"):
            failed.wait()

    of = plan(
        stage("bad", step("x", 1)),
        stage("same", step("a"), step("b"), step("c", status=["failure"])),
        stage("apart", step("a"), step("b"), step("c", status=["failure"]), independent=True),
    )

    result = drive(of, backend=HookedBackend(FakeBackend(), before=wait, after=failed))

    assert (result.status("same/b"), result.status("same/c")) == (Status.SKIPPED, Status.SUCCESS)
    assert (result.status("apart/b"), result.status("apart/c")) == (Status.SUCCESS, Status.SKIPPED)


def test_an_error_ends_the_other_stages_but_not_the_independent_ones(world: World) -> None:
    go_on = Moment("signal TERM", "same/a")

    def wait(call: Call) -> None:
        if (call.verb, call.path) == ("prepare", "bad/x"):
            life.until_printing(at("same/a"))
            life.until_printing(at("apart/a"))
        if (call.verb, call.path) == ("prepare", "apart/b"):
            go_on.wait()

    of = plan(
        stage("bad", step("x", fake={"FAKE_START_ERROR": "no such user"})),
        stage("same", hanging("a"), step("b")),
        stage("apart", step("a"), step("b"), independent=True),
        stage("after", step("a"), needs=("bad",)),
        stage("apart too", step("a"), needs=("bad",), independent=True),
    )
    life = Life(of, backend=HookedBackend(FakeBackend(world), before=wait, after=go_on))

    result = life.start().finish()

    why = "stage bad ended by an error: step x: no such user"
    assert result.stages == {
        "bad": "error",
        "same": "cancelled",
        "apart": "success",
        "after": "not_run",
        "apart too": "success",
    }
    assert result.statuses["same/a"] == result.statuses["same/b"] == result.statuses["after/a"] == "cancelled"
    assert (result.reason("same"), result.reason("same/a")) == (why, why)
    assert result.reason("same/b") == f"not started: {why}"
    assert (result.reason("after"), result.reason("after/a")) == (f"not started: {why}", f"not started: {why}")
    assert (result.run.status, result.run.reason) == (Status.ERROR, "stage bad: step x: no such user")
    assert leftovers(world) == ()


def test_after_an_error_a_stage_of_an_earlier_life_is_ended_too(world: World) -> None:
    of = plan(stage("bad", step("x")), stage("same", hanging("a")))
    released = Moment("release", "same/a")
    first = Life(plan(*of.stages[1:]), backend=HookedBackend(FakeBackend(world), after=released)).start()
    released.wait()
    world.client_dies()
    first.journal.take().append(Entry(address=at("bad"), status=Status.ERROR, at=1.0, reason="step x: no"))

    calls: list[tuple[str, str]] = []
    backend = HookedBackend(FakeBackend(world), before=lambda call: calls.append((call.verb, call.path)))
    result = drive(of, backend=backend, journal=first.journal)

    assert result.stages == {"bad": "error", "same": "cancelled"}
    assert (result.status("same/a"), result.reason("same/a")) == (
        Status.CANCELLED,
        "stage bad ended by an error: step x: no",
    )
    assert ("discard", "same/a") in calls
    assert leftovers(world) == ()


def test_a_cancel_ends_what_runs_and_starts_nothing_more(world: World) -> None:
    of = plan(
        stage("a", hanging("x"), step("y", status=["success", "failure"])),
        stage("b", step("z"), needs=("a",)),
        services=[service("db")],
    )
    life = Life(of, world=world).start()
    life.until_printing(at("a/x"))
    life.driver.cancel()

    result = life.finish()
    assert (result.run.status, result.run.reason) == (Status.CANCELLED, "it was cancelled")
    assert result.stages == {"a": "cancelled", "b": "cancelled"}
    assert result.statuses == {"a/x": "cancelled", "a/y": "cancelled", "b/z": "cancelled"}
    assert (result.standing("a/x").exit_code, result.reason("a/x")) == (143, "it was cancelled")
    assert result.reason("a/y") == result.reason("b/z") == result.reason("b") == "not started: it was cancelled"
    assert leftovers(world) == ()


def test_a_cancel_reaches_independent_stages() -> None:
    life = Life(plan(stage("a", hanging("x"), independent=True))).start()
    life.until_printing(at("a/x"))
    life.driver.cancel()

    assert life.finish().statuses == {"a/x": "cancelled"}


def test_a_step_that_ignores_a_cancel_is_killed_after_the_grace() -> None:
    life = Life(steps_only(stubborn("a")), grace=0.1).start()
    life.until_printing(at("s/a"))
    life.driver.cancel()

    result = life.finish()
    assert (result.status("s/a"), result.standing("s/a").exit_code) == (Status.CANCELLED, 137)


def test_a_second_cancel_kills_at_once(world: World) -> None:
    asked = Moment("signal TERM", "s/a")
    life = Life(steps_only(stubborn("a")), backend=HookedBackend(FakeBackend(world), after=asked), grace=600.0).start()
    life.until_printing(at("s/a"))
    life.driver.cancel()
    asked.wait()
    life.driver.cancel(force=True)

    result = life.finish()
    assert (result.status("s/a"), result.standing("s/a").exit_code) == (Status.CANCELLED, 137)
    assert leftovers(world) == ()


def test_a_cancel_after_the_last_step_has_ended_changes_nothing() -> None:
    def cancel(call: Call) -> None:
        if call.verb == "close_run":
            life.driver.cancel()

    life = Life(steps_only(step("a")), backend=HookedBackend(FakeBackend(), before=cancel))

    assert life.start().finish().run.status is Status.SUCCESS


def test_an_engine_that_cannot_remove_everything_is_told_and_changes_no_status() -> None:
    fault = Fault("close_run", "", InfrastructureError("network r1 is in use"))

    result = drive(steps_only(step("a")), backend=HookedBackend(FakeBackend(), before=fault))

    assert result.run.status is Status.SUCCESS
    assert result.notices == ["not everything could be removed: network r1 is in use"]


class _Exporting(FakeBackend):
    def __init__(self) -> None:
        super().__init__(World(scale=SCALE))
        self.exports: list[tuple[tuple[Address, ...], Path]] = []

    def export(self, run: RunSpec, layers: tuple[Address, ...], target: Path, *, wanted: Wanted) -> tuple[str, ...]:
        self.exports.append((layers, target))
        return super().export(run, layers, target, wanted=wanted)


@pytest.mark.parametrize("code", [0, 1])
def test_what_the_run_changed_is_exported_also_when_it_failed(tmp_path: Path, code: int) -> None:
    backend = _Exporting()

    drive(plan(stage("b", step("x", code), needs=("a",)), stage("a", step("x"))), backend=backend, export=tmp_path)

    assert backend.exports == [((at("a"), at("b")), tmp_path)]


def test_nothing_is_exported_after_an_error_or_unless_asked(tmp_path: Path) -> None:
    backend = _Exporting()

    drive(steps_only(step("a", fake={"FAKE_START_ERROR": "no"})), backend=backend, export=tmp_path)
    drive(steps_only(step("a")), backend=backend)

    assert backend.exports == []


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (1, (Status.SUCCESS, "")),
        (2, (Status.CANCELLED, "it was cancelled before all changes were exported")),
    ],
    ids=["once", "twice"],
)
def test_an_export_goes_on_when_the_run_is_cancelled_once_and_ends_when_twice(
    tmp_path: Path, times: int, expected: tuple[Status, str]
) -> None:
    def interrupt(call: Call) -> None:
        if call.verb == "export":
            for number in range(times):
                life.driver.cancel(force=number > 0)

    world = World(scale=SCALE)
    backend = HookedBackend(FakeBackend(world), before=interrupt)
    life = Life(steps_only(step("a")), backend=backend, export=tmp_path)

    result = life.start().finish()

    assert (result.run.status, result.run.reason) == expected
    assert result.stages == {"s": "success"}
    assert leftovers(world) == ()


class _BugError(Exception):
    """Something that nobody foresaw."""


@pytest.mark.parametrize(
    ("verb", "path"), [("open_stage", "bad"), ("prepare", "bad/x"), ("conclude", "bad/x"), ("close_stage", "bad")]
)
def test_an_error_that_nobody_foresaw_ends_the_run_with_cleanup_and_comes_out(
    world: World, verb: str, path: str
) -> None:
    released = Moment("release", "other/a")
    fault = Fault(verb, path, _BugError())

    def wait(call: Call) -> None:
        if (call.verb, call.path) == (verb, path):
            released.wait()
        fault(call)

    of = plan(stage("bad", step("x")), stage("other", stubborn("a")), services=[service("db")])
    life = Life(of, backend=HookedBackend(FakeBackend(world), before=wait, after=released), grace=600.0)

    with pytest.raises(_BugError):
        life.start().finish()
    assert leftovers(world) == ()
    ended = {entry.address: entry.status for entry in life.journal.read() if entry.status.ended}
    assert ended[at("other/a")] is Status.CANCELLED


def test_an_error_that_nobody_foresaw_while_the_run_is_made_comes_out_too(world: World) -> None:
    backend = HookedBackend(FakeBackend(world), after=Fault("open_run", "", _BugError()))

    with pytest.raises(_BugError):
        drive(steps_only(step("a")), backend=backend)
    assert leftovers(world) == ()


def test_a_driver_that_was_replaced_stops_writing_and_leaves_the_world_to_its_successor(world: World) -> None:
    journal = Memory()
    of = steps_only(hanging("a"))
    released = Moment("release", "s/a")
    old = Life(of, backend=HookedBackend(FakeBackend(world), after=released), journal=journal).start()
    released.wait()
    takeover: Writer = journal.take()

    old.driver.cancel()

    with pytest.raises(SupersededError):
        old.finish()
    assert [entry.status for entry in journal.read()] == [Status.RUNNING] * 3
    assert f"run {RUN}" in leftovers(world)
    assert takeover.epoch == 2


def test_stages_of_an_earlier_life_are_taken_up_before_new_ones_start(world: World) -> None:
    of = plan(stage("first", step("x")), stage("new", step("x"), needs=("first",)), stage("old", hanging("x")))
    journal = Memory()
    writer = journal.take()
    for path, status in (("", Status.RUNNING), ("first", Status.RUNNING), ("old", Status.RUNNING)):
        writer.append(Entry(address=at(path), status=status, at=0.0))
    writer.append(Entry(address=at("first"), status=Status.SUCCESS, at=1.0))

    life = Life(of, world=world, journal=journal, max_parallel=1).start()
    life.until_printing(at("old/x"))
    life.driver.cancel()

    assert life.finish().stages == {"first": "success", "new": "cancelled", "old": "cancelled"}


def test_a_stage_that_needs_a_repeated_one_waits_for_its_last_round(world: World) -> None:
    of = plan(stage("a", step("x", 1), retry=1), stage("b", step("y"), needs=("a",)))
    backend = VaryingBackend(world, {at("a/x", round=2): {"FAKE_EXIT": "0"}})

    result = drive(of, backend=backend)

    assert result.order == ["a/x", "a/x", "b/y"]
    assert result.stages == {"a": "success", "b": "success"}


@pytest.mark.parametrize(("keep", "code", "kept"), [("never", 1, False), ("failed", 0, False), ("failed", 1, True)])
def test_volumes_are_kept_as_the_policy_says_and_the_driver_tells(
    world: World, keep: str, code: int, *, kept: bool
) -> None:
    life = Life(steps_only(step("a", code)), world=world, keep=Keep(keep))

    life.start().finish()

    assert (life.driver.kept, RUN in world.kept) == (kept, kept)
    again = Life(steps_only(step("a", code)), world=world, keep=Keep(keep), journal=life.journal)
    again.start().finish()
    assert again.driver.kept is kept


def test_a_run_that_ends_by_an_error_that_nobody_foresaw_is_kept_as_one_that_failed(world: World) -> None:
    backend = HookedBackend(FakeBackend(world), before=Fault("prepare", "s/a", _BugError()))

    with pytest.raises(_BugError):
        drive(steps_only(step("a")), backend=backend, keep=Keep.FAILED)
    assert world.kept == {RUN}
