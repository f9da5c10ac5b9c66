"""When an end is believed, with an engine that says what a test tells it to."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from runner.backends.docker import verdicts
from runner.backends.docker.attach import Connection
from runner.backends.docker.attempt import Attempt, Tap
from runner.backends.docker.client import Engine
from runner.backends.docker.inspection import State
from runner.backends.docker.reader import Reader
from runner.backends.docker.verdicts import Verdicts
from runner.engine.backend import Ending
from runner.errors import EngineRefusedError, EngineUnavailableError, InfrastructureError
from runner.naming import Address
from tests.support.attempts import Recorder, wait_for
from tests.support.connections import connection_pair, frame

RUNNING = State(
    id="c",
    status="running",
    exit_code=0,
    error="",
    out_of_memory=False,
    mark="",
    keeps_log=False,
    finished_at=-1.0,
    labels={},
)


def exited(  # noqa: PLR0913 - what an inspect may say
    code: int, *, error: str = "", out_of_memory: bool = False, memory: int = 0, status: str = "exited", at: float = 0
) -> State:
    return State(
        id="c",
        status=status,
        exit_code=code,
        error=error,
        out_of_memory=out_of_memory,
        mark="",
        keeps_log=False,
        finished_at=at,
        labels={},
        memory=memory,
    )


@dataclass
class Scene:
    """One attempt whose stream is ``engine``; ``states`` are what inspecting it says, the last one stays."""

    verdicts: Verdicts
    reader: Reader
    attempt: Attempt
    recorder: Recorder
    states: list[State | InfrastructureError | None] = field(default_factory=lambda: [RUNNING])
    marks: bool = True
    stayed: bool | InfrastructureError = True
    asked: int = 0
    log: bytes | InfrastructureError = b""
    attached: list[Connection] = field(default_factory=list)

    def inspect(self, *_: object) -> State | None:
        found = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(found, InfrastructureError):
            raise found
        return found

    def engine_stayed(self, _: Engine, run: str, ended: State) -> bool:
        assert (run, ended.running) == ("r", False)
        self.asked += 1
        if isinstance(self.stayed, InfrastructureError):
            raise self.stayed
        return self.stayed

    def logs(self, *_: object, follow: bool) -> Connection:
        if isinstance(self.log, InfrastructureError):
            raise self.log
        connection, engine = connection_pair()
        engine.sendall(self.log)
        engine.close()
        return connection

    def attach(self, *_: object, stdin: bool) -> Connection:
        connection, engine = connection_pair()
        engine.sendall(frame(1, b"again"))
        engine.close()
        self.attached.append(connection)
        return connection

    def conclude(self) -> Ending | None:
        return self.verdicts.conclude(self.attempt)

    def end_stream(self) -> None:
        self.attempt.tap.ended(None)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    reader, recorder = Reader(), Recorder()
    attempt = Attempt(address=Address("r", "s", "t"), tap=Tap(keeps_log=False), container="c", released=True)
    attempt.tap.follow(recorder, recorder.wake)
    found = Scene(Verdicts(Engine("tcp://127.0.0.1:1"), reader, away=0.1), reader, attempt, recorder)
    monkeypatch.setattr(Engine, "api", None)
    monkeypatch.setattr(verdicts, "inspect", found.inspect)
    monkeypatch.setattr(verdicts, "engine_stayed", found.engine_stayed)
    monkeypatch.setattr(verdicts, "logs", found.logs)
    monkeypatch.setattr(verdicts, "attach", found.attach)
    monkeypatch.setattr(verdicts, "exists", lambda *_: found.marks)
    yield found
    reader.close()


def keep_log(scene: Scene) -> None:
    scene.attempt.tap.keeps_log = True


def test_neither_an_exit_code_nor_an_end_of_the_stream_alone_is_an_end(scene: Scene) -> None:
    assert scene.conclude() is None
    scene.attempt.tap.died(0)
    assert scene.conclude() is None
    scene.end_stream()

    assert scene.conclude() == Ending(exit_code=0)
    assert scene.recorder.closed
    assert scene.recorder.gaps == []


def test_an_exit_that_comes_right_after_the_stream_is_waited_for(scene: Scene) -> None:
    scene.end_stream()
    timer = threading.Timer(0.02, scene.attempt.tap.died, [3])
    timer.start()
    ending = scene.conclude()
    timer.join()

    assert ending == Ending(exit_code=3, reason="")


def test_without_an_event_the_engine_is_asked(scene: Scene) -> None:
    scene.end_stream()
    scene.states = [exited(7)]

    assert scene.conclude() == Ending(exit_code=7)


def test_an_exit_on_its_way_is_no_broken_stream(scene: Scene) -> None:
    scene.end_stream()
    scene.states = [RUNNING, exited(0)]

    assert scene.conclude() == Ending(exit_code=0)
    assert scene.attached == []


def test_a_stream_that_broke_is_attached_again_and_the_gap_stated_once(scene: Scene) -> None:
    scene.end_stream()
    assert scene.conclude() is None
    wait_for(scene.attempt.tap.over.is_set)
    scene.attempt.tap.died(0)

    assert scene.conclude() == Ending(exit_code=0)
    assert len(scene.attached) == 1
    assert scene.recorder.out == b"again"
    assert len(scene.recorder.gaps) == 1


def test_a_stream_that_breaks_again_and_again_is_not_attached_in_a_storm(scene: Scene) -> None:
    scene.end_stream()
    for _ in range(2):
        assert scene.conclude() is None
        wait_for(scene.attempt.tap.over.is_set)

    assert len(scene.attached) == 1
    scene.recorder.woken.clear()
    assert scene.recorder.woken.wait(3)


def test_a_dead_container_whose_stream_does_not_end_is_given_up_when_nothing_comes(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "_DRAIN_SECONDS", 0.2)
    connection, engine = connection_pair()
    scene.attempt.connection = connection
    scene.reader.register(connection, scene.attempt.tap)
    scene.attempt.tap.died(0)
    for _ in range(4):
        engine.sendall(frame(1, b"x"))
        time.sleep(0.1)
        assert scene.conclude() is None
    scene.recorder.woken.clear()
    assert scene.recorder.woken.wait(5)
    time.sleep(0.2)
    ending = scene.conclude()
    engine.close()

    assert ending == Ending(exit_code=0)
    assert scene.recorder.out == b"xxxx"
    assert scene.recorder.gaps == ["the output did not come to an end after the exit; some of it may be missing"]


def test_a_missed_end_is_found_after_the_events_came_back(scene: Scene) -> None:
    scene.states = [exited(4)]
    scene.attempt.tap.doubt()
    assert scene.conclude() is None
    scene.end_stream()

    assert scene.conclude() == Ending(exit_code=4)


@pytest.mark.parametrize("state", [None, exited(137, status="removing"), exited(137, status="dead")])
def test_a_container_that_somebody_removes_is_lost(scene: Scene, state: State | None) -> None:
    scene.states = [state]
    scene.attempt.tap.died(137)
    scene.end_stream()

    assert scene.conclude() == Ending(exit_code=None, reason=verdicts.REMOVED)


def test_a_removal_that_was_missed_is_found_after_the_events_came_back(scene: Scene) -> None:
    scene.states = [None]
    scene.attempt.tap.doubt()

    assert scene.conclude() == Ending(exit_code=None, reason=verdicts.REMOVED)


def test_what_we_killed_ourselves_is_not_lost(scene: Scene) -> None:
    scene.attempt.killed = True
    scene.states = [None]
    scene.attempt.tap.died(137)
    scene.end_stream()

    assert scene.conclude() == Ending(exit_code=137)


def test_the_code_of_a_step_that_is_removed_after_its_end_is_believed(scene: Scene) -> None:
    scene.states = [None]
    scene.attempt.tap.died(9)
    scene.end_stream()

    assert scene.conclude() == Ending(exit_code=9)


@pytest.mark.parametrize(
    ("memory", "words"),
    [
        (64 << 20, "it reached its memory limit of 64 MiB"),
        ((6 << 20) + (1 << 19), "it reached its memory limit of 6.5 MiB"),
        (100 << 40, "it reached its memory limit of 104857600 MiB"),
        (0, "the machine ran out of memory"),
    ],
)
def test_memory_and_the_engines_words_are_a_reason_and_decide_nothing(scene: Scene, memory: int, words: str) -> None:
    scene.states = [exited(1, error="some words", out_of_memory=True, memory=memory)]
    scene.end_stream()

    assert scene.conclude() == Ending(exit_code=1, reason=f"{words}; some words")


def test_a_limit_that_was_not_reached_is_not_told(scene: Scene) -> None:
    scene.states = [exited(137, memory=64 << 20)]
    scene.end_stream()

    assert scene.conclude() == Ending(exit_code=137)


def test_a_child_out_of_memory_does_not_fail_a_step_that_succeeded(scene: Scene) -> None:
    scene.states = [exited(0, out_of_memory=True)]
    scene.end_stream()

    assert scene.conclude() == Ending(exit_code=0)


def test_125_without_the_mark_never_started_and_with_it_is_the_scripts(scene: Scene) -> None:
    scene.attempt.mark = "/m"
    scene.states = [exited(125)]
    scene.end_stream()
    assert scene.conclude() == Ending(exit_code=125)
    scene.attempt.ending, scene.marks = None, False

    found = scene.conclude()
    assert found is not None
    assert (found.exit_code, found.started) == (125, False)


@pytest.mark.parametrize("killed", [True, False])
def test_137_without_the_mark_is_a_kill_at_the_gate_unless_it_was_ours(scene: Scene, *, killed: bool) -> None:
    scene.attempt.mark, scene.attempt.killed, scene.marks = "/m", killed, False
    scene.states = [exited(137)]
    scene.end_stream()

    found = scene.conclude()

    assert found is not None
    assert (found.exit_code, found.started) == (137, killed)


def away() -> EngineUnavailableError:
    return EngineUnavailableError("no engine answers")


def test_an_engine_that_comes_back_is_waited_for_and_an_exit_of_its_own_is_believed(scene: Scene) -> None:
    scene.end_stream()
    scene.states = [away(), exited(7)]
    assert scene.conclude() is None
    scene.recorder.woken.clear()
    assert scene.recorder.woken.wait(3)

    assert scene.conclude() == Ending(exit_code=7, reason="the engine was away for a time while it ran")
    assert scene.recorder.gaps == ["the stream broke; what the step wrote afterwards is missing"]


@pytest.mark.parametrize("code", [0, 3, 137, 143])
def test_what_the_engine_ended_by_going_away_is_lost_whatever_its_code(scene: Scene, code: int) -> None:
    scene.stayed = False
    scene.end_stream()
    scene.states = [away(), exited(code)]
    assert scene.conclude() is None
    found = scene.conclude()

    reason = f"the engine went away, or was stopped, and ended the container (exit code {code})"
    assert found == Ending(exit_code=None, reason=reason)


def test_what_the_engine_ended_at_the_gate_had_not_started(scene: Scene) -> None:
    scene.stayed, scene.marks, scene.attempt.mark = False, False, "/marks/a"
    scene.attempt.tap.suspect = True
    scene.end_stream()
    scene.states = [exited(125)]
    scene.attempt.tap.died(125)
    found = scene.conclude()

    assert found is not None
    assert (found.exit_code, found.started) == (None, False)


@pytest.mark.parametrize("code", [0, 137])
def test_what_somebody_signalled_under_an_engine_that_stays_keeps_its_code(scene: Scene, code: int) -> None:
    scene.attempt.tap.suspect = True
    scene.end_stream()
    scene.states = [exited(code)]
    scene.attempt.tap.died(code)

    assert scene.conclude() == Ending(exit_code=code)
    assert scene.asked == 1


def test_an_engine_that_is_about_to_stop_is_asked_again_when_it_is_back(scene: Scene) -> None:
    scene.attempt.tap.suspect = True
    scene.stayed = EngineUnavailableError("it takes no new connections")
    scene.end_stream()
    scene.states = [exited(3)]
    scene.attempt.tap.died(3)
    assert scene.conclude() is None
    scene.stayed = False

    found = scene.conclude()
    assert found is not None
    assert found.exit_code is None


@pytest.mark.parametrize("killed", [True, False])
def test_an_end_that_nobody_doubts_costs_no_question(scene: Scene, *, killed: bool) -> None:
    scene.attempt.killed = scene.attempt.tap.suspect = killed
    scene.end_stream()
    scene.states = [exited(143)]
    scene.attempt.tap.died(143)

    assert scene.conclude() == Ending(exit_code=143)
    assert scene.asked == 0


def test_what_a_step_wrote_while_the_engine_was_away_is_a_gap_even_where_the_engine_keeps_a_log(scene: Scene) -> None:
    keep_log(scene)
    scene.end_stream()
    scene.states = [away(), exited(0)]
    assert scene.conclude() is None
    assert scene.conclude() is not None

    assert scene.recorder.gaps == ["the engine was away; what the step wrote meanwhile may be lost"]


def test_an_engine_that_stays_away_loses_the_step(scene: Scene) -> None:
    scene.end_stream()
    scene.states = [away()]
    assert scene.conclude() is None
    time.sleep(0.15)

    assert scene.conclude() == Ending(exit_code=None, reason="the engine went away: no engine answers")
    assert scene.recorder.closed


def test_an_exit_well_after_the_end_of_the_stream_is_a_gap(scene: Scene) -> None:
    scene.end_stream()
    scene.states = [exited(0, at=time.time() + 0.3)]
    time.sleep(0.1)
    scene.attempt.tap.died(0)

    assert scene.conclude() == Ending(exit_code=0)
    assert scene.recorder.gaps == ["the stream broke; what the step wrote afterwards is missing"]


def test_a_late_event_of_an_exit_in_time_is_no_gap(scene: Scene) -> None:
    scene.end_stream()
    scene.states = [exited(0, at=time.time() - 0.001)]
    time.sleep(0.1)
    scene.attempt.tap.died(0)

    assert scene.conclude() == Ending(exit_code=0)
    assert scene.recorder.gaps == []


def test_what_a_broken_stream_lost_is_taken_from_the_engines_log(scene: Scene) -> None:
    keep_log(scene)
    scene.attempt.tap.write(1, b"one\ntw")
    scene.attempt.tap.ended(OSError("connection reset"))
    scene.log = frame(1, b"one\ntwo\n") + frame(2, b"err\n")
    scene.attempt.tap.died(0)

    assert scene.conclude() == Ending(exit_code=0)
    assert (scene.recorder.out, scene.recorder.err) == (b"one\ntwo\n", b"err\n")
    assert scene.recorder.gaps == []


def test_a_log_that_cannot_be_read_is_a_gap_and_the_status_stands(scene: Scene) -> None:
    keep_log(scene)
    scene.attempt.tap.ended(OSError("connection reset"))
    scene.log = EngineRefusedError("error grabbing logs", status=500)
    scene.attempt.tap.died(0)

    assert scene.conclude() == Ending(exit_code=0)
    assert scene.recorder.gaps == ["the engine's log could not be read to its end: error grabbing logs"]


def test_a_stream_that_we_cut_ourselves_is_not_attached_again(scene: Scene) -> None:
    scene.attempt.given_up = True
    scene.end_stream()
    assert scene.conclude() is None
    assert scene.attached == []
    scene.attempt.tap.died(143)
    scene.states = [exited(143)]

    assert scene.conclude() == Ending(exit_code=143)


def test_an_attempt_without_a_container_goes_on(scene: Scene) -> None:
    scene.attempt.container = ""

    assert scene.conclude() is None
