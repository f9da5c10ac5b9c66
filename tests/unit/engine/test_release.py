"""What is found out and saved right before a step is released, in whole runs: its container waits for nothing of it."""

from pathlib import Path
from typing import Any

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine.journal import Memory
from runner.engine.specs import Release, RunSpec, StepSpec
from runner.errors import EngineUnavailableError, InfrastructureError
from runner.naming import Address
from runner.pipelinectl.saved import Saves
from runner.plan.model import Plan, Step
from runner.plan.status import Status
from tests.support.crash import Crash
from tests.support.engine import SCALE, Life, VaryingBackend, at, drive
from tests.support.hooked import Call, Fault, HookedBackend
from tests.support.plans import hanging, plan, service, stage, step, steps_only


@pytest.fixture
def world() -> World:
    return World(scale=SCALE)


class Watched:
    """The verbs that a backend hears, as ``verb step``, and whether the values of a stage were saved by then."""

    def __init__(self, inner: FakeBackend, saves: Path) -> None:
        self.calls: list[str] = []
        self.saved: dict[str, bool] = {}
        self.backend = HookedBackend(inner, before=self._note)
        self._saves = Saves(saves)

    def _note(self, call: Call) -> None:
        address = call.address
        told = f"{call.verb} {address.step}" if address and address.step else call.verb
        self.calls.append(told)
        if address and address.step:
            self.saved.setdefault(f"{told} ({address.round})", self._saves.has(address.of_stage()))

    def order(self, *wanted: str) -> list[str]:
        """Return the calls that are wanted."""
        return [call for call in self.calls if call in wanted]


def _with_outputs(*steps: Step) -> Plan:
    return plan(stage("s", *steps), outputs="/o")


def test_a_container_does_not_wait_for_the_variables_of_its_step(world: World, tmp_path: Path) -> None:
    watched = Watched(FakeBackend(world), tmp_path)

    drive(_with_outputs(step("a")), backend=watched.backend)

    assert watched.order("prepare a", "outputs", "release a")[:3] == ["prepare a", "outputs", "release a"]


@pytest.mark.parametrize("made", [step("a", late=True), step("a", pipeline="p")], ids=["late", "mapped"])
def test_a_step_that_is_made_from_its_variables_waits_for_them(world: World, tmp_path: Path, made: Step) -> None:
    watched = Watched(FakeBackend(world), tmp_path)

    drive(_with_outputs(made), backend=watched.backend)

    assert watched.order("prepare a", "outputs", "release a")[:3] == ["outputs", "prepare a", "release a"]


def test_the_variables_of_a_step_stay_as_they_were_at_its_release(world: World) -> None:
    """Who looks around where it has failed sees what it saw, and not what it has left."""
    seen: list[Release] = []

    def look(_: StepSpec, release: Release) -> None:
        seen.append(release)

    leaves = step("a", fake={"FAKE_OUTPUT": "A=1"})
    fails = step("b", 1, fake={"FAKE_OUTPUT": "A=2\nB=2"})

    drive(_with_outputs(leaves, fails), world=world, on_failure=look)

    [release] = seen
    assert release.environment["A"] == "1"
    assert "B" not in release.environment


def test_each_attempt_sees_the_variables_as_they_are_by_then(world: World) -> None:
    environments: list[str | None] = []

    class Listening(FakeBackend):
        def release(self, address: object, release: Release) -> None:
            environments.append(release.environment.get("A"))
            super().release(address, release)  # type: ignore[arg-type]  # it is passed on

    drive(_with_outputs(step("a", 1, fake={"FAKE_OUTPUT": "A=1"}, retry=1)), backend=Listening(world))

    assert environments == [None, "1"]


def test_a_step_whose_variables_cannot_be_read_at_its_release_is_an_error_and_leaves_no_container(world: World) -> None:
    fault = Fault("outputs", "s", InfrastructureError("the sandbox is gone"), times=1)

    result = drive(_with_outputs(step("a"), step("b")), backend=HookedBackend(FakeBackend(world), before=fault))

    assert result.statuses == {"s/a": "error", "s/b": "cancelled"}
    assert result.reason("s/a") == "the sandbox is gone"
    assert not world.starts
    assert leftovers(world) == ()


def test_values_are_saved_when_a_container_stands_and_before_anything_of_it_runs(world: World, tmp_path: Path) -> None:
    watched = Watched(FakeBackend(world), tmp_path)

    drive(steps_only(step("a"), step("b")), backend=watched.backend, saves=tmp_path)

    assert watched.saved["prepare a (1)"] is False
    assert watched.saved["release a (1)"] is True


