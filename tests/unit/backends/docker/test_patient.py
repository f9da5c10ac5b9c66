"""Verbs that find no engine are called again when there is one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from runner.backends.docker import patient
from runner.backends.docker.backend import DockerBackend
from runner.backends.docker.client import Engine
from runner.backends.docker.patient import PatientBackend
from runner.engine.backend import Backend, Signal
from runner.engine.specs import Release, RunSpec, StageSpec, StepSpec
from runner.errors import EngineRefusedError, EngineTimeoutError, EngineUnavailableError, InfrastructureError
from runner.naming import Address
from tests.support.attempts import Recorder

AWAY = EngineUnavailableError("no engine answers")
HERE = Address("r1", "s", "t")
STEP = StepSpec(address=HERE, image="i")
RUN = RunSpec(id="r1", home="/w", workdir="/w")


class Flaky:
    """A backend of which every verb fails as told, and then answers its own name."""

    def __init__(self, *errors: InfrastructureError) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        def call(*_: object, **__: object) -> str:
            self.calls += 1
            if self.errors:
                raise self.errors.pop(0)
            return verb

        return call


class Place:
    """A patient backend over a flaky one, on an engine that answers as often as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *errors: InfrastructureError, away: int = 0) -> None:
        self.inner = Flaky(*errors)
        self.away = away
        engine = Engine("tcp://127.0.0.1:1")
        monkeypatch.setattr(engine, "check_anew", self.check)
        monkeypatch.setattr(patient, "_FIRST_PAUSE", 0.001)
        self.backend = PatientBackend(cast("DockerBackend", self.inner), engine, 0.2)

    def check(self) -> None:
        self.away -= 1
        if self.away >= 0:
            raise AWAY


def yes() -> bool:
    return True


PERSISTING: dict[str, Callable[[Backend], object]] = {
    "open_run": lambda b: b.open_run(RUN),
    "fetch": lambda b: b.fetch("i", always=True, report=lambda _: None),
    "open_stage": lambda b: b.open_stage(StageSpec(address=HERE), lambda _: None),
    "prepare": lambda b: b.prepare(STEP),
    "release": lambda b: b.release(HERE, Release()),
    "discard": lambda b: b.discard(HERE),
    "probe": lambda b: b.probe(HERE, None),
    "outputs": lambda b: b.outputs(HERE),
    "values": lambda b: b.values("r1", wanted=yes),
    "put_values": lambda b: b.put_values("r1", {}),
    "returns": lambda b: b.returns("r1"),
    "requests": lambda b: b.requests("r1", anew=True),
    "save_files": lambda b: b.save_files("r1", Path("t"), most=1, wanted=yes),
    "collect": lambda b: b.collect(HERE, (), Path("t"), wanted=yes),
    "close_stage": lambda b: b.close_stage(HERE, needed=True),
    "export": lambda b: b.export(RUN, (), Path("t"), wanted=yes),
    "close_run": lambda b: b.close_run(RUN, keep=True),
}


@pytest.mark.parametrize("verb", PERSISTING)
def test_a_verb_waits_for_an_engine_that_is_away_and_is_called_again(
    monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    place = Place(monkeypatch, AWAY, AWAY, away=3)

    found = PERSISTING[verb](place.backend)

    assert found in (verb, None)
    assert (place.inner.calls, place.inner.errors) == (3, [])


def test_what_others_ask_again_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    verbs: list[Callable[[Backend], object]] = [
        lambda b: b.conclude(HERE),
        lambda b: b.signal(HERE, Signal.TERM),
        lambda b: b.follow(HERE, recorder, recorder.wake),
    ]
    for verb in verbs:
        place = Place(monkeypatch, AWAY)
        with pytest.raises(EngineUnavailableError):
            verb(place.backend)
        assert place.inner.calls == 1


def test_an_engine_that_does_not_come_back_in_time_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(monkeypatch, AWAY, away=10_000)

    with pytest.raises(EngineUnavailableError):
        place.backend.prepare(STEP)
    assert place.inner.calls == 1


def test_the_end_of_the_backend_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(monkeypatch, away=10_000)
    place.backend._grace = 3600.0
    place.backend.close()
    place.inner.errors.append(AWAY)

    with pytest.raises(EngineUnavailableError):
        place.backend.prepare(STEP)
    assert place.inner.calls == 2


@pytest.mark.parametrize(
    ("error", "away", "calls"),
    [
        (EngineRefusedError("shutting down", status=500), 2, 2),
        (EngineRefusedError("broken", status=500), 0, 1),
        (EngineRefusedError("no such thing", status=404), 2, 1),
        (EngineTimeoutError("it hangs"), 2, 1),
    ],
)
def test_only_an_engine_that_goes_away_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, error: InfrastructureError, away: int, calls: int
) -> None:
    place = Place(monkeypatch, error, away=away)

    if calls == 1:
        with pytest.raises(type(error)):
            place.backend.prepare(STEP)
    else:
        place.backend.prepare(STEP)
    assert place.inner.calls == calls


def test_an_engine_that_comes_and_goes_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(monkeypatch, *[AWAY] * 100)

    with pytest.raises(EngineUnavailableError):
        place.backend.prepare(STEP)
    assert place.inner.calls == 6
