"""Stages and their rounds, driven whole."""

import threading
from collections.abc import Callable, Mapping

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine.backend import Conflict
from runner.engine.job import Keep
from runner.engine.journal import Memory
from runner.engine.specs import StageSpec
from runner.errors import EngineTimeoutError, EngineUnavailableError
from runner.naming import Address
from runner.plan.model import PullPolicy, Rules, Ruleset, Stage, Workspace
from runner.plan.status import Status
from tests.support.engine import SCALE, Life, Result, VaryingBackend, at, drive
from tests.support.hooked import DEADLINE, Call, Fault, HookedBackend, Moment
from tests.support.plans import hanging, plan, stage, step, steps_only, stubborn


@pytest.fixture
def world() -> World:
    return World(scale=SCALE)


def test_steps_run_one_after_the_other_in_the_order_of_the_file() -> None:
    result = drive(steps_only(step("b"), step("a"), step("c")))

    changes = [(e.address.step, e.status) for e in result.entries if e.address.step and e.status is not Status.PENDING]
    expected = [(name, status) for name in "bac" for status in (Status.RUNNING, Status.SUCCESS)]
    assert changes == expected


def test_after_a_failure_only_steps_whose_rule_asks_for_it_run() -> None:
    result = drive(
        steps_only(
            step("a", 2),
            step("plain"),
            step("on failure", status=["failure"]),
            step("on success", status=["success"]),
            step("always", status=["success", "failure"]),
            step("unless failure", unless_status=["failure"]),
        )
    )

    assert result.statuses == {
        "s/a": "failure",
        "s/plain": "skipped",
        "s/on failure": "success",
        "s/on success": "skipped",
        "s/always": "success",
        "s/unless failure": "skipped",
    }
    assert result.reason("s/plain") == "the status is 'failure', and the step has no status rule"
    assert result.reason("s/on success") == "status 'failure' does not match 'success'"
    assert result.run.status is Status.FAILURE


def test_continue_keeps_the_status_clean() -> None:
    result = drive(steps_only(step("a", 3, proceed=True), step("b"), step("c", status=["failure"])))

    assert result.statuses == {"s/a": "failure", "s/b": "success", "s/c": "skipped"}
    assert (result.status("s"), result.run.status) == (Status.SUCCESS, Status.SUCCESS)


def test_a_stage_whose_steps_are_all_skipped_is_skipped_and_makes_no_workspace(world: World) -> None:
    result = drive(plan(stage("s", step("a", status=["failure"])), stage("t", step("b"), needs=("s",))), world=world)

    assert (result.stages, result.run.status) == ({"s": "skipped", "t": "success"}, Status.SUCCESS)
    assert world.layers == {at("t"): ()}


def test_a_stage_is_opened_once_before_its_first_step_and_closed_behind_its_last() -> None:
    calls: list[str] = []
    backend = HookedBackend(FakeBackend(), before=lambda call: calls.append(call.verb))

    drive(steps_only(step("a"), step("b")), backend=backend)

    seen = [verb for verb in calls if verb in ("open_stage", "prepare", "close_stage")]
    assert (seen[0], seen[-1], set(seen[1:-1])) == ("open_stage", "close_stage", {"prepare"})


def test_a_stage_stands_on_the_last_rounds_of_those_it_needs(world: World) -> None:
    of = plan(stage("a", step("x", 1), retry=1), stage("b", step("y"), needs=("a",)))
    backend = VaryingBackend(world, {at("a/x", round=2): {"FAKE_EXIT": "0"}})

    drive(of, backend=backend)

    assert world.layers == {at("a"): (), at("a", round=2): (), at("b"): (at("a", round=2),)}


def test_the_backend_learns_which_users_and_images_a_stage_has() -> None:
    specs: list[StageSpec] = []

    class Listening(FakeBackend):
        def open_stage(self, stage: StageSpec, lost: object) -> None:
            specs.append(stage)

    drive(steps_only(step("a", user="bob"), step("b"), step("c", image="other:1", user="bob")), backend=Listening())

    assert (specs[0].users, specs[0].images) == (("bob", ""), ("busybox:local", "other:1"))


