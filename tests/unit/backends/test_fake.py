"""What the fake does beyond the contract of every backend (``tests/contract/test_backend.py``)."""

import os
import time
from pathlib import Path, PurePosixPath

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine.backend import Ending, Phase, Readiness, Signal
from runner.engine.specs import Gathered, Placed, Release, RunSpec, StageSpec, StepSpec
from runner.errors import EngineRefusedError, ImageError, InfrastructureError, WorkspaceError
from runner.naming import Address
from tests.support.backends import Desk, Listener
from tests.support.engine import SCALE, at

A = at("s/a")


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend(World(scale=SCALE))


def _released(backend: FakeBackend, address: Address = A, **environment: str) -> Listener:
    listener = Listener()
    assert backend.prepare(StepSpec(address=address, image="i")) is Phase.READY
    backend.follow(address, listener, listener.wake)
    backend.release(address, Release(environment=environment))
    return listener


def _ending(backend: FakeBackend, listener: Listener, address: Address = A) -> Ending | None:
    listener.until_woken()
    return backend.conclude(address)


def test_a_step_runs_for_its_seconds(backend: FakeBackend) -> None:
    listener = _released(backend, FAKE_SECONDS="1", FAKE_EXIT="3")
    assert backend.conclude(A) is None

    assert _ending(backend, listener) == Ending(exit_code=3)


def test_a_step_prints(backend: FakeBackend) -> None:
    assert _released(backend, FAKE_PRINT="hello").lines == ["hello"]


def test_a_step_that_hangs_ends_only_when_asked(backend: FakeBackend) -> None:
    listener = _released(backend, FAKE_HANG="1")

    backend.signal(A, Signal.TERM)

    assert _ending(backend, listener) == Ending(exit_code=143)


def test_a_step_that_ignores_term_ends_only_when_killed(backend: FakeBackend) -> None:
    listener = _released(backend, FAKE_HANG="1", FAKE_IGNORE_TERM="1")

    backend.signal(A, Signal.TERM)
    assert backend.conclude(A) is None
    backend.signal(A, Signal.KILL)

    assert _ending(backend, listener) == Ending(exit_code=137)


def test_a_step_that_vanishes_is_lost(backend: FakeBackend) -> None:
    listener = _released(backend, FAKE_VANISH="1")

    ending = _ending(backend, listener)

    assert ending == Ending(exit_code=None, reason="the container was removed from outside")
    assert leftovers(backend.world) == ()


def test_a_step_at_its_memory_limit_is_killed(backend: FakeBackend) -> None:
    listener = _released(backend, FAKE_OOM="1", FAKE_EXIT="0")

    assert _ending(backend, listener) == Ending(exit_code=137, reason="it reached its memory limit")


def test_a_stream_that_breaks_is_a_gap_once_and_no_ending(backend: FakeBackend) -> None:
    listener = _released(backend, FAKE_DROP_STREAM="1", FAKE_EXIT="4")

    assert _ending(backend, listener) == Ending(exit_code=4)
    assert backend.conclude(A) == Ending(exit_code=4)
    assert listener.gaps == ["the stream broke"]


def test_a_step_that_cannot_be_started_says_why(backend: FakeBackend) -> None:
    with pytest.raises(EngineRefusedError, match="no such user"):
        backend.prepare(StepSpec(address=A, image="i", environment={"FAKE_START_ERROR": "no such user"}))

    assert leftovers(backend.world) == ()


def test_images_that_the_world_misses_cannot_be_had(backend: FakeBackend) -> None:
    backend.world.missing_images = frozenset({"i"})

    with pytest.raises(ImageError, match="image i: not found"):
        backend.fetch("i", always=True, report=lambda _: None)
    with pytest.raises(ImageError, match="image i: not found"):
        backend.prepare(StepSpec(address=A, image="i"))


def test_the_world_counts_what_was_fetched_and_what_ran(backend: FakeBackend) -> None:
    backend.fetch("i", always=False, report=lambda _: None)
    _released(backend)
    backend.release(A, Release())
    backend.prepare(StepSpec(address=at("s/b"), image="i"))

    assert backend.world.fetched == [("i", False)]
    assert backend.world.starts == {A: 1}


def test_when_the_client_dies_what_stands_at_the_gate_ends_and_what_runs_goes_on(backend: FakeBackend) -> None:
    gate = Listener()
    backend.prepare(StepSpec(address=at("s/gate"), image="i"))
    backend.follow(at("s/gate"), gate, gate.wake)
    _released(backend, FAKE_HANG="1")

    backend.world.client_dies()

    later = FakeBackend(backend.world)
    assert later.conclude(at("s/gate")) == Ending(exit_code=125, started=False)
    assert later.conclude(A) is None


def test_a_dead_client_hears_nothing_more(backend: FakeBackend) -> None:
    listener = _released(backend, FAKE_HANG="1")
    backend.world.client_dies()

    backend.signal(A, Signal.KILL)

    with pytest.raises(AssertionError, match="no wake came"):
        listener.until_woken(deadline=0.0)


