"""Waiting for services, in whole runs."""

import threading
import time

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine import readiness
from runner.engine.backend import Readiness
from runner.engine.journal import Memory
from runner.engine.readiness import HEALTHCHECK_SECONDS
from runner.errors import EngineTimeoutError
from runner.naming import Address
from runner.plan.model import Plan, Ready, Service
from runner.plan.status import Status
from tests.support.engine import SCALE, Life, at, at_service, drive
from tests.support.hooked import DEADLINE, Call, HookedBackend, Moment
from tests.support.plans import hanging, plan, service, stage, step

HANG = {"FAKE_HANG": "1"}


@pytest.fixture
def world() -> World:
    return World(scale=SCALE)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(readiness, "_LONGEST_PAUSE", 0.02)


def _plan(*services: Service) -> Plan:
    return plan(stage("s", step("a")), services=services)


def _slow(name: str = "db", seconds: float = 5, ready: Ready | None = None) -> Service:
    return service(name, fake=HANG | {"FAKE_READY_AFTER": str(seconds)}, ready=ready or Ready(port=1))


class Looks:
    """Counts how often each service was looked at, and notes when steps begin."""

    def __init__(self, world: World) -> None:
        self.calls: list[str] = []
        self.backend = HookedBackend(FakeBackend(world), before=self._note)

    def _note(self, call: Call) -> None:
        if call.verb in ("probe", "prepare"):
            self.calls.append(f"{call.verb} {call.path}")


def test_steps_wait_until_all_services_can_be_used(world: World, quick: None) -> None:
    looks = Looks(world)

    result = drive(_plan(_slow("db"), _slow("cache", 2)), backend=looks.backend)

    assert result.run.status is Status.SUCCESS
    begun = looks.calls.index("prepare s/a")
    assert looks.calls[:2] == ["prepare @services/db", "prepare @services/cache"]
    assert looks.calls[2:begun].count("probe @services/db") > 2
    assert not any(call.startswith("probe") for call in looks.calls[begun:])


def test_a_service_of_which_nothing_is_known_costs_one_look(world: World) -> None:
    looks = Looks(world)

    result = drive(_plan(service("db")), backend=looks.backend)

    assert looks.calls == ["prepare @services/db", "probe @services/db", "prepare s/a"]
    assert result.notices == []


def test_the_backend_is_told_when_a_service_can_be_used() -> None:
    asked: dict[str, Ready | None] = {}

    class Asking(FakeBackend):
        def probe(self, service: Address, ready: Ready | None) -> Readiness:
            asked[service.step] = ready
            return super().probe(service, ready)

    ready = Ready(command="pg_isready", timeout=5.0)
    drive(_plan(service("db", ready=ready), service("plain")), backend=Asking(World(scale=SCALE)))

    assert asked == {"db": ready, "plain": None}


def test_a_service_that_takes_too_long_is_an_error_of_the_run_with_what_was_seen_last(
    world: World, quick: None
) -> None:
    result = drive(_plan(_slow(seconds=3600, ready=Ready(port=1, timeout=0.1)), service("other")), world=world)

    assert result.run.status is Status.ERROR
    assert result.run.reason == (
        "service db was not ready within 0.1 s: it is starting (a longer `timeout` in its `ready` gives it more time)"
    )
    assert result.stages == {"s": "not_run"}
    assert result.state.unfinished() == ()
    assert leftovers(world) == ()


def test_a_service_whose_image_says_when_it_is_healthy_has_a_minute() -> None:
    assert HEALTHCHECK_SECONDS == 60


def test_a_service_that_never_can_be_used_is_an_error_at_once(world: World) -> None:
    sick = service("db", fake=HANG | {"FAKE_UNHEALTHY": "no disk"}, ready=Ready(port=1, timeout=3600))

    result = drive(_plan(sick, _slow("other", 3600)), world=world)

    assert result.run.status is Status.ERROR
    assert result.run.reason.startswith("service db cannot be used: no disk (")
    assert result.order == ["@services/db", "@services/other"]
    assert leftovers(world) == ()


def test_a_service_that_has_ended_before_it_was_ready_is_an_error(world: World) -> None:
    dead = service("db", fake={"FAKE_EXIT": "3", "FAKE_READY_AFTER": "3600"}, ready=Ready(port=1))

    result = drive(_plan(dead), world=world)

    assert result.run.reason == ("service db cannot be used: it ended with exit code 3 (what it printed may say why)")
    assert result.stages == {"s": "not_run"}