class _Conflicting(FakeBackend):
    """Finds that two stages changed one path."""

    def close_stage(self, stage: Address, *, needed: bool) -> tuple[Conflict, ...]:
        super().close_stage(stage, needed=needed)
        return (Conflict(path="out/app", earlier="a", later="b"),) if stage.stage == "c" else ()


def test_a_path_that_two_stages_changed_is_told() -> None:
    of = plan(stage("a", step("x")), stage("b", step("x")), stage("c", step("x"), needs=("a", "b")))

    assert drive(of, backend=_Conflicting()).notices == ["a and b both changed out/app: b's is seen"]


def test_a_stage_that_cannot_be_made_is_an_error_and_none_of_its_steps_run(world: World) -> None:
    fault = Fault("open_stage", "s", EngineUnavailableError("no space left"))

    result = drive(steps_only(step("a"), step("b")), backend=HookedBackend(FakeBackend(world), before=fault))

    assert (result.status("s"), result.reason("s")) == (Status.ERROR, "no space left")
    assert result.statuses == {"s/a": "cancelled", "s/b": "cancelled"}
    assert result.reason("s/a") == "not started: no space left"
    assert not world.starts


def test_a_stage_that_cannot_be_closed_is_told_and_changes_no_status() -> None:
    fault = Fault("close_stage", "s", EngineTimeoutError("busy"))

    result = drive(steps_only(step("a")), backend=HookedBackend(FakeBackend(), before=fault))

    assert result.run.status is Status.SUCCESS
    assert result.notices == ["could not close the stage: busy"]


def test_a_stage_whose_layer_cannot_be_set_down_for_those_that_need_it_is_an_error() -> None:
    fault = Fault("close_stage", "a", EngineTimeoutError("busy"))
    of = plan(stage("a", step("x")), stage("b", step("y"), needs=("a",)))

    result = drive(of, backend=HookedBackend(FakeBackend(), before=fault))

    assert (result.status("a"), result.reason("a")) == (Status.ERROR, "busy")
    assert result.status("b") is Status.NOT_RUN


def test_a_sandbox_that_dies_under_a_step_is_an_error_with_the_reason(world: World) -> None:
    life = Life(steps_only(hanging("a"), step("b")), world=world).start()
    life.until_printing(at("s/a"))
    world.kill_sandbox(at("s"))

    result = life.finish()
    assert result.statuses == {"s/a": "error", "s/b": "cancelled"}
    assert (result.status("s"), result.reason("s")) == (Status.ERROR, "the sandbox died")
    assert result.reason("s/a") == "the sandbox died"
    assert leftovers(world) == ()


def test_a_sandbox_that_dies_between_two_steps_is_an_error_too(world: World) -> None:
    def kill(call: Call) -> None:
        if (call.verb, call.path) == ("discard", "s/a"):
            world.kill_sandbox(at("s"))

    backend = HookedBackend(FakeBackend(world), after=kill)
    result = drive(steps_only(step("a"), step("b", status=["success", "failure"])), backend=backend)

    assert result.statuses == {"s/a": "success", "s/b": "cancelled"}
    assert result.status("s") is Status.ERROR


def test_a_stage_that_takes_too_long_ends_with_its_step(world: World) -> None:
    result = drive(steps_only(step("a"), hanging("b"), step("c", status=["failure"]), timeout=0.1), world=world)

    assert result.statuses == {"s/a": "success", "s/b": "timeout", "s/c": "cancelled"}
    assert (result.status("s"), result.reason("s")) == (Status.TIMEOUT, "the stage took longer than 0.1 s")
    assert result.reason("s/c") == "not started: the stage took longer than 0.1 s"
    assert result.run.status is Status.TIMEOUT


