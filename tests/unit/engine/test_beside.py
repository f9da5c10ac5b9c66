import threading

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine.backend import Phase
from runner.engine.journal import Memory
from runner.engine.specs import Release, StepSpec
from runner.errors import InfrastructureError
from runner.naming import Address
from runner.plan.model import Plan, PullPolicy, Ulimit
from runner.plan.status import Status
from tests.support.engine import SCALE, Life, VaryingBackend, at, at_service, drive
from tests.support.hooked import DEADLINE, Call, Fault, HookedBackend, Moment
from tests.support.plans import hanging, plan, service, stage, step, steps_only, stubborn

STUBBORN = {"FAKE_HANG": "1", "FAKE_IGNORE_TERM": "1"}


@pytest.fixture
def world() -> World:
    return World(scale=SCALE)


def test_services_start_before_the_steps_and_end_with_the_run(world: World) -> None:
    of = plan(stage("s", step("a")), services=[service("db"), service("cache")])

    result = drive(of, world=world)

    assert result.run.status is Status.SUCCESS
    assert result.order == ["@services/db", "@services/cache", "s/a"]
    standing = result.state.standing(at_service("db"))
    assert (standing.status, standing.exit_code, standing.reason) == (Status.CANCELLED, 143, "it ended with the run")
    assert leftovers(world) == ()


def test_services_run_until_the_last_step_has_ended() -> None:
    result = drive(plan(stage("s", step("a"), step("b")), services=[service("db")]))

    ended = [entry.address.path for entry in result.entries if entry.status.ended]
    assert ended == ["s/a", "s/b", "s", "@services/db", ""]


def test_a_service_that_ignores_term_is_killed_after_the_grace() -> None:
    of = plan(stage("s", step("a")), services=[service("db", fake=STUBBORN)])

    result = drive(of, grace=0.05)

    assert result.state.standing(at_service("db")).exit_code == 137


def test_a_service_that_ends_early_does_not_end_the_run() -> None:
    of = plan(stage("s", step("a")), services=[service("db", fake={"FAKE_EXIT": "3"})])
    ended = Moment("discard", "@services/db")

    def wait(call: Call) -> None:
        if (call.verb, call.path) == ("release", "s/a"):
            ended.wait()

    result = drive(of, backend=HookedBackend(FakeBackend(World(scale=SCALE)), before=wait, after=ended))

    assert result.run.status is Status.SUCCESS
    standing = result.state.standing(at_service("db"))
    assert (standing.status, standing.exit_code) == (Status.FAILURE, 3)


def test_a_service_that_cannot_be_started_is_an_error_and_no_step_starts(world: World) -> None:
    of = plan(
        stage("s", step("a")), services=[service("db"), service("bad", fake={"FAKE_START_ERROR": "no such user"})]
    )

    result = drive(of, world=world)

    assert (result.run.status, result.run.reason) == (Status.ERROR, "no such user")
    assert result.state.standing(at_service("bad")).status is Status.ERROR
    assert result.stages == {"s": "not_run"}
    assert leftovers(world) == ()


def test_a_service_that_ran_when_the_run_broke_does_not_stay_running_for_ever() -> None:
    of = plan(stage("s", step("a")), services=[service("db"), service("bad", fake={"FAKE_START_ERROR": "no"})])

    result = drive(of)

    assert result.state.unfinished() == ()
    assert result.state.standing(at_service("db")).status is Status.CANCELLED


def test_an_image_of_a_service_on_start_is_fetched_when_it_starts(world: World) -> None:
    drive(
        plan(stage("s", step("a", image="i")), services=[service("db", image="j", pull=PullPolicy.ON_START)]),
        world=world,
    )

    assert world.fetched == [("i", False), ("j", True)]


def test_nobody_waits_for_a_detached_step_and_it_ends_with_the_run(world: World) -> None:
    result = drive(steps_only(hanging("d", detach=True), step("a")), world=world)

    assert result.run.status is Status.SUCCESS
    assert result.statuses == {"s/d": "cancelled", "s/a": "success"}
    assert result.reason("s/d") == "it ended with the run"
    assert leftovers(world) == ()