def test_a_service_of_which_nobody_said_when_it_is_ready_may_end(world: World) -> None:
    ended = Moment("discard", "@services/once")

    def wait(call: Call) -> None:
        if (call.verb, call.path) == ("release", "s/a"):
            ended.wait()

    of = _plan(service("once", fake={"FAKE_EXIT": "3", "FAKE_READY_AFTER": "3600"}))
    result = drive(of, backend=HookedBackend(FakeBackend(world), before=wait, after=ended))

    assert result.run.status is Status.SUCCESS
    assert result.state.standing(at_service("once")).status is Status.FAILURE


def test_a_service_that_says_itself_that_it_is_sick_is_an_error_at_once_though_nothing_was_asked(world: World) -> None:
    begun = time.monotonic()

    result = drive(_plan(service("db", fake=HANG | {"FAKE_UNHEALTHY": "no disk"})), world=world)

    assert result.run.reason == (
        "service db cannot be used: no disk (a `ready` of the service counts instead of its image's HEALTHCHECK)"
    )
    assert time.monotonic() - begun < readiness._ENDING_SECONDS - 1


def test_an_engine_that_gives_no_answer_is_asked_again(world: World, quick: None) -> None:
    left = [EngineTimeoutError("busy")] * 3

    def refuse(call: Call) -> None:
        if call.verb == "probe" and left:
            raise left.pop()

    result = drive(_plan(service("db")), backend=HookedBackend(FakeBackend(world), before=refuse))

    assert result.run.status is Status.SUCCESS


def test_one_look_does_not_delay_another(world: World) -> None:
    both = threading.Barrier(2)

    def meet(call: Call) -> None:
        if call.verb == "probe":
            both.wait(DEADLINE)

    of = _plan(service("db"), service("cache"))

    assert drive(of, backend=HookedBackend(FakeBackend(world), before=meet)).run.status is Status.SUCCESS


def test_a_cancel_ends_the_waiting_and_the_services_politely(world: World) -> None:
    looked = Moment("probe", "@services/db")
    backend = HookedBackend(FakeBackend(world), after=looked)
    life = Life(_plan(_slow(seconds=3600, ready=Ready(port=1, timeout=3600))), backend=backend).start()
    looked.wait()
    begun = time.monotonic()
    life.driver.cancel()

    result = life.finish()
    assert time.monotonic() - begun < 5
    assert (result.run.status, result.stages) == (Status.CANCELLED, {"s": "cancelled"})
    assert result.state.standing(at_service("db")).exit_code == 143
    assert leftovers(world) == ()


def test_a_look_that_hangs_delays_neither_a_cancel_nor_the_error_of_another_service(world: World) -> None:
    hanging, looked = threading.Event(), Moment("probe", "@services/slow")

    def hang(call: Call) -> None:
        if (call.verb, call.path) == ("probe", "@services/slow"):
            looked(call)
            hanging.wait(DEADLINE)

    of = _plan(_slow("slow"), _slow("sick"))
    sick = _plan(_slow("slow"), service("sick", fake=HANG | {"FAKE_UNHEALTHY": "no disk"}, ready=Ready(port=1)))
    begun = time.monotonic()
    cancelled = Life(of, backend=HookedBackend(FakeBackend(world), before=hang)).start()
    looked.wait()
    cancelled.driver.cancel()
    results = [cancelled.finish(), drive(sick, backend=HookedBackend(FakeBackend(World(scale=SCALE)), before=hang))]
    took = time.monotonic() - begun
    hanging.set()

    assert [result.run.status for result in results] == [Status.CANCELLED, Status.ERROR]
    assert took < DEADLINE / 2


def test_a_service_that_took_its_time_is_told(world: World) -> None:
    result = drive(_plan(_slow(seconds=1.1 / SCALE)), world=world)

    (notice,) = result.notices
    assert notice.startswith("it was ready after 1.")


@pytest.mark.usefixtures("quick")
def test_a_later_life_waits_for_services_as_long_as_no_stage_has_begun(world: World) -> None:
    journal = Memory()
    looked = Moment("probe", "@services/db")
    Life(_plan(_slow()), backend=HookedBackend(FakeBackend(world), after=looked), journal=journal).start()
    looked.wait()
    takeover = Looks(world)

    result = drive(_plan(_slow()), backend=takeover.backend, journal=journal)

    assert result.run.status is Status.SUCCESS
    assert "probe @services/db" in takeover.calls


def test_a_later_life_does_not_look_again_once_a_stage_has_begun(world: World) -> None:
    of = plan(stage("s", hanging("a")), services=[service("db", ready=Ready(port=1))])
    journal = Memory()
    released = Moment("release", "s/a")
    Life(of, backend=HookedBackend(FakeBackend(world), after=released), journal=journal).start()
    released.wait()
    world.client_dies()
    looks = Looks(world)

    second = Life(of, backend=looks.backend, journal=journal).start()
    second.until_printing(at("s/a"))
    second.driver.cancel()
    second.finish()

    assert not any(call.startswith("probe") for call in looks.calls)