def test_the_timeout_of_a_stage_is_not_tried_again_by_the_step(world: World) -> None:
    drive(steps_only(hanging("a", retry=3), timeout=0.05), world=world)

    assert world.starts == {at("s/a"): 1}


def test_the_shorter_of_two_timeouts_ends_a_step() -> None:
    result = drive(steps_only(hanging("a", timeout=0.05), timeout=60.0))

    assert (result.status("s/a"), result.status("s")) == (Status.TIMEOUT, Status.TIMEOUT)
    assert result.reason("s") == "step a: it took longer than 0.05 s"


def test_a_stage_is_tried_again_in_a_round_of_its_own(world: World) -> None:
    backend = VaryingBackend(world, {at("s/b", round=2): {"FAKE_EXIT": "0"}})

    result = drive(steps_only(step("a"), step("b", 1), step("c"), retry=2), backend=backend)

    assert (result.run.status, result.last("s")) == (Status.SUCCESS, at("s", round=2))
    assert result.order == ["s/a", "s/b", "s/a", "s/b", "s/c"]
    assert result.state.standing(at("s")).status is Status.FAILURE
    assert result.state.standing(at("s/c")).status is Status.SKIPPED
    assert result.statuses == {"s/a": "success", "s/b": "success", "s/c": "success"}


def test_scripts_are_told_of_a_stage_when_no_further_round_will_come(world: World) -> None:
    told: list[dict[str, bytes]] = []

    class Watched(VaryingBackend):
        def put_values(self, run: str, files: Mapping[str, bytes]) -> None:
            told.append(dict(files))

    backend = Watched(world, {at("s/a", round=2): {"FAKE_EXIT": "0"}})

    drive(steps_only(step("a", 1), retry=2), backend=backend, values=True)

    assert told == [{"d.result,s": b"success\n"}]


def test_a_stage_is_tried_no_more_often_than_asked(world: World) -> None:
    result = drive(steps_only(step("a", 1), retry=2), world=world)

    assert (result.run.status, result.last("s")) == (Status.FAILURE, at("s", round=3))
    assert world.starts == {at("s/a", round=n): 1 for n in (1, 2, 3)}


def test_an_error_is_tried_again_without_aborting_the_others() -> None:
    fault = Fault("prepare", "x/a", EngineUnavailableError("gone"), times=1)
    of = plan(stage("x", step("a"), retry=1), stage("y", step("b"), needs=("x",)))

    result = drive(of, backend=HookedBackend(FakeBackend(), before=fault))

    assert (result.run.status, result.stages) == (Status.SUCCESS, {"x": "success", "y": "success"})


def test_steps_and_stages_with_retries_multiply(world: World) -> None:
    drive(steps_only(step("a", 1, retry=1), retry=1), world=world)

    assert sorted(world.starts) == [at("s/a", round=r, attempt=a) for r in (1, 2) for a in (1, 2)]


def test_each_round_has_a_timeout_of_its_own(world: World) -> None:
    backend = VaryingBackend(world, {at("s/a", round=2): {"FAKE_IGNORE_TERM": "1"}})

    result = drive(steps_only(hanging("a"), timeout=0.05, retry=1), backend=backend, grace=0.05)

    codes = [result.state.standing(at("s/a", round=n)).exit_code for n in (1, 2)]
    assert (result.run.status, codes) == (Status.TIMEOUT, [143, 137])


def _cancelled_when(world: World, verb: str, path: str, stage_s: Stage) -> Result:
    """Drive a stage that is cancelled during a call for it, and goes on only when the driver has understood."""
    done = threading.Event()

    def cancel(call: Call) -> None:
        if (call.verb, call.path) == (verb, path) and not done.is_set():
            done.set()
            life.driver.cancel()
            life.until_status(at("later"), Status.CANCELLED)

    of = plan(stage_s, stage("later", step("z"), needs=(stage_s.name,)))
    life = Life(of, backend=HookedBackend(FakeBackend(world), before=cancel))
    return life.start().finish()


