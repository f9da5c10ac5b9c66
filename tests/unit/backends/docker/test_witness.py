"""Whether an engine had a hand in the end of a container, as its sandboxes tell."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from runner.backends.docker import witness
from runner.backends.docker.client import Engine
from runner.backends.docker.inspection import State
from runner.backends.docker.witness import engine_stayed
from runner.errors import EngineUnavailableError
from tests.support.stub_engine import StubEngine, answer, stub_engine

STEP = State(
    id="step",
    status="exited",
    exit_code=143,
    error="",
    out_of_memory=False,
    mark="",
    keeps_log=True,
    labels={},
    started_at=100.0,
    finished_at=200.0,
)
ALIVE = replace(STEP, id="box", status="running", started_at=50.0, finished_at=-1.0)


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as found:
        found.script["/_ping"] = [answer("OK")]
        found.script["/containers/json"] = [answer([{"Id": "box"}, {"Id": "other"}])]
        yield found


def judge(stub: StubEngine, monkeypatch: pytest.MonkeyPatch, *sandboxes: State | None, step: State = STEP) -> bool:
    states = iter((*sandboxes, None, None))
    monkeypatch.setattr(witness, "inspect", lambda *_: next(states))
    engine = stub.engine()
    try:
        return engine_stayed(engine, "r1", step)
    finally:
        engine.api.close()


def died(at: float, started: float = 50.0) -> State:
    return replace(ALIVE, status="exited", started_at=started, finished_at=at)


@pytest.mark.parametrize(
    ("sandboxes", "stayed"),
    [
        ((ALIVE,), True),
        ((died(200.05),), False),
        ((died(199.9),), False),
        ((died(203.0),), True),
        ((died(150.0), ALIVE), True),
        ((died(200.1), replace(ALIVE, started_at=210.0)), False),
        ((None,), False),
        ((), False),
    ],
    ids=["alive", "with it", "before it", "later", "one of two", "its successor", "removed", "none"],
)
def test_a_sandbox_that_outlived_a_container_says_that_the_engine_stayed(
    stub: StubEngine, monkeypatch: pytest.MonkeyPatch, sandboxes: tuple[State | None, ...], *, stayed: bool
) -> None:
    assert judge(stub, monkeypatch, *sandboxes) is stayed


def test_what_an_engine_finds_dead_at_its_start_has_no_witness_in_what_it_finds_a_little_later(
    stub: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not judge(stub, monkeypatch, died(203.0), step=replace(STEP, exit_code=255))
    assert judge(stub, monkeypatch, died(220.0), step=replace(STEP, exit_code=255))


def test_the_sandboxes_asked_are_those_of_the_run_be_they_dead(
    stub: StubEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge(stub, monkeypatch, ALIVE)

    [listing] = [request for request in stub.requests if request.startswith("GET /containers/json")]
    assert "io.runner.run%3Dr1" in listing
    assert "io.runner.role%3Dsandbox" in listing
    assert "all=1" in listing


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_engine_that_takes_no_new_connection_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "api", None)
    with pytest.raises(EngineUnavailableError):
        engine_stayed(Engine("tcp://127.0.0.1:1"), "r1", STEP)
