import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine.backend import Ending, Output, Signal
from runner.engine.events import Printing
from runner.engine.specs import Release
from runner.errors import EngineTimeoutError, EngineUnavailableError
from runner.naming import Address, log
from runner.plan.model import PullPolicy, SecretUse
from runner.plan.status import Status
from tests.support.engine import SCALE, Life, VaryingBackend, at, drive
from tests.support.hooked import DEADLINE, Call, Fault, HookedBackend, Moment
from tests.support.plans import hanging, plan, stage, step, steps_only, stubborn


@pytest.fixture
def world() -> World:
    return World(scale=SCALE)


@pytest.mark.parametrize(
    ("code", "status"), [(0, Status.SUCCESS), (1, Status.FAILURE), (125, Status.FAILURE), (137, Status.FAILURE)]
)
def test_the_exit_code_alone_decides_between_success_and_failure(code: int, status: Status) -> None:
    result = drive(steps_only(step("a", code)))

    assert (result.status("s/a"), result.standing("s/a").exit_code) == (status, code)


def test_what_a_step_prints_is_in_the_log_that_was_announced_and_the_log_is_closed() -> None:
    result = drive(steps_only(step("a", text="hello")))

    assert Printing(at("s/a"), log(at("s/a"))) in result.events
    output = result.output(at("s/a"))
    assert (output.text, output.closed) == ("hello\n", True)


def test_a_step_is_prepared_followed_released_and_only_then_asked_how_it_ended(world: World) -> None:
    calls: list[str] = []
    backend = HookedBackend(FakeBackend(world), before=lambda c: calls.append(c.verb) if c.path == "s/a" else None)

    drive(steps_only(step("a")), backend=backend)

    assert list(dict.fromkeys(calls)) == ["prepare", "follow", "release", "conclude", "discard"]


def test_the_intent_is_written_before_the_container_is_made_and_the_end_before_it_goes(world: World) -> None:
    seen: dict[str, Status] = {}
    backend = HookedBackend(
        FakeBackend(world),
        before=lambda c: seen.update({c.verb: life.journal.read()[-1].status}) if c.path == "s/a" else None,
    )
    life = Life(steps_only(step("a", 3)), backend=backend)

    life.start().finish()

    assert (seen["prepare"], seen["discard"]) == (Status.RUNNING, Status.FAILURE)


class _Killed(FakeBackend):
    """Somebody kills the first so many containers at their gates, at the moment of their release."""

    def __init__(self, times: int) -> None:
        super().__init__(World(scale=SCALE))
        self.left = times
        self.released = 0
        self.dead = False

    def follow(self, address: Address, output: Output, wake: Callable[[], None]) -> None:
        self.wake = wake
        super().follow(address, output, wake)

    def release(self, address: Address, release: Release) -> None:
        self.released += 1
        self.dead = self.released <= self.left
        if self.dead:
            self.wake()
        else:
            super().release(address, release)

    def conclude(self, address: Address) -> Ending | None:
        return Ending(exit_code=137, started=False) if self.dead else super().conclude(address)


@pytest.mark.parametrize(("times", "status", "released"), [(1, Status.SUCCESS, 2), (2, Status.ERROR, 2)])
def test_what_somebody_ends_at_its_gate_is_started_once_more(times: int, status: Status, released: int) -> None:
    backend = _Killed(times)

    result = drive(steps_only(step("a")), backend=backend)

    assert (result.status("s/a"), backend.released) == (status, released)
    assert len([entry for entry in result.entries if entry.address == at("s/a")]) == 2


class _Listening(FakeBackend):
    """Keeps the environments with which attempts are released."""

    def __init__(self) -> None:
        super().__init__(World(scale=SCALE))
        self.environments: dict[Address, dict[str, str]] = {}

    def release(self, address: Address, release: Release) -> None:
        self.environments[address] = dict(release.environment)
        super().release(address, release)


def test_a_step_gets_the_variables_of_the_run_then_its_own_then_its_secrets() -> None:
    backend = _Listening()
    uses = (SecretUse(source="token", target="TOKEN"), SecretUse(source="missing", target="MISSING"))
    only = stage("s", step("a", fake={"OWN": "1", "TOKEN": "own"}, secrets=uses))

    drive(
        plan(only, environment={"ALL": "run", "OWN": "run"}), backend=backend, secrets={"token": "geheim", "other": "x"}
    )

    found = backend.environments[at("s/a")]
    assert {name: found.get(name) for name in ("ALL", "OWN", "TOKEN", "MISSING", "other")} == {
        "ALL": "run",
        "OWN": "1",
        "TOKEN": "geheim",
        "MISSING": None,
        "other": None,
    }


def test_an_image_on_start_is_fetched_right_before_each_attempt(world: World) -> None:
    calls: list[tuple[str, str]] = []
    backend = HookedBackend(FakeBackend(world), before=lambda c: calls.append((c.verb, c.path)))

    drive(steps_only(step("a", 1, image="i", pull=PullPolicy.ON_START, retry=1)), backend=backend)

    assert world.fetched == [("i", True), ("i", True)]
    wanted = [call for call in calls if call[0] in ("fetch", "prepare")]
    assert wanted == [("fetch", "i"), ("prepare", "s/a")] * 2