def test_a_cancel_between_two_attempts_is_not_lost(world: World) -> None:
    result = _cancelled_when(world, "discard", "s/a", stage("s", step("a", 1, retry=9)))

    assert (result.run.status, result.status("s")) == (Status.CANCELLED, Status.CANCELLED)
    assert result.status("s/a") is Status.FAILURE
    assert world.starts == {at("s/a"): 1}


def test_a_cancel_between_two_rounds_is_not_lost(world: World) -> None:
    result = _cancelled_when(world, "close_stage", "s", stage("s", step("a", 1), retry=9))

    assert (result.run.status, result.run.reason) == (Status.CANCELLED, "it was cancelled")
    assert (result.status("s"), result.status("s/a")) == (Status.FAILURE, Status.FAILURE)
    assert world.starts == {at("s/a"): 1}


def test_a_cancel_between_two_steps_is_not_lost(world: World) -> None:
    result = _cancelled_when(world, "discard", "s/a", stage("s", step("a"), step("b")))

    assert result.statuses == {"s/a": "success", "s/b": "cancelled", "later/z": "cancelled"}
    assert result.reason("s/b") == "not started: it was cancelled"
    assert (result.status("s"), result.run.status) == (Status.CANCELLED, Status.CANCELLED)


def test_a_step_that_had_ended_by_itself_when_the_cancel_came_keeps_its_own_ending(world: World) -> None:
    result = _cancelled_when(world, "conclude", "s/a", stage("s", step("a", 3)))

    assert (result.status("s/a"), result.standing("s/a").exit_code) == (Status.FAILURE, 3)
    assert result.status("s") is Status.FAILURE


