"""What becomes of requests for async stages where a run cannot be set up again, or its end does not go as usual."""

from collections.abc import Callable

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine import children
from runner.engine.journal import Journal, Memory
from runner.errors import (
    EngineTimeoutError,
    EngineUnavailableError,
    ImageError,
    InfrastructureError,
    JournalError,
    StoreError,
    WorkspaceError,
)
from runner.naming import Address
from runner.plan.model import Plan
from runner.plan.status import Status
from tests.support.children import Nursery, apart, triggering
from tests.support.crash import Crash
from tests.support.engine import RUN, SCALE, Life, drive
from tests.support.hooked import Call, Fault, HookedBackend
from tests.support.plans import plan, stage, step

SCAN = plan(stage("s", triggering("t", "scan")), async_stages=(apart("scan"),))
LONGER = plan(stage("s", triggering("t", "scan"), step("b", image="other")), async_stages=(apart("scan"),))
AWAY = EngineUnavailableError("no engine answers")
FULL = WorkspaceError("the disk is full")


@pytest.fixture
def world() -> World:
    return World(scale=SCALE)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up soon."""
    monkeypatch.setattr(children, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(children, "_PATIENCE_SECONDS", 0.1)


def _die(of: Plan, world: World, journal: Journal) -> None:
    """Let a driver die after a step has asked for an async stage, and before anybody has taken that up."""
    backend = HookedBackend(FakeBackend(world), after=Fault("release", "s/t", Crash()))
    with pytest.raises(Crash):
        Life(of, backend=backend, journal=journal).start().finish()
    world.client_dies()


# The next life cannot set it up.


@pytest.mark.parametrize(
    "fault",
    [
        Fault("open_run", "", FULL),
        Fault("fetch", "other", ImageError("image other: not found")),
        Fault("open_stage", "s", FULL),
    ],
    ids=["volumes", "image", "stage"],
)
def test_a_life_that_cannot_set_the_run_up_again_starts_what_was_asked_for_before(world: World, fault: Fault) -> None:
    nursery, journal = Nursery(), Memory()
    _die(LONGER, world, journal)

    result = drive(LONGER, backend=HookedBackend(FakeBackend(world), before=fault), journal=journal, children=nursery)

    assert result.run.status is Status.ERROR
    assert nursery.stages == ["scan"]
    assert leftovers(world) == ()


def test_what_it_has_asked_for_is_read_before_anything_is_removed(world: World) -> None:
    verbs: list[str] = []
    journal, fault = Memory(), Fault("open_run", "", FULL)
    _die(SCAN, world, journal)

    def before(call: Call) -> None:
        verbs.append(call.verb)
        fault(call)

    drive(SCAN, backend=HookedBackend(FakeBackend(world), before=before), journal=journal, children=Nursery())

    assert verbs.index("requests") < verbs.index("close_run")


def test_a_run_that_could_never_be_set_up_is_asked_for_nothing(world: World) -> None:
    verbs: list[str] = []
    fault = Fault("open_run", "", FULL)

    def before(call: Call) -> None:
        verbs.append(call.verb)
        fault(call)

    result = drive(SCAN, backend=HookedBackend(FakeBackend(world), before=before), children=Nursery())

    assert result.run.status is Status.ERROR
    assert "requests" not in verbs


# The engine at the end.


def _while(broken: InfrastructureError) -> Callable[[Call], None]:
    """Return a hook that lets nobody read requests."""
    return Fault("requests", "", broken)


@pytest.mark.parametrize("away", [AWAY, EngineTimeoutError("no answer within 60 s")])
def test_where_the_engine_is_away_at_the_end_nothing_is_removed_and_the_next_life_starts_what_was_asked_for(
    world: World, away: InfrastructureError
) -> None:
    nursery, journal, verbs = Nursery(), Memory(), list[str]()
    backend = HookedBackend(FakeBackend(world), before=_while(away), after=lambda call: verbs.append(call.verb))

    life = Life(SCAN, backend=backend, journal=journal, children=nursery).start()
    with pytest.raises(JournalError, match=f"an async stage cannot be started: {away.message}"):
        life.finish()

    assert "close_run" not in verbs
    assert world.requests[RUN]
    assert not [entry for entry in journal.read() if entry.address == Address(RUN) and entry.status.ended]
    world.client_dies()
    result = drive(SCAN, world=world, journal=journal, children=nursery)
    assert (result.run.status, nursery.stages) == (Status.SUCCESS, ["scan"])
    assert leftovers(world) == ()


def test_an_engine_that_comes_back_in_time_is_no_trouble(world: World) -> None:
    nursery = Nursery()
    backend = HookedBackend(FakeBackend(world), before=Fault("requests", "", AWAY, times=3))

    result = drive(SCAN, backend=backend, children=nursery)

    assert (result.run.status, nursery.stages) == (Status.SUCCESS, ["scan"])


def test_what_nobody_will_ever_read_does_not_keep_the_run_from_its_end(world: World) -> None:
    nursery = Nursery()
    broken = InfrastructureError("the directory of requests has more than 10000 entries")

    result = drive(SCAN, backend=HookedBackend(FakeBackend(world), before=_while(broken)), children=nursery)

    assert result.run.status is Status.SUCCESS
    assert result.notices == [f"async stages wait: {broken.message}"]
    assert nursery.asked == []
    assert leftovers(world) == ()


# The list at the end.


def test_those_that_cannot_be_listed_are_told_and_the_run_ends_as_it_should(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    nursery = Nursery()

    def away() -> None:
        raise StoreError("the database is away", hint="is it there?")

    monkeypatch.setattr(nursery, "all", away)

    result = drive(SCAN, world=world, children=nursery)

    assert result.run.status is Status.SUCCESS
    assert result.notices[-1] == "async stages cannot be listed: the database is away (is it there?)"
    assert nursery.stages == ["scan"]
    assert leftovers(world) == ()