def test_a_detached_step_outlives_its_stage() -> None:
    of = plan(stage("x", hanging("d", detach=True)), stage("y", step("a"), needs=("x",)))

    result = drive(of)

    ended = [entry.address.path for entry in result.entries if entry.status.ended]
    assert ended == ["x", "y/a", "y", "x/d", ""]


def test_the_failure_of_a_detached_step_has_no_effect() -> None:
    ended = Moment("discard", "s/d")

    def wait(call: Call) -> None:
        if (call.verb, call.path) == ("prepare", "s/a"):
            ended.wait()

    backend = HookedBackend(FakeBackend(World(scale=SCALE)), before=wait, after=ended)
    result = drive(steps_only(step("d", 3, detach=True), step("a"), step("b")), backend=backend)

    assert result.run.status is Status.SUCCESS
    assert result.statuses == {"s/d": "failure", "s/a": "success", "s/b": "success"}
    assert result.standing("s/d").exit_code == 3


def test_a_detached_step_that_cannot_be_started_is_an_error_of_its_stage() -> None:
    of = steps_only(step("d", detach=True, fake={"FAKE_START_ERROR": "no such user"}), step("a"))

    result = drive(of)

    assert result.statuses == {"s/d": "error", "s/a": "cancelled"}
    assert (result.status("s"), result.reason("s")) == (Status.ERROR, "no such user")
    assert result.run.status is Status.ERROR


def test_a_detached_step_of_a_round_that_is_repeated_ends_with_the_round(world: World) -> None:
    backend = VaryingBackend(world, {at("s/a", round=2): {"FAKE_EXIT": "0"}})

    result = drive(steps_only(hanging("d", detach=True), step("a", 1), retry=1), backend=backend)

    assert result.run.status is Status.SUCCESS
    first, second = result.state.standing(at("s/d")), result.state.standing(at("s/d", round=2))
    assert (first.status, first.reason) == (Status.CANCELLED, "it ended with the round")
    assert second.reason == "it ended with the run"
    ended = [e.address for e in result.entries if e.status.ended]
    assert ended.index(at("s/d")) < ended.index(at("s"))


def test_trouble_to_see_how_a_service_stands_is_not_the_runs() -> None:
    asked = threading.Event()
    world = World(scale=SCALE)

    def refuse(call: Call) -> None:
        if (call.verb, call.path) == ("conclude", "@services/db") and not asked.is_set():
            asked.set()
            raise InfrastructureError("the engine hung")
        if (call.verb, call.path) == ("release", "s/a"):
            world.containers[at_service("db")].end(0)
            assert asked.wait(DEADLINE)

    of = plan(stage("s", step("a")), services=[service("db")])
    result = drive(of, backend=HookedBackend(FakeBackend(world), before=refuse))

    assert result.run.status is Status.SUCCESS
    assert result.notices == ["could not see how it stands: the engine hung"]
    assert result.state.standing(at_service("db")).status is Status.SUCCESS


def test_a_service_that_cannot_be_asked_to_end_is_killed() -> None:
    fault = Fault("signal TERM", "@services/db", InfrastructureError("the engine hung"))
    of = plan(stage("s", step("a")), services=[service("db")])
    result = drive(of, backend=HookedBackend(FakeBackend(World(scale=SCALE)), before=fault), grace=0.05)

    assert result.run.status is Status.SUCCESS
    standing = result.state.standing(at_service("db"))
    assert (standing.status, standing.exit_code) == (Status.CANCELLED, 137)


def test_a_second_cancel_ends_the_grace_of_a_service() -> None:
    of = plan(stage("s", step("a")), services=[service("db", fake=STUBBORN)])
    asked = Moment("signal TERM", "@services/db")
    life = Life(of, backend=HookedBackend(FakeBackend(World(scale=SCALE)), after=asked), grace=600.0).start()

    asked.wait()
    life.driver.cancel(force=True)

    assert life.finish().state.standing(at_service("db")).exit_code == 137


def test_a_forced_cancel_during_the_steps_leaves_services_no_grace_either() -> None:
    of = plan(stage("s", stubborn("a")), services=[service("db", fake=STUBBORN)])
    life = Life(of, grace=600.0).start()

    life.until_printing(at("s/a"))
    life.driver.cancel()
    life.driver.cancel(force=True)

    result = life.finish()
    assert result.run.status is Status.CANCELLED
    assert result.state.standing(at_service("db")).exit_code == 137