@pytest.mark.parametrize(("pull", "always"), [(PullPolicy.NOT_PRESENT, False), (PullPolicy.ALWAYS, True)])
def test_an_image_that_a_step_before_has_named_is_fetched_by_its_policy_then(
    world: World, pull: PullPolicy, *, always: bool
) -> None:
    backend = FakeBackend(world)
    naming = step("a", fake={"FAKE_OUTPUT": "TAG=1.2"})

    drive(
        replace(steps_only(naming, step("b", late=True, image="app:${TAG}", pull=pull)), outputs="/out"),
        backend=backend,
    )

    assert ("app:1.2", always) in world.fetched
    assert not any("$" in image for image, _ in world.fetched)


def test_an_image_on_start_that_cannot_be_had_is_an_error_of_the_step(world: World) -> None:
    world.missing_images = frozenset({"i"})

    result = drive(steps_only(step("a"), step("b", image="i", pull=PullPolicy.ON_START), step("c")), world=world)

    assert result.statuses == {"s/a": "success", "s/b": "error", "s/c": "cancelled"}
    assert result.reason("s/b") == "image i: not found"


def test_a_step_that_cannot_be_started_is_an_error_with_the_engines_words(world: World) -> None:
    result = drive(steps_only(step("a", fake={"FAKE_START_ERROR": "no such user: bob"}), step("b")), world=world)

    assert result.statuses == {"s/a": "error", "s/b": "cancelled"}
    assert result.reason("s/a") == "no such user: bob"
    assert result.reason("s/b") == "not started: step a: no such user: bob"
    assert (result.run.status, result.run.reason) == (Status.ERROR, "stage s: step a: no such user: bob")
    assert leftovers(world) == ()


@pytest.mark.parametrize("verb", ["prepare", "follow", "release", "conclude"])
def test_trouble_of_the_engine_is_an_error_of_the_step_and_leaves_nothing(world: World, verb: str) -> None:
    fault = Fault(verb, "s/a", EngineTimeoutError("no answer within 30 s"))

    result = drive(steps_only(step("a")), backend=HookedBackend(FakeBackend(world), before=fault))

    assert (result.status("s/a"), result.reason("s/a")) == (Status.ERROR, "no answer within 30 s")
    assert leftovers(world) == ()


def test_a_container_that_cannot_be_removed_is_told_and_changes_no_status(world: World) -> None:
    fault = Fault("discard", "s/a", EngineTimeoutError("busy"))

    result = drive(steps_only(step("a")), backend=HookedBackend(FakeBackend(world), before=fault))

    assert result.run.status is Status.SUCCESS
    assert result.notices == ["could not remove the container: busy"]
    assert leftovers(world) == ()


def test_a_container_that_somebody_removed_is_lost(world: World) -> None:
    result = drive(steps_only(step("a", fake={"FAKE_VANISH": "1"}), step("b")), world=world)

    assert (result.status("s/a"), result.standing("s/a").exit_code) == (Status.LOST, None)
    assert result.reason("s/a") == "the container was removed from outside"
    assert result.statuses["s/b"] == "skipped"
    assert result.run.status is Status.LOST


def test_a_step_at_its_memory_limit_is_a_failure_with_that_reason() -> None:
    standing = drive(steps_only(step("a", fake={"FAKE_OOM": "1"}))).standing("s/a")

    assert (standing.status, standing.exit_code, standing.reason) == (
        Status.FAILURE,
        137,
        "it reached its memory limit",
    )


@pytest.mark.parametrize(("code", "status"), [(0, Status.SUCCESS), (4, Status.FAILURE)])
def test_a_stream_that_breaks_leaves_a_gap_and_the_status_stands(code: int, status: Status) -> None:
    result = drive(steps_only(step("a", code, fake={"FAKE_DROP_STREAM": "1"})))

    assert (result.status("s/a"), result.standing("s/a").exit_code) == (status, code)
    assert result.output(at("s/a")).gaps == ["the stream broke"]


class _ShutGate(FakeBackend):
    """Every attempt ends at its gate, before it is released."""

    def release(self, address: Address, release: Release) -> None:
        self.signal(address, Signal.KILL)


def test_an_attempt_that_ends_at_the_gate_is_an_error_not_a_failure() -> None:
    result = drive(steps_only(step("a")), backend=_ShutGate(World(scale=SCALE)))

    assert (result.status("s/a"), result.reason("s/a")) == (Status.ERROR, "it ended before it was released")


def test_a_step_that_takes_too_long_ends_as_timeout_and_the_run_goes_on() -> None:
    result = drive(steps_only(hanging("a", timeout=0.05), step("b"), step("c", status=["failure"])))

    standing = result.standing("s/a")
    assert (standing.status, standing.exit_code, standing.reason) == (Status.TIMEOUT, 143, "it took longer than 0.05 s")
    assert result.statuses == {"s/a": "timeout", "s/b": "skipped", "s/c": "success"}
    assert (result.status("s"), result.run.status) == (Status.TIMEOUT, Status.TIMEOUT)