def test_an_error_of_an_earlier_life_ends_the_stage_as_it_would_have(world: World) -> None:
    of = steps_only(step("a", fake={"FAKE_START_ERROR": "no"}), step("b", status=["success", "failure"]))
    journal = Memory()
    crash = Fault("discard", "s/a", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        Life(of, backend=HookedBackend(FakeBackend(world), after=crash), journal=journal).start().finish()

    result = drive(of, world=world, journal=journal)

    assert result.statuses == {"s/a": "error", "s/b": "cancelled"}
    assert (result.status("s"), result.reason("s")) == (Status.ERROR, "step a: no")


def test_a_detached_error_of_an_earlier_life_ends_the_stage_as_it_would_have(world: World) -> None:
    of = steps_only(step("d", detach=True, fake={"FAKE_START_ERROR": "no"}), step("b"))
    journal = Memory()
    crash = Fault("discard", "s/d", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        Life(of, backend=HookedBackend(FakeBackend(world), after=crash), journal=journal).start().finish()

    result = drive(of, world=world, journal=journal)

    assert result.statuses == {"s/d": "error", "s/b": "cancelled"}
    assert result.status("s") is Status.ERROR


def test_a_step_of_an_earlier_life_that_is_cancelled_before_it_is_taken_up_ends_and_is_removed(world: World) -> None:
    of = steps_only(stubborn("a"), step("b"))
    released = Moment("release", "s/a")
    first = Life(of, backend=HookedBackend(FakeBackend(world), after=released)).start()
    released.wait()
    world.client_dies()

    stuck = threading.Event()

    def hang(call: Call) -> None:
        if call.verb == "fetch":
            assert stuck.wait(DEADLINE)

    second = Life(of, backend=HookedBackend(FakeBackend(world), before=hang), journal=first.journal)
    second.driver.cancel()

    result = second.start().finish()
    stuck.set()
    assert result.statuses == {"s/a": "cancelled", "s/b": "cancelled"}
    assert (result.reason("s/a"), result.reason("s/b")) == ("it was cancelled", "not started: it was cancelled")
    assert (result.status("s"), result.run.status) == (Status.CANCELLED, Status.CANCELLED)
    assert leftovers(world) == ()


def test_the_backend_learns_what_workspace_a_stage_wants() -> None:
    specs: list[StageSpec] = []

    class Listening(FakeBackend):
        def open_stage(self, stage: StageSpec, lost: Callable[[str], None]) -> None:
            specs.append(stage)
            super().open_stage(stage, lost)

    drive(plan(stage("a", step("x")), stage("b", step("x"), workspace=Workspace.SHARED)), backend=Listening())

    assert {spec.address.stage: spec.workspace for spec in specs} == {"a": Workspace.OWN, "b": Workspace.SHARED}


def test_users_and_images_that_are_not_known_yet_do_not_open_a_stage() -> None:
    specs: list[StageSpec] = []

    class Listening(FakeBackend):
        def open_stage(self, stage: StageSpec, lost: Callable[[str], None]) -> None:
            specs.append(stage)
            super().open_stage(stage, lost)

    late = step("b", late=True, user="${WHO}", image="app:${TAG}", pull=PullPolicy.ON_START)
    drive(steps_only(step("a", user="bob"), late), backend=Listening())

    assert (specs[0].users, specs[0].images) == (("bob",), ("busybox:local",))


def test_a_status_rule_on_the_stage_takes_the_place_of_the_default_of_its_steps() -> None:
    on_failure = Ruleset(if_=Rules(status=("failure",)))

    result = drive(
        plan(
            stage("bad", step("x", 1)),
            stage("mend", step("a"), step("b", status=["success"]), needs=("bad",), ruleset=on_failure),
            stage("plain", step("a"), needs=("mend",)),
        )
    )

    assert result.statuses == {"bad/x": "failure", "mend/a": "success", "mend/b": "skipped", "plain/a": "skipped"}


def test_continue_on_a_stage_keeps_the_status_clean() -> None:
    result = drive(steps_only(step("a", 3), step("b"), ruleset=Ruleset(proceed=True)))

    assert result.statuses == {"s/a": "failure", "s/b": "success"}
    assert result.run.status is Status.SUCCESS


def test_a_stage_is_opened_once_also_where_a_rule_asks_for_what_others_have_left() -> None:
    asking = Ruleset(if_=Rules(status=("*",), eval="A == '1'"))
    of = plan(
        stage("s", step("a", fake={"FAKE_OUTPUT": "A=1"}), step("b")),
        stage("t", step("c"), step("d"), needs=("s",), ruleset=asking),
        stage("u", step("e", fake={"A": "2"}), needs=("s",), ruleset=asking),
        outputs="/o",
    )
    calls: list[str] = []
    backend = HookedBackend(FakeBackend(), before=lambda call: calls.append(f"{call.verb} {call.path}"))

    result = drive(of, backend=backend)

    assert [calls.count(f"open_stage {name}") for name in "stu"] == [1, 1, 1]
    assert result.stages == {"s": "success", "t": "success", "u": "skipped"}


@pytest.mark.parametrize(
    ("stages", "job", "told"),
    [
        ([stage("s", step("a"))], {}, []),
        ([stage("s", step("a"))], {"values": True}, ["d.result,s"]),
        ([stage("s", step("a"))], {"keep": Keep.ALWAYS}, ["d.result,s"]),
        ([stage("s", step("a")), stage("t", step("b"), needs=("s",))], {}, ["d.result,s"]),
        ([stage("s", step("a", detach=True), step("b"))], {}, ["d.result,s"]),
    ],
    ids=["alone", "read at the end", "kept", "read by a later one", "read beside"],
)
def test_how_a_stage_has_ended_is_put_where_somebody_may_look(
    world: World, stages: list[Stage], job: dict[str, object], told: list[str]
) -> None:
    put: list[str] = []

    class Watched(FakeBackend):
        def put_values(self, run: str, files: Mapping[str, bytes]) -> None:
            put.extend(files)

    drive(plan(*stages), backend=Watched(world), **job)

    assert put == told
