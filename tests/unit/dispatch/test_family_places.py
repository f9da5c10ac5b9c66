"""How many async stages of ``exec`` run at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.dispatch import family
from runner.dispatch.family import Family, Member
from runner.dispatch.orders import Order
from runner.dispatch.place import Local
from runner.dispatch.single import LocalRun
from runner.engine.events import Changed, Event, Observer
from runner.plan.status import Status
from tests.support.children import apart, triggering
from tests.support.hooked import DEADLINE
from tests.support.local import FakeSweep, fake_local
from tests.support.plans import hanging, plan, stage

COUNT, PLACES = 6, 2


class Pairs:
    """Shows nothing, and lets async stages begin and end in pairs; ``peak`` is how many were there at a time."""

    def __init__(self) -> None:
        self.peak = 0
        self._there = 0
        self._lock = threading.Lock()
        self._barrier = threading.Barrier(PLACES, timeout=DEADLINE)

    @contextmanager
    def __call__(self, _: Member) -> Iterator[Observer]:
        with self._lock:
            self._there += 1
            self.peak = max(self.peak, self._there)
        self._barrier.wait()
        yield lambda _: None
        with self._lock:
            self._there -= 1


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeSweep().install(monkeypatch)
    monkeypatch.setattr(family, "default_parallel", lambda: PLACES)


@pytest.fixture
def world() -> World:
    return World(scale=0.02)


@pytest.fixture
def place(tmp_path: Path, world: World) -> Iterator[Local]:
    with fake_local(tmp_path / "state", FakeBackend(world)) as found:
        yield found


def test_as_many_run_at_a_time_as_stages_of_a_run_do_and_in_the_end_all(place: Local) -> None:
    pairs = Pairs()
    of = plan(stage("s", triggering("t", *["scan"] * COUNT)), async_stages=(apart("scan"),))
    run = LocalRun(place, Order(plan=of), pairs)

    run.drive(lambda _: None)
    run.family.wait()

    assert [each["status"] for each in run.family.reports()] == ["success"] * COUNT
    assert pairs.peak == PLACES


def test_one_that_waits_for_its_turn_never_begins_once_all_are_cancelled(place: Local, world: World) -> None:
    of = plan(stage("s", triggering("t", *["scan"] * COUNT)), async_stages=(apart("scan", hanging("x")),))
    begun: list[Event] = []
    full = threading.Event()

    @contextmanager
    def shown(_: Member) -> Iterator[Observer]:
        def observe(event: Event) -> None:
            if isinstance(event, Changed) and event.entry.address.step and event.entry.status is Status.RUNNING:
                begun.append(event)
                if len(begun) == PLACES:
                    full.set()

        yield observe

    run = LocalRun(place, Order(plan=of), shown)
    run.drive(lambda _: None)
    assert full.wait(DEADLINE)
    run.cancel(force=True)
    run.family.wait()

    assert [each["status"] for each in run.family.reports()] == ["cancelled"] * COUNT
    assert len(begun) == PLACES
    assert leftovers(world) == ()


def test_one_that_starts_others_does_not_keep_their_places(place: Local) -> None:
    """Each of them waits for nobody, so that they cannot wait for each other."""
    chain = tuple(apart(f"c{number}", triggering("t", f"c{number + 1}")) for number in range(COUNT))
    of = plan(stage("s", triggering("t", "c0", "c0")), async_stages=(*chain, apart(f"c{COUNT}")))

    @contextmanager
    def shown(_: Member) -> Iterator[Observer]:
        yield lambda _: None

    run = LocalRun(place, Order(plan=of), shown)
    run.drive(lambda _: None)
    run.family.wait()

    assert isinstance(run.family, Family)
    assert {member.status for member in run.family.members()} == {Status.SUCCESS}
    assert len(run.family.members()) == 2 * (COUNT + 1)
