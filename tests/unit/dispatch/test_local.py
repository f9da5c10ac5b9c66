"""What only the dispatcher of one machine does; the rest is in ``tests/contract/test_dispatcher.py``."""

import threading
from collections.abc import Iterator

import pytest

from runner.clock import Clock, Deadline
from runner.dispatch import local
from runner.dispatch.local import LocalDispatcher
from runner.errors import InfrastructureError
from tests.support.dispatchers import Puppet, Stored
from tests.support.hooked import DEADLINE

LIMITS = {"default": 1}


class Door:
    """Says whether runs may begin, or fails to."""

    def __init__(self) -> None:
        self.open = True
        self.error: Exception | None = None
        self.asked = threading.Event()

    def __call__(self) -> bool:
        self.asked.set()
        if self.error is not None:
            raise self.error
        return self.open


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.fixture
def agent(stored: Stored) -> Puppet:
    return Puppet(stored)


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def dispatcher(stored: Stored, agent: Puppet, door: Door, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalDispatcher]:
    monkeypatch.setattr(local, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(local, "_AGAIN_SECONDS", 0.02)
    found = LocalDispatcher(stored, agent, LIMITS, open_=door)
    yield found
    found.drain()
    agent.end(*stored.runs)
    assert found.settled(DEADLINE)
    found.close()


def test_nothing_begins_while_the_door_is_shut_and_all_does_when_it_opens(
    dispatcher: LocalDispatcher, stored: Stored, agent: Puppet, door: Door
) -> None:
    door.open = False
    dispatcher.serve()
    dispatcher.submit(stored.add("a"))
    door.asked.clear()
    assert door.asked.wait(DEADLINE)
    assert agent.begun == []

    door.open = True
    agent.until(lambda: agent.begun == ["a"])


def test_a_cancelled_run_is_concluded_while_the_door_is_shut(
    dispatcher: LocalDispatcher, stored: Stored, agent: Puppet, door: Door
) -> None:
    door.open = False
    dispatcher.serve()
    stored.add("waits")
    stored.cancel(stored.add("cancelled"))

    dispatcher.cancel("cancelled", force=False)

    agent.until(lambda: agent.begun == ["cancelled"])


def test_what_has_begun_is_driven_while_the_door_is_shut(
    dispatcher: LocalDispatcher, stored: Stored, agent: Puppet, door: Door
) -> None:
    door.open = False
    stored.add("a", begun=True)

    dispatcher.serve()

    agent.until(lambda: agent.begun == ["a"])


@pytest.mark.parametrize("error", [InfrastructureError("the store is locked"), OSError("the disk is gone")])
def test_whatever_fails_while_it_looks_for_runs_it_looks_again(
    dispatcher: LocalDispatcher, stored: Stored, agent: Puppet, door: Door, error: Exception
) -> None:
    door.error = error
    dispatcher.serve()
    dispatcher.submit(stored.add("a"))
    door.asked.clear()
    assert door.asked.wait(DEADLINE)

    door.error = None
    agent.until(lambda: agent.begun == ["a"])


def test_a_run_that_nobody_told_it_of_is_found(dispatcher: LocalDispatcher, stored: Stored, agent: Puppet) -> None:
    dispatcher.serve()
    stored.add("a")

    agent.until(lambda: agent.begun == ["a"])


def test_the_pauses_between_the_drivers_of_a_run_grow(
    dispatcher: LocalDispatcher, stored: Stored, agent: Puppet, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def noted(seconds: float, clock: Clock) -> Deadline:
        pauses.append(seconds)
        return Deadline(seconds, clock)

    monkeypatch.setattr(local, "Deadline", noted)
    monkeypatch.setattr(local, "_LONGEST_SECONDS", 0.05)
    agent.failures["a"] = 3
    dispatcher.serve()
    dispatcher.submit(stored.add("a"))

    agent.until(lambda: len(agent.begun) == 4)
    agent.end("a")
    assert dispatcher.settled(DEADLINE)
    assert stored.status["a"] == "success"
    assert pauses == [0.02, 0.04, 0.05]


def test_after_its_end_it_looks_for_no_runs(dispatcher: LocalDispatcher, stored: Stored, agent: Puppet) -> None:
    dispatcher.serve()
    dispatcher.close()

    dispatcher.submit(stored.add("a"))

    assert not threading.Event().wait(0.1)
    assert agent.begun == []
