import threading

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine.assemble import images_of
from runner.engine.events import Pulling
from runner.engine.journal import Entry
from runner.engine.specs import RunSpec
from runner.engine.state import RunState
from runner.errors import EngineUnavailableError, InfrastructureError
from runner.plan.model import PullPolicy
from runner.plan.status import Status
from tests.support.engine import RUN, SCALE, Life, at, at_service, drive
from tests.support.hooked import DEADLINE, Call, Fault, HookedBackend, Moment
from tests.support.plans import IMAGE, plan, service, stage, step, steps_only


@pytest.fixture
def world() -> World:
    return World(scale=SCALE)


@pytest.mark.parametrize(
    ("pull", "fetched"),
    [
        (PullPolicy.ALWAYS, {"i": True}),
        (PullPolicy.NOT_PRESENT, {"i": False}),
        (PullPolicy.ON_START, {}),
        (PullPolicy.NEVER, {}),
    ],
)
def test_a_policy_says_which_images_are_fetched_beforehand(pull: PullPolicy, fetched: dict[str, bool]) -> None:
    assert images_of(RunState(RUN, steps_only(step("a", image="i", pull=pull)))) == fetched


@pytest.mark.parametrize("pulls", [("always", "not_present"), ("not_present", "always")])
def test_an_image_that_one_step_wants_always_is_fetched_once_and_always(pulls: tuple[str, str]) -> None:
    first, second = (PullPolicy(pull) for pull in pulls)

    of = steps_only(step("a", image="i", pull=first), step("b", image="i", pull=second))

    assert images_of(RunState(RUN, of)) == {"i": True}


def test_images_of_services_are_fetched_too() -> None:
    of = plan(stage("s", step("a", image="i")), services=[service("db", image="j", pull=PullPolicy.ALWAYS)])

    assert images_of(RunState(RUN, of)) == {"i": False, "j": True}


def test_every_image_is_fetched_once_before_anything_runs(world: World) -> None:
    calls: list[str] = []
    backend = HookedBackend(FakeBackend(world), before=lambda call: calls.append(call.verb))

    result = drive(steps_only(step("a", image="i"), step("b", image="j"), step("c", image="i")), backend=backend)

    assert result.run.status is Status.SUCCESS
    assert sorted(world.fetched) == [("i", False), ("j", False)]
    assert set(calls[:3]) == {"open_run", "fetch"}
    assert not {"open_run", "fetch"} & set(calls[3:])


def test_progress_is_passed_on() -> None:
    result = drive(steps_only(step("a")))

    assert [event.progress.image for event in result.events if isinstance(event, Pulling)] == [IMAGE]


def test_a_missing_image_ends_the_run_as_an_error_before_anything_ran() -> None:
    world = World(scale=SCALE, missing_images=frozenset({"nowhere"}))
    of = plan(stage("s", step("a"), step("b", image="nowhere")), services=[service("db")])

    result = drive(of, world=world)

    assert (result.run.status, result.run.reason) == (Status.ERROR, "image nowhere: not found")
    assert result.stages == {"s": "not_run"}
    assert result.statuses == {"s/a": "cancelled", "s/b": "cancelled"}
    assert result.reason("s/a") == "not started: image nowhere: not found"
    assert (result.order, leftovers(world)) == ([], ())


def test_a_run_that_cannot_be_opened_is_an_error_and_is_closed_nevertheless() -> None:
    closed = Moment("close_run", "")
    fault = Fault("open_run", "", EngineUnavailableError("no engine answers"))

    result = drive(steps_only(step("a")), backend=HookedBackend(FakeBackend(), before=fault, after=closed))

    assert (result.run.status, result.run.reason) == (Status.ERROR, "no engine answers")
    closed.wait()


def test_an_error_ends_it_at_once_although_a_download_still_goes_on() -> None:
    stuck = threading.Event()

    def hang(call: Call) -> None:
        if call.path == "slow":
            assert stuck.wait(DEADLINE)
        if call.path == "broken":
            raise InfrastructureError("no space left")

    of = steps_only(step("a", image="slow"), step("b", image="broken"))

    result = drive(of, backend=HookedBackend(FakeBackend(), before=hang))

    assert not stuck.is_set()
    assert result.run.reason == "no space left"
    stuck.set()