def test_a_sandbox_that_dies_is_told_to_its_stage(backend: FakeBackend) -> None:
    reasons: list[str] = []
    backend.open_stage(StageSpec(address=at("s")), reasons.append)

    backend.world.kill_sandbox(at("s"))

    assert reasons == ["the sandbox died"]


def test_the_world_shows_what_a_stage_stands_on(backend: FakeBackend) -> None:
    backend.open_stage(StageSpec(address=at("s"), layers=(at("a"), at("b"))), lambda _: None)

    assert backend.world.layers == {at("s"): (at("a"), at("b"))}


def test_leftovers_are_told_in_words_and_by_run(backend: FakeBackend) -> None:
    backend.open_run(RunSpec(id=A.run, home="/w", workdir="/w"))
    backend.open_run(RunSpec(id="other", home="/w", workdir="/w"))
    backend.open_stage(StageSpec(address=at("s")), lambda _: None)
    backend.prepare(StepSpec(address=A, image="i"))

    assert leftovers(backend.world, [A.run]) == ("container s/a (1.1)", "sandbox s (1.1)", f"run {A.run}")
    assert set(leftovers(backend.world)) - set(leftovers(backend.world, [A.run])) == {"run other"}


def test_only_a_run_with_outputs_has_any(backend: FakeBackend) -> None:
    backend.open_stage(StageSpec(address=at("s")), lambda _: None)
    _released(backend, FAKE_OUTPUT="A=1")
    assert backend.outputs(at("s")) == {}

    backend.open_run(RunSpec(id=A.run, home="/w", workdir="/w", outputs="/w/out"))
    _released(backend, at("s/b"), FAKE_OUTPUT="A=1", FAKE_MASKED_BASE64_OUTPUT="B=eA==")
    assert backend.outputs(at("s")) == {".env": b"A=1\n", "masked.base64.env": b"B=eA==\n"}


def test_what_needs_an_open_stage_is_refused_without_one(backend: FakeBackend, tmp_path: Path) -> None:
    for verb in (lambda: backend.outputs(at("s")), lambda: backend.collect(A, ("*",), tmp_path, wanted=bool)):
        with pytest.raises(InfrastructureError, match="is not open"):
            verb()


def test_outputs_and_files_go_with_their_run(backend: FakeBackend) -> None:
    run = RunSpec(id=A.run, home="/w", workdir="/w", outputs="/w/out")
    backend.open_run(run)
    _released(backend, FAKE_OUTPUT="A=1", FAKE_FILES="a:b")

    backend.close_run(run, keep=False)

    assert (backend.world.outputs, backend.world.files) == ({}, {})


def test_a_service_is_ready_after_its_seconds(backend: FakeBackend) -> None:
    _released(backend, FAKE_HANG="1", FAKE_READY_AFTER="5")

    assert backend.probe(A, None) == Readiness(ready=False, reason="it is starting")
    time.sleep(5 * SCALE)
    assert backend.probe(A, None) == Readiness(ready=True)


def test_a_service_that_is_unhealthy_says_why(backend: FakeBackend) -> None:
    _released(backend, FAKE_HANG="1", FAKE_UNHEALTHY="no disk")

    assert backend.probe(A, None) == Readiness(ready=False, hopeless=True, reason="no disk")


@pytest.mark.parametrize("typed", [b"ls\rexit\r", b""], ids=["exit", "end of input"])
def test_a_shell_ends_when_it_is_told_to(backend: FakeBackend, typed: bytes) -> None:
    backend.open_stage(StageSpec(address=at("s")), lambda _: None)
    keys, typing = os.pipe()
    os.write(typing, typed)
    os.close(typing)

    backend.shell(StepSpec(address=A, image="i"), Release(), Desk(keys))

    os.close(keys)
    assert backend.world.shells == [A]


def test_a_shell_ends_when_nobody_wants_it_any_more(backend: FakeBackend) -> None:
    backend.open_stage(StageSpec(address=at("s")), lambda _: None)
    keys, typing = os.pipe()

    backend.shell(StepSpec(address=A, image="i"), Release(), Desk(keys, looks=2))

    os.close(keys)
    os.close(typing)
    assert backend.world.shells == [A]


def test_a_step_vanishes_in_as_many_attempts_as_it_is_told(backend: FakeBackend) -> None:
    for number, code in ((1, None), (2, None), (3, 0)):
        address = at("s/a", attempt=number)
        ending = _ending(backend, _released(backend, address, FAKE_VANISH="2"), address)
        assert ending is not None
        assert ending.exit_code == code


