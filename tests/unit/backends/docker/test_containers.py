"""What the real engine does not do on request: hang, and die in the middle of a release."""

from collections.abc import Iterator

import pytest

from runner.backends.docker.attempt import Attempt, Tap
from runner.backends.docker.client import Engine
from runner.backends.docker.containers import Containers
from runner.backends.docker.events import Events
from runner.backends.docker.reader import Reader
from runner.engine.backend import Signal
from runner.errors import EngineRefusedError, EngineTimeoutError
from runner.naming import Address, Instance, container
from runner.settings import DockerSettings
from tests.support.attempts import Recorder
from tests.support.connections import connection_pair
from tests.support.stub_engine import StubEngine, refuse, stub_engine

ADDRESS = Address("r", "s", "t")
INSTANCE = Instance(id="i1", kind="exec", host="h", owner="o")


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as found:
        yield found


@pytest.fixture
def engine(stub: StubEngine) -> Iterator[Engine]:
    found = stub.engine()
    yield found
    found.api.close()


@pytest.fixture
def containers(engine: Engine) -> Iterator[Containers]:
    reader = Reader()
    yield Containers(
        engine=engine,
        reader=reader,
        events=Events(engine, INSTANCE),
        settings=DockerSettings(),
        instance=INSTANCE,
    )
    reader.close()


def attempt_of(containers: Containers) -> tuple[Attempt, Recorder]:
    recorder = Recorder()
    attempt = Attempt(address=ADDRESS, tap=Tap(keeps_log=False), container="c", released=True)
    attempt.tap.follow(recorder, recorder.wake)
    containers._keep(attempt)
    return attempt, recorder


def test_a_container_that_hangs_is_signalled_after_its_stream_is_cut(
    containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt, recorder = attempt_of(containers)
    attempt.connection, engine = connection_pair()
    cut_at: list[bool] = []

    def kill(_: str, signal: Signal, seconds: int) -> None:
        engine.setblocking(False)
        try:
            cut_at.append(engine.recv(1) == b"")
        except BlockingIOError:
            cut_at.append(False)
        if len(cut_at) == 1:
            raise EngineTimeoutError("the engine did not answer in time")

    monkeypatch.setattr(containers, "_kill", kill)
    containers.signal(ADDRESS, Signal.TERM)
    attempt.connection.close()
    engine.close()

    assert cut_at == [False, True]
    assert attempt.given_up
    assert len(recorder.gaps) == 1


@pytest.mark.parametrize("status", [404, 409])
def test_a_signal_to_what_has_ended_is_no_error(stub: StubEngine, containers: Containers, status: int) -> None:
    attempt_of(containers)
    stub.script["/containers/c/kill"] = [refuse(status, "container is not running")]
    containers.signal(ADDRESS, Signal.KILL)

    assert stub.requests[-1] == "POST /containers/c/kill?signal=KILL"


def test_an_end_is_told_to_the_attempt_whose_container_it_is(containers: Containers) -> None:
    attempt, recorder = attempt_of(containers)
    containers.died("another", 1)
    assert recorder.wakes == 0
    containers.died("c", 7)

    assert (recorder.wakes, attempt.tap.exit_code) == (1, 7)


def test_after_missed_events_every_attempt_is_woken(containers: Containers) -> None:
    attempt, recorder = attempt_of(containers)
    containers.resync()

    assert recorder.wakes == 1
    assert attempt.tap.doubtful


def test_following_what_has_ended_wakes_at_once(containers: Containers) -> None:
    tap = Tap(keeps_log=False)
    tap.died(0)
    recorder = Recorder()
    tap.follow(recorder, recorder.wake)

    assert recorder.wakes == 1


def test_a_removal_under_way_is_waited_for(
    containers: Containers, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [refused(409), refused(500), EngineTimeoutError("late"), refused(404)]
    asked: list[tuple[str, bool, bool]] = []

    def remove_container(name: str, *, v: bool, force: bool) -> None:
        asked.append((name, v, force))
        raise answers[len(asked) - 1]

    monkeypatch.setattr(engine.api, "remove_container", remove_container)
    containers.discard(ADDRESS)

    assert asked == [(container(ADDRESS), True, True)] * 4


def test_a_removal_that_is_refused_for_good_is_an_error_at_once(
    containers: Containers, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove_container(*_: object, **__: object) -> None:
        raise refused(400)

    monkeypatch.setattr(engine.api, "remove_container", remove_container)
    with pytest.raises(EngineRefusedError):
        containers.discard(ADDRESS)


def refused(status: int) -> EngineRefusedError:
    return EngineRefusedError("no", status=status)