def test_a_cancel_while_an_image_is_fetched_ends_the_run_at_once(world: World) -> None:
    fetching, stuck = threading.Event(), threading.Event()

    def hang(call: Call) -> None:
        if call.verb == "fetch":
            fetching.set()
            assert stuck.wait(DEADLINE)

    life = Life(steps_only(step("a")), backend=HookedBackend(FakeBackend(world), before=hang)).start()
    assert fetching.wait(DEADLINE)
    life.driver.cancel()
    result = life.finish()

    assert not stuck.is_set()
    assert (result.run.status, result.run.reason) == (Status.CANCELLED, "it was cancelled")
    assert result.reason("s/a") == "not started: it was cancelled"
    assert leftovers(world) == ()
    stuck.set()


def test_a_cancel_waits_for_what_is_being_made_so_that_it_can_be_removed(world: World) -> None:
    closed = threading.Event()
    too_early: list[bool] = []

    def watch(call: Call) -> None:
        if call.verb == "open_run":
            too_early.append(closed.wait(0.2))  # long enough for a driver that does not wait
        if call.verb == "close_run":
            closed.set()

    life = Life(steps_only(step("a")), backend=HookedBackend(FakeBackend(world), before=watch))
    life.driver.cancel()

    assert life.start().finish().run.status is Status.CANCELLED
    assert too_early == [False]
    assert leftovers(world) == ()


def test_a_cancel_before_the_start_is_not_lost() -> None:
    life = Life(steps_only(step("a")))
    life.driver.cancel()

    result = life.start().finish()

    assert result.run.status is Status.CANCELLED
    assert life.journal.read()[-1].address == at("")


def test_what_a_person_should_know_of_how_a_run_was_opened_is_told() -> None:
    class Copying(FakeBackend):
        def open_run(self, run: RunSpec) -> tuple[str, ...]:
            super().open_run(run)
            return ("workspaces are copied",)

    assert drive(steps_only(step("a")), backend=Copying()).notices == ["workspaces are copied"]


def test_an_image_that_is_not_known_yet_is_not_fetched_before_anything_runs() -> None:
    late = step("a", late=True, image="app:${TAG}")

    assert images_of(RunState(RUN, steps_only(late, step("b", image="i")))) == {"i": False}


def test_a_run_that_goes_on_fetches_only_what_is_still_to_run_and_nothing_that_is_present() -> None:
    of = plan(
        stage("done", step("a", image="done")),
        stage("s", step("a", image="over"), step("b", image="runs", pull=PullPolicy.ALWAYS), step("c", image="next")),
        stage("later", step("a", image="later", pull=PullPolicy.ALWAYS), needs=("s",)),
        services=[service("ended", image="ended"), service("db", image="db", pull=PullPolicy.ALWAYS)],
    )
    running = [at("done"), at("done/a"), at("s"), at("s/a"), at("s/b"), at_service("ended"), at_service("db")]
    ended = [at("done/a"), at("done"), at("s/a"), at_service("ended")]
    state = RunState(
        RUN,
        of,
        [
            *(Entry(address=address, status=Status.RUNNING, at=0.0) for address in running),
            *(Entry(address=address, status=Status.SUCCESS, at=1.0) for address in ended),
        ],
    )

    assert images_of(state) == {"runs": False, "next": False, "later": False, "db": False}


def test_a_stage_that_may_come_again_needs_the_images_of_all_its_steps() -> None:
    of = plan(stage("s", step("a", image="i"), step("b", image="j"), retry=1))
    begun = [Entry(address=at(path), status=Status.RUNNING, at=0.0) for path in ("s", "s/a")]
    over = Entry(address=at("s/a"), status=Status.SUCCESS, at=1.0)

    assert images_of(RunState(RUN, of, [*begun, over])) == {"i": False, "j": False}


def test_a_rerun_fetches_what_it_runs_as_any_new_run_does() -> None:
    of = plan(stage("taken", step("a", image="i")), stage("s", step("a", image="j", pull=PullPolicy.ALWAYS)))
    taken = [Entry(address=at(path), status=Status.SUCCESS, at=0.0) for path in ("taken/a", "taken")]

    assert images_of(RunState(RUN, of, taken)) == {"j": True}
