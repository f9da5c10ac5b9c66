"""The contract of ``runner.engine.backend``, against every backend that there is."""

import os
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from runner.backends.fake import FakeBackend
from runner.engine.backend import Ending, Phase, PullProgress, Readiness, Signal
from runner.engine.job import Task
from runner.engine.specs import Release, RunSpec, StageSpec
from runner.errors import ImageError, InfrastructureError, UnwantedError, WorkspaceError
from runner.naming import Address, new_run_id
from runner.pipelinectl.values import Store
from runner.plan.model import Ready, Service, Step
from tests.support.backends import MISSING, PLACES, Bench, Desk, Listener, Place
from tests.support.hooked import DEADLINE
from tests.support.plans import IMAGE, step

TOGETHER = 4


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with PLACES[request.param]() as found:
        yield found


@pytest.fixture
def bench(place: Place) -> Iterator[Bench]:
    found = Bench(place)
    yield found
    found.close()
    assert place.left(found.run.id) == ()


def _lasting(name: str = "a", *, deaf: bool = False) -> Step:
    """Return a step that says ``ready`` and then stays; a deaf one does not hear TERM."""
    fake = {"FAKE_PRINT": "ready", "FAKE_HANG": "1"} | ({"FAKE_IGNORE_TERM": "1"} if deaf else {})
    commands = (*(["trap '' TERM"] if deaf else []), "echo ready", "sleep 600")
    return Step(name=name, image=IMAGE, commands=commands, environment=fake)


def _ignored(_: PullProgress) -> None:
    """Take no interest."""


def test_an_attempt_lives_from_prepare_to_discard(bench: Bench) -> None:
    address, listener = bench.ready(step("a", text="hello"))
    assert bench.backend.conclude(address) is None
    assert listener.lines == []

    bench.backend.release(address, Release(environment=step("a", text="hello").environment))

    assert bench.ending(address, listener) == Ending(exit_code=0)
    assert (listener.lines, listener.gaps) == (["hello"], [])
    bench.backend.discard(address)
    assert listener.closed


@pytest.mark.parametrize("code", [0, 1, 7, 125, 137])
def test_the_exit_code_is_that_of_the_step(bench: Bench, code: int) -> None:
    ending = bench.ending(*bench.released(step("a", code)))

    assert (ending.exit_code, ending.started) == (code, True)


def test_all_output_has_arrived_when_the_ending_is_told(bench: Bench) -> None:
    address, listener = bench.released(step("a", 3, text="the last word"))

    assert bench.ending(address, listener).exit_code == 3
    assert listener.lines == ["the last word"]


def test_an_ending_can_be_asked_for_again(bench: Bench) -> None:
    address, listener = bench.released(step("a", 7))

    assert bench.ending(address, listener) == bench.backend.conclude(address)


def test_a_step_that_still_runs_has_no_ending(bench: Bench) -> None:
    address, listener = bench.released(_lasting())
    listener.until_line("ready")

    assert bench.backend.conclude(address) is None


def test_an_attempt_that_is_prepared_twice_is_adopted_and_runs_once(bench: Bench) -> None:
    bench.backend.prepare(bench.spec(step("a", text="once")))
    address, listener = bench.released(step("a", text="once"))

    bench.ending(address, listener)

    assert listener.lines == ["once"]


def test_an_attempt_that_was_released_is_underway_when_it_is_prepared_again(bench: Bench) -> None:
    address, listener = bench.released(_lasting())
    listener.until_line("ready")

    assert bench.backend.prepare(bench.spec(_lasting())) is Phase.UNDERWAY
    assert bench.end(address, listener).exit_code == 137


def test_a_second_release_starts_nothing(bench: Bench) -> None:
    address, listener = bench.released(_lasting())
    listener.until_line("ready")
    bench.backend.release(address, Release(environment=_lasting().environment))
    bench.backend.signal(address, Signal.TERM)

    bench.ending(address, listener)

    assert listener.lines == ["ready"]


def test_what_is_discarded_at_the_gate_never_ran(bench: Bench) -> None:
    address, listener = bench.ready(step("a", text="never"))

    bench.backend.discard(address)

    assert (listener.lines, listener.closed) == ([], True)


def test_what_ends_at_the_gate_was_not_started(bench: Bench) -> None:
    address, listener = bench.ready(step("a", text="never"))

    ending = bench.end(address, listener)

    assert not ending.started
    assert listener.lines == []


