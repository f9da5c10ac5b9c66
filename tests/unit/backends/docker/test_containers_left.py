"""Attempts whose name somebody has already, and how often the engine is asked while one is made and removed."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from runner import naming
from runner.backends.docker.attempt import Attempt
from runner.backends.docker.containers import Containers
from runner.backends.docker.events import Events
from runner.backends.docker.inspection import State
from runner.backends.docker.reader import Reader
from runner.engine.backend import Phase
from runner.engine.specs import Release, StepSpec
from runner.errors import EngineRefusedError, ImageError, InfrastructureError
from runner.naming import Address
from runner.settings import DockerSettings
from tests.support.connections import connection_pair
from tests.support.standing import ADDRESS, INSTANCE, PLACEMENT, SPEC, SURVIVOR
from tests.support.stub_engine import StubEngine, answer, refuse, stub_engine

NAME = naming.container(ADDRESS)
TAKEN = EngineRefusedError("the name is in use", status=409)


@dataclass
class Stand:
    """Attempts on an engine in which the name of one may be taken.

    ``refusals`` are for the next creations, ``survivors`` what is found of the name; ``calls`` are made in that order.
    """

    stub: StubEngine
    containers: Containers
    refusals: list[InfrastructureError] = field(default_factory=list)
    survivors: list[State | None] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    gates: list[socket.socket] = field(default_factory=list)

    def bring_up(self, attempt: Attempt, *_: object) -> None:
        self.calls.append("create")
        if self.refusals:
            raise self.refusals.pop(0)
        attempt.container = "new"
        self.stub.script["/containers/new"] = [answer({})]
        attempt.connection, gate = connection_pair()
        self.gates.append(gate)

    def survivor(self, address: Address) -> State | None:
        assert address == ADDRESS
        self.calls.append("look")
        return self.survivors.pop(0)

    @property
    def removed(self) -> list[str]:
        """What was removed, by id or name."""
        deleted = (request.split("?")[0] for request in self.stub.requests if request.startswith("DELETE"))
        return [request.rpartition("/")[2] for request in deleted]


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    with stub_engine() as stub:
        engine, reader = stub.engine(), Reader()
        events = Events(engine, INSTANCE)
        containers = Containers(
            engine=engine, reader=reader, events=events, settings=DockerSettings(), instance=INSTANCE
        )
        found = Stand(stub, containers)
        monkeypatch.setattr(events, "ready", lambda: None)
        monkeypatch.setattr(containers._creation, "bring_up", found.bring_up)
        monkeypatch.setattr(containers._creation, "survivor", found.survivor)
        yield found
        containers.forget("r")
        reader.close()
        for gate in found.gates:
            gate.close()
        engine.api.close()


def test_nobody_asks_for_what_an_earlier_process_has_left_where_a_container_can_be_made(stand: Stand) -> None:
    assert stand.containers.prepare(SPEC, PLACEMENT) is Phase.READY

    assert stand.calls == ["create"]
    assert stand.stub.requests == []


def test_a_container_of_this_name_that_has_begun_is_taken_over_and_not_released_again(stand: Stand) -> None:
    stand.refusals, stand.survivors = [TAKEN], [SURVIVOR]

    assert stand.containers.prepare(SPEC, PLACEMENT) is Phase.UNDERWAY

    stand.containers.release(ADDRESS, Release())
    assert stand.calls == ["create", "look"]
    assert stand.containers._known(ADDRESS).container == "old"
    assert stand.containers.prepare(SPEC, PLACEMENT) is Phase.UNDERWAY


def test_a_container_of_this_name_in_which_nothing_has_run_is_made_again(stand: Stand) -> None:
    """To look for one that has begun is to remove any other."""
    stand.refusals, stand.survivors = [TAKEN], [None]

    assert stand.containers.prepare(SPEC, PLACEMENT) is Phase.READY

    assert stand.calls == ["create", "look", "create"]
    assert stand.containers._known(ADDRESS).container == "new"


def test_a_name_that_is_taken_again_at_once_is_an_error(stand: Stand) -> None:
    stand.refusals, stand.survivors = [TAKEN, TAKEN], [None]

    with pytest.raises(EngineRefusedError, match="in use"):
        stand.containers.prepare(SPEC, PLACEMENT)

    assert stand.calls == ["create", "look", "create"]


@pytest.mark.parametrize(
    "error",
    [EngineRefusedError("no space left", status=500), EngineRefusedError("bad", status=400), ImageError("not there")],
)
def test_any_other_refusal_is_told_and_the_attempt_is_none(stand: Stand, error: InfrastructureError) -> None:
    stand.refusals = [error]

    with pytest.raises(type(error)) as caught:
        stand.containers.prepare(SPEC, PLACEMENT)

    assert caught.value is error
    assert stand.calls == ["create"]
    assert stand.containers.prepare(SPEC, PLACEMENT) is Phase.READY


def test_an_attempt_is_removed_once_by_its_id(stand: Stand) -> None:
    stand.containers.prepare(SPEC, PLACEMENT)

    stand.containers.discard(ADDRESS)

    assert stand.removed == ["new"]


def test_what_is_taken_over_is_removed_once_by_its_id(stand: Stand) -> None:
    stand.refusals, stand.survivors = [TAKEN], [SURVIVOR]
    stand.containers.prepare(SPEC, PLACEMENT)
    stand.stub.script["/containers/old"] = [answer({})]

    stand.containers.discard(ADDRESS)

    assert stand.removed == ["old"]


def test_what_this_process_knows_no_container_of_is_removed_by_its_name(stand: Stand) -> None:
    stand.stub.script[f"/containers/{NAME}"] = [answer({})]

    stand.containers.discard(ADDRESS)
    stand.containers.prepare(SPEC, PLACEMENT)
    stand.containers.discard(ADDRESS)
    stand.containers.discard(ADDRESS)

    assert stand.removed == [NAME, "new", NAME]


def test_an_attempt_whose_container_is_yet_to_be_made_is_removed_by_its_name(stand: Stand) -> None:
    """An earlier process may have made one."""
    without_gate = StepSpec(address=ADDRESS, image="i", entrypoint=("true",))
    stand.containers.prepare(without_gate, PLACEMENT)
    stand.stub.script[f"/containers/{NAME}"] = [refuse(404, "no such container")]

    stand.containers.discard(ADDRESS)

    assert (stand.calls, stand.removed) == ([], [NAME])