def test_services_end_at_the_same_time() -> None:
    both = threading.Barrier(2)

    def meet(call: Call) -> None:
        if call.verb == "signal TERM":
            both.wait(DEADLINE)

    of = plan(stage("s", step("a")), services=[service("db"), service("cache")])

    assert drive(of, backend=HookedBackend(FakeBackend(), before=meet)).run.status is Status.SUCCESS


def test_a_later_life_takes_up_a_service_and_a_detached_step_without_starting_them_again(world: World) -> None:
    of = plan(stage("x", hanging("d", detach=True), hanging("a")), services=[service("db")])
    journal = Memory()
    released = Moment("release", "x/a")
    Life(of, backend=HookedBackend(FakeBackend(world), after=released), journal=journal).start()
    released.wait()
    world.client_dies()

    follows: list[str] = []
    backend = HookedBackend(FakeBackend(world), before=lambda c: follows.append(c.path) if c.verb == "follow" else None)
    second = Life(of, backend=backend, journal=journal).start()
    second.until_printing(at("x/a"))
    second.driver.cancel()
    result = second.finish()

    assert sorted(follows) == ["@services/db", "x/a", "x/d"]
    assert set(world.starts.values()) == {1}
    assert result.statuses == {"x/d": "cancelled", "x/a": "cancelled"}
    assert result.state.unfinished() == ()


def test_a_service_gets_the_variables_of_the_run_and_what_its_container_is_made_from(world: World) -> None:
    found: list[tuple[StepSpec, Release]] = []

    class Listening(FakeBackend):
        def prepare(self, step: StepSpec) -> Phase:
            specs[step.address] = step
            return super().prepare(step)

        def release(self, address: Address, release: Release) -> None:
            found.append((specs[address], release))
            super().release(address, release)

    specs: dict[Address, StepSpec] = {}
    limit = Ulimit(name="nofile", soft=1, hard=2)
    db = service("db", fake={"FAKE_HANG": "1", "A": "own"}, ulimits=(limit,), privileged=True)
    drive(plan(services=[db], environment={"A": "run", "B": "run"}), backend=Listening(world))

    ((spec, release),) = found
    assert (spec.ulimits, spec.privileged, spec.workspace, spec.alias) == ((limit,), True, False, "db")
    assert release.environment == spec.environment == {"FAKE_HANG": "1", "A": "own", "B": "run"}


def _ended_stage_with_a_detached_step(world: World) -> tuple[Plan, Memory]:
    """Return a run that has died with a detached step of a stage that had ended, and a second stage that runs."""
    of = plan(stage("x", hanging("d", detach=True)), stage("y", hanging("a"), needs=("x",)))
    journal = Memory()
    released = Moment("release", "y/a")
    Life(of, backend=HookedBackend(FakeBackend(world), after=released), journal=journal).start()
    released.wait()
    world.client_dies()
    return of, journal


def test_a_detached_step_of_a_stage_that_has_ended_is_heard_again_but_never_prepared(world: World) -> None:
    of, journal = _ended_stage_with_a_detached_step(world)
    calls: list[str] = []
    backend = HookedBackend(FakeBackend(world), before=lambda call: calls.append(f"{call.verb} {call.path}"))
    second = Life(of, backend=backend, journal=journal).start()
    second.until_printing(at("y/a"))
    second.driver.cancel()

    result = second.finish()
    assert [call for call in calls if call.endswith(" x/d")][:2] == ["follow x/d", "conclude x/d"]
    assert result.reason("x/d") == "it ended with the run"
    assert set(world.starts.values()) == {1}


def test_a_detached_step_that_went_away_unseen_is_lost_and_has_no_effect(world: World) -> None:
    of, journal = _ended_stage_with_a_detached_step(world)
    del world.containers[at("x/d")]
    second = Life(of, world=world, journal=journal).start()
    second.until_printing(at("y/a"))
    world.containers[at("y/a")].end(0)

    result = second.finish()
    assert result.statuses == {"x/d": "lost", "y/a": "success"}
    assert result.run.status is Status.SUCCESS