def test_what_has_ended_at_the_gate_cannot_be_released(bench: Bench) -> None:
    address, listener = bench.ready(step("a", text="never"))
    bench.end(address, listener)

    with pytest.raises(InfrastructureError):
        bench.backend.release(address, Release())
    assert listener.lines == []


def test_term_ends_a_step(bench: Bench) -> None:
    address, listener = bench.released(_lasting())
    listener.until_line("ready")

    bench.backend.signal(address, Signal.TERM)

    assert bench.ending(address, listener).exit_code == 143


def test_only_kill_ends_a_step_that_ignores_term(bench: Bench) -> None:
    address, listener = bench.released(_lasting(deaf=True))
    listener.until_line("ready")

    bench.backend.signal(address, Signal.TERM)
    assert bench.backend.conclude(address) is None
    assert bench.end(address, listener).exit_code == 137


@pytest.mark.parametrize("signal", Signal)
def test_a_signal_for_what_has_ended_changes_nothing(bench: Bench, signal: Signal) -> None:
    address, listener = bench.released(step("a", 7))
    bench.ending(address, listener)

    bench.backend.signal(address, signal)

    assert bench.backend.conclude(address) == Ending(exit_code=7)


def test_verbs_for_what_is_gone_do_nothing(bench: Bench) -> None:
    address, _ = bench.ready(step("a"))
    for _ in range(2):
        bench.backend.discard(address)
    bench.backend.signal(address, Signal.TERM)
    bench.backend.signal(address, Signal.KILL)

    for _ in range(2):
        bench.backend.close_stage(bench.stage, needed=False)


def test_verbs_for_what_never_was_do_nothing(bench: Bench) -> None:
    never = replace(bench.stage, step="never")

    bench.backend.signal(never, Signal.KILL)
    bench.backend.discard(never)
    bench.backend.close_stage(Address(bench.run.id, "never"), needed=True)


def test_run_and_stage_may_be_opened_twice(bench: Bench) -> None:
    bench.open()

    assert bench.ending(*bench.released(step("a", 3))).exit_code == 3


def test_what_stood_at_the_gate_when_its_client_died_is_replaced_and_runs_once(bench: Bench) -> None:
    bench.ready(step("a", 5, text="once"))
    bench.reborn()

    address, listener = bench.released(step("a", 5, text="once"))

    assert bench.ending(address, listener) == Ending(exit_code=5)
    assert listener.lines == ["once"]


def test_what_ran_when_its_client_died_is_underway_and_can_be_ended(bench: Bench) -> None:
    address, listener = bench.released(_lasting())
    listener.until_line("ready")
    bench.reborn()
    later = Listener()

    assert bench.backend.prepare(bench.spec(_lasting())) is Phase.UNDERWAY
    bench.backend.follow(address, later, later.wake)
    assert bench.backend.conclude(address) is None
    bench.backend.signal(address, Signal.TERM)
    assert bench.ending(address, later) == Ending(exit_code=143)


def test_what_had_ended_when_it_is_followed_by_a_new_client_wakes_it_at_once_and_its_code_is_true(bench: Bench) -> None:
    address, listener = bench.released(step("a", 7, text="done"))
    bench.ending(address, listener)
    bench.reborn()
    later = Listener()

    assert bench.backend.prepare(bench.spec(step("a", 7, text="done"))) is Phase.UNDERWAY
    bench.backend.follow(address, later, later.wake)
    assert bench.ending(address, later) == Ending(exit_code=7)


def test_a_container_that_is_removed_from_outside_is_lost_and_says_so(bench: Bench, place: Place) -> None:
    address, listener = bench.released(_lasting())
    listener.until_line("ready")

    place.remove(address)

    ending = bench.ending(address, listener)
    assert (ending.exit_code, ending.reason) == (None, "the container was removed from outside")


def test_an_image_that_is_present_is_fetched_without_a_registry(bench: Bench) -> None:
    bench.backend.fetch(IMAGE, always=False, report=_ignored)


def test_an_image_that_nobody_has_cannot_be_fetched(bench: Bench) -> None:
    with pytest.raises(ImageError, match="missing"):
        bench.backend.fetch(MISSING, always=False, report=_ignored)


def test_a_container_cannot_be_made_of_an_image_that_is_not_there(bench: Bench) -> None:
    with pytest.raises(ImageError, match="missing"):
        bench.backend.prepare(bench.spec(step("a", image=MISSING)))