def test_values_are_saved_once_a_round_and_not_as_a_step_has_left_them(world: World, tmp_path: Path) -> None:
    ends = VaryingBackend(world, {at("s/b"): {"FAKE_EXIT": "1"}})
    watched = Watched(ends, tmp_path)
    setting = step("a", fake={"FAKE_SET_ENV": "X=1"})

    result = drive(steps_only(setting, step("b"), retry=1), backend=watched.backend, saves=tmp_path)

    assert result.run.status is Status.SUCCESS
    rounds = [Saves(tmp_path).read(at("s", round=number)).values.get("e.X") for number in (1, 2)]
    assert rounds == [None, b"1\n"]
    assert (watched.saved["prepare a (2)"], watched.saved["release a (2)"]) == (False, True)
    assert watched.order("values", "release a", "release b") == [
        *("values", "release a", "release b"),
        *("values", "release a", "release b"),
    ]


def test_values_are_saved_before_a_detached_step_begins(world: World, tmp_path: Path) -> None:
    watched = Watched(FakeBackend(world), tmp_path)
    beside = step("d", detach=True, fake={"FAKE_SET_ENV": "X=1"})

    drive(steps_only(beside, step("a")), backend=watched.backend, saves=tmp_path)

    assert watched.saved["prepare d (1)"] is True
    assert "e.X" not in Saves(tmp_path).read(at("s")).values
    assert watched.calls.count("values") == 1


def test_values_that_cannot_be_saved_are_tried_once_a_round_and_hold_no_step_up(world: World, tmp_path: Path) -> None:
    fault = Fault("values", "", InfrastructureError("the store is gone"), times=1)
    calls: list[str] = []

    def before(call: Call) -> None:
        calls.append(call.verb)
        fault(call)

    result = drive(
        steps_only(step("a"), step("b")), backend=HookedBackend(FakeBackend(world), before=before), saves=tmp_path
    )

    assert result.statuses == {"s/a": "success", "s/b": "success"}
    assert result.notices == ["no rerun can begin at stage s: the store is gone"]
    assert [verb for verb in calls if verb in ("values", "release")] == ["values", "release", "release"]


def test_nothing_is_saved_for_a_stage_of_which_nothing_is_released(world: World, tmp_path: Path) -> None:
    fault = Fault("prepare", "s/a", EngineUnavailableError("away"))

    result = drive(steps_only(step("a")), backend=HookedBackend(FakeBackend(world), before=fault), saves=tmp_path)

    assert result.statuses == {"s/a": "error"}
    assert not Saves(tmp_path).has(at("s"))


class Opening(FakeBackend):
    """Keeps with what runs are opened."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.specs: list[RunSpec] = []

    def open_run(self, run: RunSpec) -> tuple[str, ...]:
        self.specs.append(run)
        return super().open_run(run)


@pytest.mark.parametrize(
    ("of", "named"),
    [
        (steps_only(step("a")), False),
        (steps_only(hanging("d", detach=True), step("a")), True),
        (plan(stage("s", step("a")), services=[service("db")]), True),
        (plan(stage("s", step("a")), stage("t", hanging("d", detach=True), step("b"), needs=("s",))), True),
    ],
)
def test_a_run_is_opened_with_names_if_a_service_or_a_detached_step_is_reached_by_one(
    world: World,
    of: Plan,
    named: bool,  # noqa: FBT001 - a case of it
) -> None:
    backend = Opening(world)

    drive(of, backend=backend)

    assert [spec.named for spec in backend.specs] == [named]


def test_a_run_is_opened_as_begun_only_by_a_driver_after_one_that_may_have_started_something(world: World) -> None:
    journal, backend = Memory(), Opening(world)
    of = steps_only(step("a"))
    for verb in ("open_run", "prepare"):
        crash = Fault(verb, "" if verb == "open_run" else "s/a", Crash())
        with pytest.raises(Crash):
            Life(of, backend=HookedBackend(backend, after=crash), journal=journal).start().finish()

    drive(of, backend=backend, journal=journal)

    assert [spec.begun for spec in backend.specs] == [False, False, True]


@pytest.mark.parametrize(
    ("of", "last"),
    [
        (plan(stage("s", step("a"), step("b"))), ["b"]),
        (plan(stage("s", step("a")), stage("t", step("b"), needs=("s",))), ["b"]),
        (plan(stage("s", step("a"), step("b", retry=1))), []),
        (plan(stage("s", step("a"), retry=1)), []),
    ],
    ids=["the last step", "of the last stage", "unless it is tried again", "or its stage"],
)
def test_a_step_behind_which_nothing_is_expected_is_released_as_the_last(
    world: World, of: Plan, last: list[str]
) -> None:
    assert _last(world, of) == last


def test_no_step_is_the_last_behind_which_somebody_may_look_around(world: World) -> None:
    assert _last(world, steps_only(step("a")), on_failure=lambda *_: None) == []


def _last(world: World, of: Plan, **job: Any) -> list[str]:  # noqa: ANN401 - the options of `Life`
    """Drive a plan; return the steps that were released as the last."""
    found: list[str] = []

    class Watched(FakeBackend):
        def release(self, address: Address, release: Release) -> None:
            if release.last:
                found.append(address.step)
            super().release(address, release)

    drive(of, backend=Watched(world), **job)
    return found
