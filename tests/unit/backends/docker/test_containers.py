"""What the real engine does not do on request: hang, and die in the middle of a release."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from runner.backends.docker.attempt import Attempt, Tap
from runner.backends.docker.client import Engine
from runner.backends.docker.containers import Containers
from runner.backends.docker.events import Events
from runner.backends.docker.inspection import State
from runner.backends.docker.reader import Reader
from runner.engine.backend import Ending, Phase, Signal
from runner.engine.specs import Release, StepSpec
from runner.errors import EngineRefusedError, EngineTimeoutError, EngineUnavailableError, InfrastructureError
from runner.naming import Address, container
from runner.settings import DockerSettings
from tests.support.attempts import Recorder
from tests.support.connections import connection_pair
from tests.support.standing import ADDRESS, INSTANCE, PLACEMENT, SPEC, SURVIVOR
from tests.support.stub_engine import StubEngine, refuse, stub_engine


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


ENDED = replace(SURVIVOR, status="exited", exit_code=143, finished_at=1.0)


class Making:
    """What is asked of ``Creation``. Of a name there is the ``survivor``; a container that is made gets a gate."""

    def __init__(self, containers: Containers, monkeypatch: pytest.MonkeyPatch, survivor: State | None = None) -> None:
        self.survivor = survivor
        self.made = 0
        self.gates: list[socket.socket] = []
        self.fails = False
        self.reader = containers._reader
        creation = containers._creation
        monkeypatch.setattr(creation, "survivor", lambda _: self.survivor)
        monkeypatch.setattr(creation, "take_down", lambda _: None)
        monkeypatch.setattr(creation, "bring_up", self.bring_up)

    def bring_up(self, attempt: Attempt, *_: object) -> None:
        self.made += 1
        if self.fails:
            raise EngineUnavailableError("it is away")
        attempt.container = f"new {self.made}"
        attempt.connection, gate = connection_pair()
        self.gates.append(gate)

    def close(self, attempt: Attempt) -> None:
        if attempt.connection is not None:
            self.reader.unregister(attempt.connection)
        for gate in self.gates:
            gate.close()


def planned(containers: Containers, **fields: object) -> Attempt:
    attempt, _ = attempt_of(containers)
    attempt.spec, attempt.placement, attempt.mark, attempt.released = SPEC, PLACEMENT, "/marks/a", False
    for name, value in fields.items():
        setattr(attempt, name, value)
    return attempt


def test_a_gate_stays_closed_where_what_its_step_mounts_cannot_be_filled(
    containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise InfrastructureError("a sandbox ended before it was ready")

    making = Making(containers, monkeypatch)
    attempt = planned(containers, container="", placement=replace(PLACEMENT, ready=fail))

    with pytest.raises(InfrastructureError, match="before it was ready"):
        containers.release(ADDRESS, Release())

    making.gates[0].setblocking(False)
    with pytest.raises(BlockingIOError):
        making.gates[0].recv(1)
    assert not attempt.released
    making.close(attempt)


def test_a_gate_that_was_cut_off_with_the_engine_is_made_again_and_opened(
    containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    making = Making(containers, monkeypatch)
    attempt = planned(containers, broken=True)
    attempt.tap.died(143)
    attempt.tap.ended(None)

    containers.release(ADDRESS, Release())

    assert (making.made, attempt.container, attempt.released) == (1, "new 1", True)
    assert making.gates[0].recv(1 << 16).startswith(b"go\n")
    assert not attempt.tap.dead.is_set()
    making.close(attempt)


@pytest.mark.parametrize("spec", [SPEC, replace(SPEC, commands=())])
def test_what_may_have_begun_when_the_engine_went_away_is_not_begun_again(
    containers: Containers, monkeypatch: pytest.MonkeyPatch, spec: StepSpec
) -> None:
    making = Making(containers, monkeypatch, ENDED)
    attempt = planned(containers, broken=True, spec=spec)

    containers.release(ADDRESS, Release())

    assert (making.made, attempt.container, attempt.released) == (0, "old", True)
    assert attempt.tap.over.is_set(), "its stream is taken up where it is judged"


def test_a_start_without_a_gate_that_the_engine_did_not_see_is_repeated(
    containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    making = Making(containers, monkeypatch)
    attempt = planned(containers, spec=replace(SPEC, commands=()), mark="", container="")
    making.fails = True
    with pytest.raises(EngineUnavailableError):
        containers.release(ADDRESS, Release())
    assert not attempt.released
    making.fails = False

    containers.release(ADDRESS, Release())

    assert (making.made, attempt.released, attempt.broken) == (2, True, False)
    making.close(attempt)


@pytest.mark.parametrize("sign", ["died", "ended", "doubt"])
def test_what_stood_at_a_gate_that_may_be_no_more_is_prepared_again(
    containers: Containers, monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    making = Making(containers, monkeypatch)
    monkeypatch.setattr(containers._events, "ready", lambda: None)
    attempt = planned(containers)
    signs = {
        "died": lambda: attempt.tap.died(143),
        "ended": lambda: attempt.tap.ended(None),
        "doubt": attempt.tap.doubt,
    }
    signs[sign]()

    assert containers.prepare(SPEC, PLACEMENT) is Phase.READY
    assert making.made == 1
    assert containers.prepare(SPEC, PLACEMENT) is Phase.READY
    assert making.made == 1
    making.close(containers._known(ADDRESS))


@pytest.mark.parametrize(
    ("survivor", "gone", "phase"),
    [(ENDED, True, Phase.UNDERWAY), (None, True, Phase.GONE), (None, False, None)],
)
def test_what_an_earlier_process_left_is_told_by_its_container_and_else_by_its_mark(
    containers: Containers, monkeypatch: pytest.MonkeyPatch, survivor: State | None, phase: Phase | None, *, gone: bool
) -> None:
    Making(containers, monkeypatch, survivor)
    monkeypatch.setattr(containers._events, "ready", lambda: None)

    assert containers.standing(ADDRESS, lambda: gone) is phase


def test_a_signal_of_somebody_else_makes_an_end_suspect(containers: Containers) -> None:
    attempt, _ = attempt_of(containers)
    containers.signalled("another")
    assert not attempt.tap.suspect
    containers.signalled("c")
    assert attempt.tap.suspect


def test_a_run_that_is_forgotten_is_heard_of_no_more_and_others_are(containers: Containers, stub: StubEngine) -> None:
    attempt, forgotten = attempt_of(containers)
    attempt.connection, theirs = connection_pair()
    others = Recorder()
    other = Attempt(address=Address("other", "s", "t"), tap=Tap(keeps_log=False), container="d", released=True)
    other.tap.follow(others, others.wake)
    containers._keep(other)

    containers.forget("r")
    for each in ("c", "d"):
        containers.died(each, 0)

    assert (forgotten.closed, others.closed) == (True, False)
    assert (attempt.tap.dead.is_set(), other.tap.dead.is_set()) == (False, True)
    assert theirs.recv(1) == b""
    assert not [request for request in stub.requests if request.startswith("DELETE")]
    theirs.close()


NEXT = Address(ADDRESS.run, ADDRESS.stage, "next")


def following(containers: Containers, address: Address = NEXT, **fields: object) -> Attempt:
    """Keep an attempt that stands at its gate, but for what ``fields`` say."""
    attempt = Attempt(address=address, tap=Tap(keeps_log=False), container="n", mark="/marks/n")
    for name, value in fields.items():
        setattr(attempt, name, value)
    containers._keep(attempt)
    return attempt


@pytest.fixture
def told(containers: Containers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernel tell of the success of every attempt, and the engine of none."""
    monkeypatch.setattr(containers._verdicts, "conclude", lambda _: None)
    monkeypatch.setattr(containers._verdicts, "succeeded", lambda _: True)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("container", ["n", ""])