def test_a_step_that_takes_too_long_and_ignores_term_is_killed() -> None:
    result = drive(steps_only(stubborn("a", timeout=0.05)), grace=0.05)

    assert (result.status("s/a"), result.standing("s/a").exit_code) == (Status.TIMEOUT, 137)


def test_a_step_that_is_quick_enough_does_not_time_out() -> None:
    assert drive(steps_only(step("a", seconds=1, timeout=20.0))).status("s/a") is Status.SUCCESS


def test_a_step_is_tried_again_until_it_succeeds(world: World) -> None:
    backend = VaryingBackend(world, {at("s/a", attempt=3): {"FAKE_EXIT": "0"}})

    result = drive(steps_only(step("a", 5, retry=5), step("b")), backend=backend)

    assert result.run.status is Status.SUCCESS
    assert result.last("s/a") == at("s/a", attempt=3)
    assert result.order == ["s/a", "s/a", "s/a", "s/b"]
    assert [result.state.standing(at("s/a", attempt=n)).exit_code for n in (1, 2, 3)] == [5, 5, 0]


def test_a_step_is_tried_no_more_often_than_asked(world: World) -> None:
    result = drive(steps_only(step("a", 5, retry=2)), world=world)

    assert result.status("s/a") is Status.FAILURE
    assert world.starts == {at("s/a", attempt=n): 1 for n in (1, 2, 3)}


def test_each_attempt_has_a_timeout_of_its_own(world: World) -> None:
    backend = VaryingBackend(world, {at("s/a", attempt=2): {"FAKE_IGNORE_TERM": "1"}})

    result = drive(steps_only(hanging("a", timeout=0.05, retry=1)), backend=backend, grace=0.05)

    codes = [result.state.standing(at("s/a", attempt=n)).exit_code for n in (1, 2)]
    assert (result.status("s/a"), codes) == (Status.TIMEOUT, [143, 137])


def test_an_error_of_the_engine_is_tried_again_too(world: World) -> None:
    fault = Fault("prepare", "s/a", EngineUnavailableError("gone"), times=1)

    result = drive(steps_only(step("a", retry=1)), backend=HookedBackend(FakeBackend(world), before=fault))

    assert result.run.status is Status.SUCCESS
    assert result.state.standing(at("s/a")).status is Status.ERROR


def test_every_attempt_has_a_log_of_its_own() -> None:
    result = drive(steps_only(step("a", 1, text="x", retry=1)))

    assert [result.output(at("s/a", attempt=n)).text for n in (1, 2)] == ["x\n", "x\n"]


def test_a_step_that_runs_on_after_a_crash_is_adopted_and_its_code_is_believed(world: World) -> None:
    of = steps_only(hanging("a"))
    released = Moment("release", "s/a")
    first = Life(of, backend=HookedBackend(FakeBackend(world), after=released)).start()
    released.wait()
    world.client_dies()

    again = Fault("release", "s/a", AssertionError("released twice"))
    second = Life(of, backend=HookedBackend(FakeBackend(world), before=again), journal=first.journal).start()
    second.until_printing(at("s/a"))
    world.containers[at("s/a")].end(7)

    result = second.finish()
    assert (result.status("s/a"), result.standing("s/a").exit_code) == (Status.FAILURE, 7)
    assert world.starts == {at("s/a"): 1}


def test_a_step_that_stood_at_the_gate_when_we_crashed_is_started_once(world: World) -> None:
    of = steps_only(step("a"))
    crashed = Fault("release", "s/a", KeyboardInterrupt())
    first = Life(of, backend=HookedBackend(FakeBackend(world), before=crashed)).start()
    with pytest.raises(KeyboardInterrupt):
        first.finish()
    world.client_dies()

    result = drive(of, world=world, journal=first.journal)

    assert result.run.status is Status.SUCCESS
    assert world.starts == {at("s/a"): 1}


def test_a_step_that_is_cancelled_during_its_pull_is_never_started(world: World) -> None:
    pulling, go_on = threading.Event(), threading.Event()

    def slow(call: Call) -> None:
        if call.verb == "fetch":
            pulling.set()
            assert go_on.wait(DEADLINE)

    backend = HookedBackend(FakeBackend(world), before=slow)
    life = Life(steps_only(step("a", pull=PullPolicy.ON_START)), world=world, backend=backend).start()
    assert pulling.wait(DEADLINE)
    life.driver.cancel()

    result = life.finish()
    go_on.set()
    assert (result.run.status, result.statuses) == (Status.CANCELLED, {"s/a": "cancelled"})
    assert result.reason("s/a") == "not started: it was cancelled"
    assert not world.starts


def test_a_signal_that_does_not_arrive_does_not_change_the_cause(world: World) -> None:
    fault = Fault("signal", "s/a", EngineTimeoutError("busy"))

    result = drive(
        steps_only(hanging("a", timeout=0.05)), backend=HookedBackend(FakeBackend(world), before=fault), grace=0.05
    )

    assert result.statuses == {"s/a": "timeout"}