def test_attempts_do_not_disturb_each_other(bench: Bench) -> None:
    endings: dict[int, Ending] = {}

    def live(number: int) -> None:
        endings[number] = bench.ending(*bench.released(step(f"step {number}", number, text=str(number))))

    def task(number: int) -> Task:
        return Task(f"attempt {number}", lambda: live(number))

    for one in [task(number) for number in range(TOGETHER)]:
        one.finish()

    assert endings == {number: Ending(exit_code=number) for number in range(TOGETHER)}


def test_attempts_of_one_step_are_told_apart(bench: Bench) -> None:
    first, listener = bench.released(step("a", 1))
    bench.ending(first, listener)
    again = replace(first, round=2)
    bench.backend.open_stage(StageSpec(address=again.of_stage()), bench.losses.append)
    later = Listener()

    assert bench.backend.prepare(replace(bench.spec(step("a", 2)), address=again)) is Phase.READY
    bench.backend.follow(again, later, later.wake)
    bench.backend.release(again, Release(environment=step("a", 2).environment))

    assert bench.ending(again, later).exit_code == 2
    assert bench.backend.conclude(first) == Ending(exit_code=1)


def test_closing_a_run_removes_whatever_its_state_and_may_be_repeated(place: Place) -> None:
    bench = Bench(place)
    bench.ready(step("at the gate"))
    _, listener = bench.released(_lasting("running"))
    listener.until_line("ready")
    bench.ending(*bench.released(step("ended", 1)))
    assert place.left(bench.run.id) != ()

    bench.close()
    assert place.left(bench.run.id) == ()
    bench.close()


def test_a_run_that_was_never_opened_can_be_closed(place: Place) -> None:
    bench = Bench(place)
    bench.close()
    never = replace(bench.run, id="feedbeef")

    place.client().close_run(never, keep=False)

    assert place.left(never.id) == ()


def test_a_new_client_can_close_the_run_of_a_dead_one(place: Place) -> None:
    bench = Bench(place)
    _, listener = bench.released(_lasting())
    listener.until_line("ready")
    place.die(bench.backend)

    place.client().close_run(bench.run, keep=False)

    assert place.left(bench.run.id) == ()


def test_closing_a_run_leaves_other_runs_alone(bench: Bench, place: Place) -> None:
    address, listener = bench.released(_lasting())
    listener.until_line("ready")
    other = Bench(place)
    other.close()

    assert bench.backend.conclude(address) is None
    assert bench.end(address, listener).exit_code == 137


def _server(name: str, script: str, **fake: str) -> Service:
    """Return a service that runs a script; the variables say what a fake one does."""
    return Service(name=name, image=IMAGE, entrypoint=("/bin/sh", "-c", script), environment=fake)


LASTING = _server("db", "exec sleep 600", FAKE_HANG="1")


def _until(bench: Bench, service: Address, ready: Ready | None, seen: Callable[[Readiness], bool]) -> Readiness:
    deadline = time.monotonic() + DEADLINE
    while not seen(found := bench.backend.probe(service, ready)):
        assert time.monotonic() < deadline, f"still {found}"
        time.sleep(0.05)
    return found


def test_a_service_of_which_nothing_is_known_can_be_used(bench: Bench) -> None:
    assert bench.backend.probe(bench.serving(LASTING), None) == Readiness(ready=True)


def test_a_service_can_be_used_when_its_command_succeeds(bench: Bench) -> None:
    service = bench.serving(_server("db", "sleep 1; >/up; exec sleep 600", FAKE_HANG="1", FAKE_READY_AFTER="5"))
    ready = Ready(command="test -e /up")

    before = bench.backend.probe(service, ready)

    assert (before.ready, before.hopeless) == (False, False)
    assert before.reason
    assert _until(bench, service, ready, lambda found: found.ready) == Readiness(ready=True)


@pytest.mark.parametrize("ready", [None, Ready(command="true")])
def test_a_service_that_has_ended_is_hopeless(bench: Bench, ready: Ready | None) -> None:
    service = bench.serving(_server("db", "exit 3", FAKE_EXIT="3"))

    found = _until(bench, service, ready, lambda found: found.hopeless)

    assert not found.ready
    assert found.reason