def test_a_success_is_told_ahead_of_the_engine_while_another_step_of_the_stage_is_at_its_gate_or_on_its_way(
    containers: Containers, container: str
) -> None:
    attempt, _ = attempt_of(containers)
    attempt.tap.succeeded()
    following(containers, container=container)

    assert containers.conclude(ADDRESS) == Ending(exit_code=0)
    assert containers.tails.holds(ADDRESS)


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    "fields",
    [{"released": True}, {"mark": ""}, {"address": Address(ADDRESS.run, "another stage", "next")}],
    ids=["it is released", "it has no gate", "it is of another stage"],
)
def test_a_success_for_which_no_other_step_waits_is_told_when_the_engine_tells(
    containers: Containers, fields: dict[str, Any]
) -> None:
    attempt, _ = attempt_of(containers)
    attempt.tap.succeeded()
    following(containers, **fields)

    assert containers.conclude(ADDRESS) is None
    assert not containers.tails.holds(ADDRESS)


def test_without_news_of_the_kernel_the_engine_s_are_waited_for(containers: Containers) -> None:
    attempt_of(containers)
    following(containers)

    assert containers.conclude(ADDRESS) is None
    assert not containers.tails.holds(ADDRESS)


def test_news_of_the_kernel_wake_whoever_waits_for_that_container_and_nobody_else(containers: Containers) -> None:
    attempt, recorder = attempt_of(containers)
    containers.succeeded("another")
    assert (recorder.wakes, attempt.tap.left) == (0, False)

    containers.succeeded("c")

    assert (recorder.wakes, attempt.tap.left) == (1, True)
    attempt.tap.renew()
    assert not attempt.tap.left
