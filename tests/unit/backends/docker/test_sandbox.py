"""Whom the deaths of sandboxes concern; what the real engine does with them is in tests/integration."""

from collections.abc import Iterator

import pytest

from runner.backends.docker import sandbox
from runner.backends.docker.answers import Answers
from runner.backends.docker.boxes import Left, Sandbox
from runner.backends.docker.network import Networks
from runner.backends.docker.sandbox import Sandboxes
from runner.engine.specs import RunSpec
from runner.naming import Address, Instance
from runner.settings import DockerSettings
from tests.support.connections import connection_pair
from tests.support.stub_engine import StubEngine, answer, refuse, stub_engine

INSTANCE = Instance(id="i1", kind="daemon", host="h", owner="o")


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as found:
        steps = [{"HostConfig": {"NetworkMode": f"container:box-{run}"}} for run in ("aa", "bb")]
        found.script["/containers/json"] = [answer(steps)]
        found.script["/_ping"] = [answer("OK")]
        yield found


@pytest.fixture
def sandboxes(stub: StubEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandboxes]:
    """Two runs with a sandbox each in which a step stands; what would be a thread is done at once."""
    engine = stub.engine()
    found = Sandboxes(engine, DockerSettings(), INSTANCE, Networks(engine, DockerSettings(), INSTANCE))
    theirs = []

    def left(run: RunSpec) -> Left:
        connection, end = connection_pair()
        theirs.append(end)
        box = Sandbox(id=f"box-{run.id}", answers=Answers(run.id, connection))
        return Left(sandboxes=(box,), joined={}, numbers=frozenset({1}))

    monkeypatch.setattr(found._boxes, "left", left)
    monkeypatch.setattr(sandbox, "Task", lambda _, target: target())
    for run in ("aa", "bb"):
        found.warm(RunSpec(id=run, home="/h", workdir="/w"))
    yield found
    found.close()
    for end in theirs:
        end.close()
    engine.api.close()


def test_the_holder_of_a_sandbox_hears_of_its_death(sandboxes: Sandboxes) -> None:
    told: list[str] = []
    sandboxes.take(Address("aa", "s"), told.append)

    sandboxes.died("box-bb", 1)
    assert told == []
    sandboxes.died("box-aa", 137)

    assert told == ["the sandbox of the stage died (exit code 137); its steps had no network any more"]


def test_nobody_hears_of_the_sandboxes_of_a_run_that_is_forgotten(sandboxes: Sandboxes, stub: StubEngine) -> None:
    told: dict[str, list[str]] = {"aa": [], "bb": []}
    for run, reasons in told.items():
        sandboxes.take(Address(run, "s"), reasons.append)

    sandboxes.forget("aa")
    stub.requests.clear()
    sandboxes.died("box-aa", 137)
    assert stub.requests == []
    sandboxes.died("box-bb", 137)

    assert [len(reasons) for reasons in told.values()] == [0, 1]


def test_a_sandbox_that_was_unplugged_is_not_handed_out_again_but_answers(
    sandboxes: Sandboxes, stub: StubEngine
) -> None:
    stub.script["/networks/bridge/disconnect"] = [refuse(403, "container box-aa is not connected to network bridge")]
    box = sandboxes.take(Address("aa", "s"), lambda _: None)
    assert sandboxes.lives("aa", box)

    sandboxes.unplug("aa", box)
    sandboxes.give("aa", box)

    assert not sandboxes.lives("aa", box)
    assert sandboxes.live("aa") == (box,)
    assert sandboxes._pools["aa"].idle == []
    assert any("/networks/bridge/disconnect" in request for request in stub.requests)


def test_a_sandbox_of_a_run_that_is_forgotten_is_left_on_its_network(sandboxes: Sandboxes, stub: StubEngine) -> None:
    box = sandboxes.take(Address("aa", "s"), lambda _: None)
    sandboxes.forget("aa")
    stub.requests.clear()

    sandboxes.unplug("aa", box)

    assert stub.requests == []