def test_a_service_that_is_gone_is_hopeless(bench: Bench, place: Place) -> None:
    service = bench.serving(LASTING)
    place.remove(service)

    assert bench.backend.probe(service, None).hopeless


@pytest.fixture
def leaving(place: Place) -> Iterator[Bench]:
    """Return a bench whose run has outputs."""
    found = Bench(place, RunSpec(id=new_run_id(), home="/workspace", workdir="/workspace", outputs="/workspace/out"))
    yield found
    found.close()
    assert place.left(found.run.id) == ()


def _output(name: str, line: str, variable: str = "FAKE_OUTPUT", file: str = ".env") -> Step:
    commands = (f"echo {line} >>/workspace/out/{file}",)
    return Step(name=name, image=IMAGE, commands=commands, environment={variable: line})


def test_what_steps_leave_as_outputs_is_found_as_they_left_it(leaving: Bench) -> None:
    assert not any(leaving.backend.outputs(leaving.stage).values())

    leaving.ending(*leaving.released(_output("a", "A=1")))
    assert leaving.backend.outputs(leaving.stage) == {".env": b"A=1\n"}

    leaving.ending(*leaving.released(_output("b", "B=2")))
    leaving.ending(*leaving.released(_output("c", "C=3", "FAKE_MASKED_OUTPUT", "masked.env")))
    assert leaving.backend.outputs(leaving.stage) == {".env": b"A=1\nB=2\n", "masked.env": b"C=3\n"}


def test_outputs_are_those_of_the_run_for_every_stage_and_every_client(leaving: Bench) -> None:
    leaving.ending(*leaving.released(_output("a", "A=1")))
    other = Address(leaving.run.id, "other")
    leaving.backend.open_stage(StageSpec(address=other), leaving.losses.append)
    assert leaving.backend.outputs(other) == {".env": b"A=1\n"}

    leaving.reborn()
    assert leaving.backend.outputs(leaving.stage) == {".env": b"A=1\n"}


def test_a_run_without_outputs_has_none(bench: Bench) -> None:
    assert not bench.backend.outputs(bench.stage)


def test_outputs_of_more_than_ten_mebibytes_are_refused(leaving: Bench) -> None:
    size = 10 * 1024 * 1024
    big = Step(
        name="a",
        image=IMAGE,
        commands=(f"head -c {size + 1} /dev/zero >/workspace/out/.env",),
        environment={"FAKE_OUTPUT": "x" * size} if isinstance(leaving.backend, FakeBackend) else {},
    )
    leaving.ending(*leaving.released(big))

    with pytest.raises(InfrastructureError, match=r"\.env"):
        leaving.backend.outputs(leaving.stage)


FILES = ("a/b.xml", "a/d/c.xml", "x/a/b.xml", "a/.d/e.xml", ".f.xml", "a/b.xml.gz")
KEPT = {
    "*.xml": ["a/b.xml", "a/d/c.xml", "x/a/b.xml"],
    "a/b.xml": ["a/b.xml", "x/a/b.xml"],
    "a/*.xml": ["a/b.xml", "a/d/c.xml", "x/a/b.xml"],
    "d/*": ["a/d/c.xml"],
    "*.html": [],
}


def test_files_that_match_are_copied_out_with_their_paths(bench: Bench, tmp_path: Path) -> None:
    commands = tuple(f"mkdir -p $(dirname {path}) && echo >{path}" for path in FILES)
    leaving = Step(name="a", image=IMAGE, commands=commands, environment={"FAKE_FILES": ":".join(FILES)})
    address, listener = bench.released(leaving)
    bench.ending(address, listener)

    for number, (pattern, expected) in enumerate(KEPT.items()):
        target = tmp_path / str(number)
        notes = bench.backend.collect(address, (pattern,), target, wanted=lambda: True)

        kept = sorted(str(file.relative_to(target)) for file in target.rglob("*") if file.is_file())
        assert kept == expected, pattern
        assert any(pattern in note for note in notes) is not bool(expected), pattern


def test_files_that_nobody_wants_any_more_are_left_where_they_are(bench: Bench, place: Place, tmp_path: Path) -> None:
    leaving = Step(name="a", image=IMAGE, commands=("echo >a.xml",), environment={"FAKE_FILES": "a.xml"})
    address, listener = bench.released(leaving)
    bench.ending(address, listener)
    before = set(place.left(bench.run.id))

    with pytest.raises(UnwantedError):
        bench.backend.collect(address, ("*.xml",), tmp_path / "kept", wanted=lambda: False)
    with pytest.raises(UnwantedError):
        bench.backend.export(bench.run, (bench.stage,), tmp_path / "exported", wanted=lambda: False)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert set(place.left(bench.run.id)) == before


