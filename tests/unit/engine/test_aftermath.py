"""Artifacts, and looking around where a step has failed; in whole runs."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine.backend import Wanted
from runner.engine.specs import Release, StepSpec
from runner.errors import InfrastructureError, WorkspaceError
from runner.naming import Address
from runner.plan.model import Plan, Step
from runner.plan.status import Status
from tests.support.engine import SCALE, Life, ManualClock, Result, VaryingBackend, at, drive
from tests.support.hooked import DEADLINE, Call, Fault, HookedBackend
from tests.support.plans import hanging, plan, stage, step, steps_only


@pytest.fixture
def world() -> World:
    return World(scale=SCALE)


def _leaving(exit_code: int = 0, *, patterns: tuple[str, ...] = ("*.xml",), **fields: Any) -> Step:  # noqa: ANN401 - as `step`
    return step("a", exit_code, fake={"FAKE_FILES": "out/a.xml"}, artifacts=patterns, **fields)


def _kept(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(("code", "status"), [(0, Status.SUCCESS), (3, Status.FAILURE)])
def test_artifacts_are_kept_in_a_folder_of_the_stage_however_the_step_ends(
    tmp_path: Path, code: int, status: Status
) -> None:
    result = drive(plan(stage("a/b", _leaving(code))), artifacts=tmp_path)

    assert result.run.status is status
    assert _kept(tmp_path) == ["a%2Fb/out/a.xml"]


def test_what_is_to_be_known_of_artifacts_is_told_and_changes_no_status(tmp_path: Path) -> None:
    result = drive(steps_only(_leaving(patterns=("*.html",))), artifacts=tmp_path)

    assert result.run.status is Status.SUCCESS
    assert result.notices == ["no file matches '*.html'"]


def test_artifacts_that_cannot_be_kept_are_told_and_change_no_status(world: World, tmp_path: Path) -> None:
    fault = Fault("collect", "s/a", WorkspaceError("disk full", hint="make room"))

    result = drive(steps_only(_leaving()), backend=HookedBackend(FakeBackend(world), before=fault), artifacts=tmp_path)

    assert result.run.status is Status.SUCCESS
    assert result.notices == ["its artifacts could not be kept: disk full (make room)"]
    assert leftovers(world) == ()


def test_artifacts_are_kept_before_the_end_is_written_so_that_no_crash_loses_them(world: World, tmp_path: Path) -> None:
    seen: list[Status] = []
    backend = HookedBackend(
        FakeBackend(world),
        before=lambda call: seen.append(life.journal.read()[-1].status) if call.verb == "collect" else None,
    )
    life = Life(steps_only(_leaving()), backend=backend, artifacts=tmp_path)

    life.start().finish()

    assert seen == [Status.RUNNING]


def test_the_artifacts_of_every_attempt_are_kept(world: World, tmp_path: Path) -> None:
    calls: list[Call] = []

    drive(
        steps_only(_leaving(1, retry=1)),
        backend=HookedBackend(FakeBackend(world), before=calls.append),
        artifacts=tmp_path,
    )

    assert [call.address for call in calls if call.verb == "collect"] == [at("s/a"), at("s/a", attempt=2)]


@pytest.mark.parametrize(
    "of",
    [
        steps_only(step("a")),
        steps_only(step("a", artifacts=("x",), fake={"FAKE_START_ERROR": "no"})),
        steps_only(step("b", 1), step("a", artifacts=("x",))),
    ],
    ids=["wants none", "did not start", "skipped"],
)
def test_nothing_is_collected_of_a_step_that_left_nothing(of: Plan, tmp_path: Path) -> None:
    calls: list[str] = []

    drive(of, backend=HookedBackend(FakeBackend(), before=lambda call: calls.append(call.verb)), artifacts=tmp_path)

    assert "collect" not in calls


def test_nothing_is_collected_where_nobody_keeps_artifacts() -> None:
    assert drive(steps_only(_leaving(patterns=("*.html",)))).notices == []


def test_artifacts_of_a_step_that_took_too_long_are_kept_and_those_of_a_cancelled_one_are_not(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"fake": {"FAKE_HANG": "1", "FAKE_FILES": "a.xml"}, "artifacts": ("*.xml",)}
    drive(steps_only(step("a", timeout=0.05, **fields)), artifacts=tmp_path / "late")
    drive(steps_only(step("a", **fields), timeout=0.5), artifacts=tmp_path / "stage")
    life = Life(steps_only(step("a", **fields)), artifacts=tmp_path / "cancelled").start()
    life.until_printing(at("s/a"))
    life.driver.cancel()
    life.finish()

    assert _kept(tmp_path) == ["late/s/a.xml", "stage/s/a.xml"]


@pytest.mark.parametrize("force", [False, True], ids=["once", "at once"])
@pytest.mark.parametrize("late", [False, True], ids=["in time", "took too long"])
def test_artifacts_are_left_where_they_are_when_the_run_is_cancelled_while_they_are_copied(
    world: World, tmp_path: Path, *, force: bool, late: bool
) -> None:
    copying, cancelled = threading.Event(), threading.Event()

    class Slow(FakeBackend):
        def collect(
            self, attempt: Address, patterns: tuple[str, ...], target: Path, *, wanted: Wanted
        ) -> tuple[str, ...]:
            assert wanted()
            copying.set()
            assert cancelled.wait(DEADLINE)
            return super().collect(attempt, patterns, target, wanted=wanted)

    fields: dict[str, Any] = {
        "artifacts": ("*.xml",),
        "fake": {"FAKE_FILES": "a.xml", **({"FAKE_HANG": "1"} if late else {})},
    }
    of = plan(
        stage("s", step("a", **fields), step("b"), timeout=0.5 if late else None),
        stage("later", step("c"), needs=("s",)),
    )
    life = Life(of, backend=Slow(world), artifacts=tmp_path).start()
    assert copying.wait(DEADLINE)
    life.driver.cancel(force=force)
    life.until_status(at("later"), Status.CANCELLED)
    cancelled.set()
    result = life.finish()

    assert result.notices == ["its artifacts were not all copied: it was cancelled"]
    assert _kept(tmp_path) == []
    assert result.statuses == {"s/a": "timeout" if late else "success", "s/b": "cancelled", "later/c": "cancelled"}
    assert leftovers(world) == ()


class Person:
    """Looks around, and notes where; ``act`` is what else happens meanwhile."""

    def __init__(self, act: Callable[[], None] = lambda: None) -> None:
        self.seen: list[tuple[StepSpec, Release]] = []
        self.threads: list[str] = []
        self._act = act

    def __call__(self, spec: StepSpec, release: Release) -> None:
        self.seen.append((spec, release))
        self.threads.append(threading.current_thread().name)
        self._act()

    @property
    def places(self) -> list[str]:
        return [str(spec.address) for spec, _ in self.seen]


def _drive(person: Person, of: Plan, **options: Any) -> Result:  # noqa: ANN401 - as `drive`
    return drive(of, on_failure=person, **options)


def test_a_person_looks_around_where_a_step_failed_with_all_that_it_had(world: World) -> None:
    def look() -> None:
        there.append((at("s") in world.stages, at("s/a") in world.containers))

    there: list[tuple[bool, bool]] = []
    person = Person(look)

    _drive(person, steps_only(step("a", 3, fake={"GREETING": "hello"}), step("b")), world=world)

    ((spec, release),) = person.seen
    assert (spec.address, spec.image, release.environment["GREETING"]) == (at("s/a"), "busybox:local", "hello")
    assert (there, person.threads) == ([(True, True)], ["stage s"])


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (steps_only(step("a")), []),
        (steps_only(hanging("a", timeout=0.05)), ["s/a (1.1)"]),
        (steps_only(hanging("a"), timeout=0.5), ["s/a (1.1)"]),
        (steps_only(hanging("a", retry=3), timeout=0.5), ["s/a (1.1)"]),
        (steps_only(step("a", 1, retry=2)), ["s/a (1.3)"]),
        (steps_only(step("a", 1), retry=1), ["s/a (2.1)"]),
        (steps_only(hanging("a"), timeout=0.5, retry=1), ["s/a (2.1)"]),
        (steps_only(step("a", 1, proceed=True), retry=1), ["s/a (1.1)"]),
        (steps_only(step("a", 1, proceed=True), step("b", 1)), ["s/a (1.1)", "s/b (1.1)"]),
        (steps_only(step("a", fake={"FAKE_START_ERROR": "no"})), []),
        (steps_only(step("a", fake={"FAKE_VANISH": "1"})), []),
        (steps_only(step("a", 1, detach=True)), []),
    ],
    ids=[
        *("success", "timeout", "of the stage", "stopped", "last attempt", "last round", "last late round"),
        *("forgiven", "each", "no start", "lost", "detached"),
    ],
)
def test_a_person_is_called_where_a_step_has_failed_for_good_or_took_too_long(of: Plan, expected: list[str]) -> None:
    person = Person()

    _drive(person, of)

    assert person.places == expected


def test_an_attempt_that_succeeds_in_the_end_calls_nobody(world: World) -> None:
    person = Person()

    _drive(
        person,
        steps_only(step("a", 1, retry=1)),
        backend=VaryingBackend(world, {at("s/a", attempt=2): {"FAKE_EXIT": "0"}}),
    )

    assert person.places == []


def test_a_run_that_is_cancelled_calls_nobody(world: World) -> None:
    person = Person()
    done = threading.Event()

    def cancel(call: Call) -> None:
        if (call.verb, call.path) == ("collect", "s/a") and not done.is_set():
            done.set()
            life.driver.cancel()
            life.until_status(at("later"), Status.CANCELLED)

    of = plan(stage("s", step("a", 3, artifacts=("x",))), stage("later", step("b"), needs=("s",)))
    backend = HookedBackend(FakeBackend(world), before=cancel)
    life = Life(of, backend=backend, on_failure=person, artifacts=Path("/nowhere"))

    assert life.start().finish().status("s/a") is Status.FAILURE
    assert person.places == []


def test_the_time_that_a_person_takes_is_not_the_stages(world: World) -> None:
    clock = ManualClock()

    def stay() -> None:
        clock.time += 7200

    of = steps_only(step("a", 1), step("b", status=["failure"]), timeout=60.0)

    result = _drive(Person(stay), of, clock=clock, world=world)

    assert result.statuses == {"s/a": "failure", "s/b": "success"}
    assert (result.status("s"), result.run.status) == (Status.FAILURE, Status.FAILURE)


def test_a_stage_whose_time_was_up_already_does_not_break() -> None:
    person = Person()

    result = _drive(person, steps_only(hanging("a"), step("b", status=["failure"]), timeout=0.5))

    assert (result.status("s"), result.statuses["s/b"]) == (Status.TIMEOUT, "cancelled")


def test_what_keeps_a_person_from_looking_is_told_and_changes_nothing(world: World) -> None:
    def refuse() -> None:
        raise InfrastructureError("there is no shell in the image", hint="take another")

    result = _drive(Person(refuse), steps_only(step("a", 3), step("b", status=["failure"])), world=world)

    assert result.notices == ["nobody could look around: there is no shell in the image (take another)"]
    assert result.statuses == {"s/a": "failure", "s/b": "success"}
    assert leftovers(world) == ()


def test_other_stages_go_on_while_a_person_looks() -> None:
    other = threading.Event()
    of = plan(stage("s", step("a", 3)), stage("other", step("b"), step("c", status=["success", "failure"])))

    def ended(call: Call) -> None:
        if (call.verb, call.path) == ("close_stage", "other"):
            other.set()

    def stay() -> None:
        assert other.wait(DEADLINE)

    result = _drive(Person(stay), of, backend=HookedBackend(FakeBackend(), after=ended))

    assert result.status("other/c") is Status.SUCCESS