def test_what_volumes_hold_stays_as_long_as_its_run_is_kept(backend: FakeBackend) -> None:
    run = RunSpec(id=A.run, home="/w", workdir="/w", outputs="/w/out")
    over = StageSpec(address=Address("other", "s"), layers=(at("s"),))
    backend.open_run(run)
    _released(backend, FAKE_SET_ENV="X=1", FAKE_OUTPUT="A=1")
    backend.close_run(run, keep=True)
    backend.open_stage(over, lambda _: None)
    backend.open_run(run)
    assert backend.values(A.run, wanted=lambda: True).contents == {"e.X": b"1\n"}
    assert backend.world.outputs == {A.run: {".env": b"A=1\n"}}

    backend.close_run(run, keep=False)

    with pytest.raises(WorkspaceError, match="what stage s of run"):
        backend.open_stage(over, lambda _: None)
    assert (backend.world.values, backend.world.outputs, backend.world.marks) == ({}, {}, set())


def test_a_step_that_wants_to_start_what_is_not_declared_fails_and_starts_the_others(backend: FakeBackend) -> None:
    backend.open_run(RunSpec(id=A.run, home="/w", workdir="/w", values={"y.check": b""}))

    assert _ending(backend, _released(backend, FAKE_TRIGGER="check:nope")) == Ending(exit_code=1)
    other = at("s/b")
    assert _ending(backend, _released(backend, other, FAKE_TRIGGER="nope", FAKE_EXIT="3"), other) == Ending(exit_code=3)

    assert [name.partition(".")[2] for name in backend.requests(A.run)] == ["check"]


def test_requests_are_told_to_each_client_and_go_with_their_run(backend: FakeBackend) -> None:
    run = RunSpec(id=A.run, home="/w", workdir="/w", values={"y.check": b""})
    backend.open_run(run)
    _released(backend, FAKE_TRIGGER="check")
    told = backend.requests(A.run)
    assert FakeBackend(backend.world).requests(A.run) == told

    backend.close_run(run, keep=False)

    assert backend.world.requests == {}


def test_what_is_known_of_a_step_before_its_release_counts_unless_the_release_says_otherwise(
    backend: FakeBackend,
) -> None:
    backend.open_run(RunSpec(id=A.run, home="/w", workdir="/w"))
    told = {"RUNNER_STEP": "me", "FAKE_SET_RETURN": "0", "FAKE_EXIT": "3"}
    backend.prepare(StepSpec(address=A, image="i", defaults=told, environment={"FAKE_SET_RETURN": "1"}))
    listener = Listener()
    backend.follow(A, listener, listener.wake)

    backend.release(A, Release(environment={"FAKE_SET_RETURN": "2"}))

    assert _ending(backend, listener) == Ending(exit_code=3)
    assert backend.returns(A.run) == {"m.me": b"json\n2"}


def test_a_step_that_cannot_say_who_it_is_fails_and_returns_nothing(backend: FakeBackend) -> None:
    backend.open_run(RunSpec(id=A.run, home="/w", workdir="/w"))

    assert _ending(backend, _released(backend, FAKE_WISH="skip")) == Ending(exit_code=1)
    assert backend.returns(A.run) == {}


def test_returns_outlive_a_client_that_dies_and_go_with_their_run(backend: FakeBackend) -> None:
    run = RunSpec(id=A.run, home="/w", workdir="/w", returned={"m.old": b"json\n1"})
    backend.open_run(run)
    _released(backend, FAKE_SET_RETURN="x", RUNNER_STEP="me")
    backend.world.client_dies()
    later = FakeBackend(backend.world)
    later.open_run(run)
    assert later.returns(A.run) == {"m.old": b"json\n1", "m.me": b"text\nx"}

    later.close_run(run, keep=True)
    assert set(backend.world.returns) == {A.run}
    later.close_run(run, keep=False)

    assert backend.world.returns == {}
    with pytest.raises(InfrastructureError, match="not open"):
        later.returns(A.run)


def test_the_world_shows_what_was_gathered_for_a_stage(backend: FakeBackend) -> None:
    gathered = (Gathered(path="each/0", layers=(at("s"), at("t"))), Gathered(path="each/1", layers=()))
    run = RunSpec(id=A.run, home="/w", workdir="/w")
    backend.open_run(run)
    _released(backend, FAKE_FILES="x:y")
    _released(backend, at("t/b"), FAKE_FILES="y:z")
    for _ in range(2):
        backend.open_stage(StageSpec(address=at("join"), gathered=gathered), lambda _: None)

    assert backend.world.gathered == {at("join"): gathered}
    assert backend.world.files[at("join")] == ["each/0/x", "each/0/y", "each/0/z"]
    backend.close_run(run, keep=False)
    assert (backend.world.gathered, backend.world.files) == ({}, {})


def test_a_test_can_look_at_trees_beside_the_source_and_at_configurations(backend: FakeBackend, tmp_path: Path) -> None:
    beside = (Placed(path=tmp_path, target="/w/tools"),)
    backend.open_run(RunSpec(id=A.run, home="/w", workdir="/w/app", beside=beside))
    config = {PurePosixPath("mode"): b"fast"}
    for name, own in (("s/a", True), ("s/b", False)):
        backend.prepare(StepSpec(address=at(name), image="i", own_config=own))
        backend.release(at(name), Release(config=config))

    assert backend.world.beside == {A.run: beside}
    assert backend.world.configs == {A: config}