def test_a_person_looks_around_until_the_shell_ends_and_it_leaves_nothing(bench: Bench, place: Place) -> None:
    address, listener = bench.released(step("a", 3))
    bench.ending(address, listener)
    before = set(place.left(bench.run.id))
    keys, typing = os.pipe()
    os.write(typing, b"exit\r")
    desk = Desk(keys)

    bench.backend.shell(bench.spec(step("a", 3)), Release(environment={"GREETING": "hello"}), desk)

    os.close(keys)
    os.close(typing)
    assert desk.shown
    assert set(place.left(bench.run.id)) == before


def test_what_ran_when_its_client_died_can_be_followed_by_a_new_one_that_does_not_open_its_stage(place: Place) -> None:
    bench = Bench(place)
    address, listener = bench.released(_lasting())
    listener.until_line("ready")
    place.die(bench.backend)
    bench.backend = place.client()
    bench.backend.open_run(bench.run)
    later = Listener()

    bench.backend.follow(address, later, later.wake)

    bench.backend.signal(address, Signal.TERM)
    assert bench.ending(address, later) == Ending(exit_code=143)
    bench.close()
    assert place.left(bench.run.id) == ()


def test_what_is_not_there_cannot_be_followed(bench: Bench) -> None:
    with pytest.raises(InfrastructureError):
        bench.backend.follow(replace(bench.stage, step="never"), Listener(), lambda: None)


@pytest.fixture
def valued(place: Place) -> Iterator[Bench]:
    """Return a bench whose run begins with a value and a configuration."""
    config = {PurePosixPath("given"): b"1", PurePosixPath("secure-properties/given"): b"1"}
    found = Bench(place, RunSpec(id=new_run_id(), home="/w", workdir="/w", values={"p.first": b"1\n"}, config=config))
    yield found
    found.close()
    assert place.left(found.run.id) == ()


def _setting(key: str, value: str) -> Step:
    commands = (f"set_env {key} '{value}'", f'[ "$(get_env {key})" = "{value}" ]')
    return Step(name=key, image=IMAGE, commands=commands, environment={"FAKE_SET_ENV": f"{key}={value}"})


def test_values_are_those_that_the_run_began_with_that_steps_have_set_and_that_were_put(valued: Bench) -> None:
    run = valued.run.id
    assert valued.backend.values(run, wanted=lambda: True) == Store(contents={"p.first": b"1\n"})

    assert valued.ending(*valued.released(_setting("a", "x y"))).exit_code == 0
    valued.backend.put_values(run, {"p.first": b"2\n", "p.late": b"3\n"})

    found = valued.backend.values(run, wanted=lambda: True).contents
    assert found == {"p.first": b"2\n", "p.late": b"3\n", "e.a": b"x y\n"}


def test_values_outlive_the_stage_and_the_client_and_are_not_reset(valued: Bench) -> None:
    valued.ending(*valued.released(_setting("a", "1")))
    valued.backend.put_values(valued.run.id, {"p.first": b"2\n"})
    valued.backend.close_stage(valued.stage, needed=False)
    before = valued.backend.values(valued.run.id, wanted=lambda: True)

    valued.reborn()

    assert before.contents == {"p.first": b"2\n", "e.a": b"1\n"}
    assert valued.backend.values(valued.run.id, wanted=lambda: True) == before


def test_the_values_of_a_run_that_is_not_open_cannot_be_reached(bench: Bench) -> None:
    with pytest.raises(InfrastructureError):
        bench.backend.values("feedbeef", wanted=lambda: True)
    with pytest.raises(InfrastructureError):
        bench.backend.put_values("feedbeef", {"p.a": b"1\n"})


def test_runs_do_not_see_each_others_values(valued: Bench, place: Place) -> None:
    other = Bench(place)

    other.backend.put_values(other.run.id, {"p.other": b"1\n"})

    assert valued.backend.values(valued.run.id, wanted=lambda: True).contents == {"p.first": b"1\n"}
    other.close()


def test_a_step_that_was_released_and_is_gone_when_its_client_comes_back_is_not_made_again(
    bench: Bench, place: Place
) -> None:
    address, listener = bench.released(_lasting())
    listener.until_line("ready")
    place.die(bench.backend)
    place.remove(address)
    bench.backend = place.client()
    bench.open()

    assert bench.backend.prepare(bench.spec(_lasting())) is Phase.GONE
    assert bench.backend.prepare(bench.spec(_lasting())) is Phase.GONE
    with pytest.raises(InfrastructureError):
        bench.backend.follow(address, Listener(), lambda: None)


def test_a_step_that_stood_at_its_gate_and_is_gone_when_its_client_comes_back_is_made_again(
    bench: Bench, place: Place
) -> None:
    address, _ = bench.ready(step("a", 3))
    place.die(bench.backend)
    place.remove(address)
    bench.backend = place.client()
    bench.open()

    assert bench.ending(*bench.released(step("a", 3))) == Ending(exit_code=3)


def test_a_service_that_is_gone_when_its_client_comes_back_is_made_again(bench: Bench, place: Place) -> None:
    service = bench.serving(LASTING)
    place.die(bench.backend)
    place.remove(service)
    bench.backend = place.client()
    bench.open()

    assert bench.serving(LASTING) == service


def _large(key: str, text: str) -> Step:
    commands = (f"printf %s '{text}' >/tmp/f", f"save_file {key} /tmp/f")
    return Step(name=key, image=IMAGE, commands=commands, environment={"FAKE_SAVE_FILE": f"{key}={text}"})


def test_a_run_begins_with_what_an_earlier_one_has_left_for_it(bench: Bench, place: Place, tmp_path: Path) -> None:
    assert bench.ending(*bench.released(_large("report", "all is well"))).exit_code == 0
    assert bench.backend.values(bench.run.id, wanted=lambda: True).sizes == {"f.report": len("all is well")}
    archive = tmp_path / "files.tar"
    bench.backend.save_files(bench.run.id, archive, most=11, wanted=lambda: True)
    values, left = {"e.a": b"1\n"}, {".env": b"A=1\n"}
    run = RunSpec(
        id=new_run_id(), home="/workspace", workdir="/workspace", outputs="/workspace/out", values=values, left=left
    )

    other = Bench(place, replace(run, files=archive))

    assert other.backend.values(other.run.id, wanted=lambda: True) == Store(
        contents=values, sizes={"f.report": len("all is well")}
    )
    assert other.ending(*other.released(_output("a", "B=2"))).exit_code == 0
    assert other.backend.outputs(other.stage) == {".env": b"A=1\nB=2\n"}
    other.backend.save_files(other.run.id, tmp_path / "again.tar", most=11, wanted=lambda: True)
    assert _members(tmp_path / "again.tar") == _members(archive) == {"f.report": b"all is well"}
    other.close()


def _members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {member.name: file.read() for member in archive if (file := archive.extractfile(member))}


def test_files_that_are_too_large_or_not_wanted_are_not_saved(bench: Bench, tmp_path: Path) -> None:
    assert bench.ending(*bench.released(_large("report", "all is well"))).exit_code == 0

    with pytest.raises(InfrastructureError, match="10"):
        bench.backend.save_files(bench.run.id, tmp_path / "a.tar", most=10, wanted=lambda: True)
    with pytest.raises(UnwantedError):
        bench.backend.save_files(bench.run.id, tmp_path / "b.tar", most=100, wanted=lambda: False)


def test_a_stage_stands_on_layers_of_a_run_that_was_kept_as_long_as_they_are_there(bench: Bench, place: Place) -> None:
    assert bench.ending(*bench.released(_setting("a", "1"))).exit_code == 0
    bench.backend.close_stage(bench.stage, needed=True)
    bench.backend.close_run(bench.run, keep=True)
    other = Bench(place)
    over = StageSpec(address=Address(other.run.id, "over"), layers=(bench.stage,))
    other.backend.open_stage(over, other.losses.append)
    other.backend.close_stage(over.address, needed=False)
    bench.backend.open_run(bench.run)
    assert bench.backend.values(bench.run.id, wanted=lambda: True).contents["e.a"] == b"1\n"

    bench.backend.close_run(bench.run, keep=False)

    with pytest.raises(WorkspaceError):
        other.backend.open_stage(replace(over, address=Address(other.run.id, "late")), other.losses.append)
    other.close()
