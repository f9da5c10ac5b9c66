import errno
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.backends.docker.client import Engine
from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.dispatch import place as places
from runner.dispatch import single
from runner.dispatch.orders import Order
from runner.dispatch.place import Local
from runner.dispatch.single import LocalRun
from runner.engine.events import Changed, Event, Notice
from runner.engine.job import Keep
from runner.engine.report import Report
from runner.engine.specs import RunSpec, Source, SourceMode
from runner.errors import EngineUnavailableError, ExitCode, InfrastructureError, JournalError
from runner.plan.model import Plan, SecretUse
from runner.plan.status import Status
from runner.settings import Settings
from runner.store import instances, jsonl
from runner.store.runs import RunFolder
from tests.support.hooked import DEADLINE, Call, Fault, HookedBackend
from tests.support.lives import until
from tests.support.local import FakeSweep, fake_local, remnant, showing_nothing
from tests.support.plans import hanging, plan, stage, step, steps_only

SECRET = "hunter2 is the word"


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch) -> FakeSweep:
    return FakeSweep().install(monkeypatch)


@pytest.fixture
def place(tmp_path: Path, sweep: FakeSweep) -> Iterator[Local]:
    with fake_local(tmp_path / "state") as found:
        yield found


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.mkdir()
    (path / "file").write_text("text")
    return path


def _order(source: Path, *, plan: Plan | None = None, mode: SourceMode = SourceMode.LAYER, **fields: object) -> Order:
    found = plan or steps_only(step("a", text="hello"))
    return Order(plan=found, source=Source(path=source, mode=mode), **fields)  # type: ignore[arg-type]  # of Order


def _run(place: Local, order: Order) -> LocalRun:
    return LocalRun(place, order, showing_nothing)


def _drive(run: LocalRun) -> tuple[Report, list[Event]]:
    events: list[Event] = []
    return run.drive(events.append), events


def _folder(place: Local, run: LocalRun) -> RunFolder:
    return RunFolder(place.settings.state / "runs" / run.id)


def _notices(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice)]


def test_a_run_ends_with_its_report_and_leaves_its_plan_journal_and_logs(place: Local, source: Path) -> None:
    run = _run(place, _order(source))

    document, events = _drive(run)

    folder = _folder(place, run)
    assert (document["run"]["id"], document["run"]["status"]) == (run.id, "success")
    assert [entry.status for entry in folder.journal.read()][-1] is Status.SUCCESS
    assert [path.read_text() for path in folder.logs.glob("*.log")] == ["hello\n"]
    assert json.loads((folder.path / "plan.json").read_text())["dialect"] == "vela"
    assert isinstance(events[0], Changed)


def test_what_steps_have_left_is_kept_for_later_if_it_was_asked_for(place: Local, source: Path) -> None:
    first, second = _run(place, _order(source)), _run(place, replace(_order(source), values=True))

    _drive(first)
    _drive(second)

    assert not _folder(place, first).values.exists()
    assert json.loads(_folder(place, second).values.read_text())["env"] == {}


def test_the_run_is_driven_on_the_backend_of_the_place_and_leaves_nothing_there(
    tmp_path: Path, source: Path, sweep: FakeSweep
) -> None:
    world = World(scale=0.02)
    with fake_local(tmp_path / "state", FakeBackend(world)) as place:
        run = _run(place, _order(source))
        _drive(run)

    assert sum(world.starts.values()) == 1
    assert leftovers(world) == ()


def test_a_run_that_is_cancelled_before_it_begins_starts_nothing(place: Local, source: Path) -> None:
    run = _run(place, _order(source))

    before = run.cancelled
    run.cancel()
    document, _ = _drive(run)

    assert (before, run.cancelled) == (False, True)
    assert document["run"]["status"] == "cancelled"
    assert [step["started"] for step in document["stages"][0]["steps"]] == [None]


@pytest.mark.parametrize("force", [False, True])
def test_a_run_can_be_cancelled_while_it_goes(place: Local, source: Path, *, force: bool) -> None:
    run = _run(place, _order(source, plan=steps_only(hanging("a"))))

    def observe(event: Event) -> None:
        if isinstance(event, Changed) and event.entry.address.step and event.entry.status is Status.RUNNING:
            run.cancel(force=force)

    document = run.drive(observe)

    assert document["run"]["status"] == "cancelled"


def test_a_secret_is_masked_in_logs_by_its_value_its_lines_and_its_encodings(place: Local, source: Path) -> None:
    secret = "first line\nsecond line"
    printed = ["first line", "the second line is", "Zmlyc3QgbGluZQpzZWNvbmQgbGluZQ==", "first%20line%0Asecond%20line"]
    steps = [step(str(number), text=text) for number, text in enumerate(printed)]
    run = _run(place, _order(source, plan=steps_only(*steps), secrets={"key": secret}))

    _drive(run)

    logs = {path.name[2]: path.read_text() for path in _folder(place, run).logs.glob("*.log")}
    assert logs == {"0": "***\n", "1": "the *** is\n", "2": "***Q==\n", "3": "***\n"}


def test_a_secret_in_a_reason_is_masked_in_journal_events_and_report(place: Local, source: Path) -> None:
    broken = step("a", fake={"FAKE_START_ERROR": f"the engine said: {SECRET}"})
    run = _run(place, _order(source, plan=plan(stage("s", broken)), secrets={"key": SECRET}))

    document, events = _drive(run)

    journal = _folder(place, run).path / "journal.jsonl"
    assert document["run"]["status"] == "error"
    for told in (json.dumps(document), journal.read_text(), str(events)):
        assert SECRET not in told
        assert "the engine said: ***" in told


def test_a_secret_in_a_notice_is_masked(tmp_path: Path, source: Path, sweep: FakeSweep) -> None:
    class Stubborn(FakeBackend):
        def close_run(self, run: RunSpec, *, keep: bool) -> None:
            super().close_run(run, keep=keep)
            raise InfrastructureError(f"the engine said: {SECRET}")

    sweep.error = InfrastructureError(f"it also said: {SECRET}")
    with fake_local(tmp_path / "state", Stubborn(World(scale=0.02))) as place:
        _, events = _drive(_run(place, _order(source, secrets={"key": SECRET})))

    assert sorted(_notices(events)) == [
        "could not remove what dead runs left: it also said: ***",
        "not everything could be removed: the engine said: ***",
    ]


def test_a_secret_that_is_not_utf_8_is_masked(place: Local, source: Path) -> None:
    secret = os.fsdecode(b"caf\xe9 au lait")
    run = _run(place, _order(source, secrets={"key": secret}))

    assert run.unmasked == ()
    run.logs.open("x").write(1, b"a caf\xe9 au lait\n")
    assert (_folder(place, run).logs / "x.log").read_bytes() == b"a ***\n"


def test_secrets_that_are_too_short_to_be_masked_are_named(place: Local, source: Path) -> None:
    run = _run(place, _order(source, secrets={"pin": "123", "none": "", "long": SECRET}))

    assert run.unmasked == ("pin",)


def test_secrets_reach_the_steps(place: Local, source: Path) -> None:
    asking = step("a", secrets=(SecretUse(source="code", target="FAKE_EXIT"),))
    run = _run(place, _order(source, plan=steps_only(asking), secrets={"code": "7"}))

    document, _ = _drive(run)

    assert document["stages"][0]["steps"][0]["exit_code"] == 7


def test_origins_are_a_stage_in_all_that_is_driven_stored_and_reported(place: Local, source: Path) -> None:
    of = plan(stage("s", step("a")), origins=(step("vault"),))
    run = _run(place, _order(source, plan=of))

    document, _ = _drive(run)

    stored = json.loads((_folder(place, run).path / "plan.json").read_text())
    assert [found.name for found in run.plan.stages] == ["@secrets", "s"]
    assert [found["name"] for found in document["stages"]] == ["@secrets", "s"]
    assert [found["name"] for found in stored["stages"]] == ["@secrets", "s"]


def test_an_output_that_is_to_be_masked_is_masked_in_the_logs_of_later_steps(place: Local, source: Path) -> None:
    steps = (step("a", fake={"FAKE_MASKED_OUTPUT": f"KEY={SECRET}"}), step("b", text=f"it is {SECRET}"))
    run = _run(place, _order(source, plan=plan(stage("s", *steps), outputs="/outputs")))

    _drive(run)

    assert [path.read_text() for path in _folder(place, run).logs.glob("*.log") if "-b-" in path.name] == [
        "it is ***\n"
    ]


def test_artifacts_are_kept_where_they_are_wanted(place: Local, source: Path, tmp_path: Path) -> None:
    leaving = step("a", fake={"FAKE_FILES": "out/a.xml"}, artifacts=("*.xml",))
    run = _run(place, _order(source, plan=steps_only(leaving), artifacts=tmp_path / "kept"))

    _, events = _drive(run)

    assert (tmp_path / "kept" / "s" / "out" / "a.xml").is_file()
    assert f"artifacts are in {tmp_path}/kept" in _notices(events)


def test_artifacts_are_kept_with_the_run_unless_they_are_wanted_elsewhere(place: Local, source: Path) -> None:
    leaving = step("a", fake={"FAKE_FILES": "out/a.xml"}, artifacts=("*.xml",))
    run = _run(place, _order(source, plan=steps_only(leaving)))

    _, events = _drive(run)

    folder = _folder(place, run).artifacts
    assert (folder / "s" / "out" / "a.xml").is_file()
    assert f"artifacts are in {folder}" in _notices(events)


def test_whoever_wants_to_look_around_is_called_where_a_step_fails(place: Local, source: Path) -> None:
    seen: list[str] = []
    run = _run(place, _order(source, plan=steps_only(step("a", 3))))

    run.drive(lambda _: None, lambda spec, _: seen.append(spec.address.path))

    assert seen == ["s/a"]


def test_what_dead_runs_left_is_removed_beside_the_run_and_told(place: Local, source: Path, sweep: FakeSweep) -> None:
    stuck = remnant("stuck", "/instances/0.lock", "network")
    sweep.there = [
        remnant("c", "/instances/0.lock", run="aaaa"),
        remnant("v", "/instances/0.lock", "volume", run="bbbb"),
        stuck,
    ]
    sweep.stuck = {"stuck"}

    _, events = _drive(_run(place, _order(source)))

    assert sweep.there == [stuck]
    assert _notices(events) == [
        "removed what the dead runs aaaa, bbbb had left",
        "network stuck, left by a dead run, cannot be removed",
    ]


def test_a_sweep_that_the_engine_refuses_does_not_fail_the_run(place: Local, source: Path, sweep: FakeSweep) -> None:
    sweep.error = InfrastructureError("not now")

    document, events = _drive(_run(place, _order(source)))

    assert document["run"]["status"] == "success"
    assert _notices(events) == ["could not remove what dead runs left: not now"]


def test_an_error_of_our_own_in_the_sweep_is_not_swallowed(place: Local, source: Path, sweep: FakeSweep) -> None:
    sweep.error = ZeroDivisionError("ours")

    with pytest.raises(ZeroDivisionError, match="ours"):
        _run(place, _order(source)).drive(lambda _: None)


def test_a_run_that_keeps_its_volumes_notes_it_before_it_begins(place: Local, source: Path) -> None:
    run = _run(place, _order(source, keep=Keep.ALWAYS))
    assert not instances.keeps(place.instance.lock)
    kept: list[bool] = []

    run.drive(lambda _: kept.append(instances.keeps(place.instance.lock)))

    assert all(kept)


def _editing(run: LocalRun, source: Path, names: list[str]) -> list[str]:
    """Drive a run during which the user writes files; return what was told."""
    events: list[Event] = []

    def observe(event: Event) -> None:
        events.append(event)
        if isinstance(event, Changed) and event.entry.address.step and event.entry.status is Status.SUCCESS:
            for name in names:
                (source / name).write_text("edited meanwhile")

    run.drive(observe)
    return _notices(events)


def test_that_the_source_was_edited_during_the_run_is_told(place: Local, source: Path) -> None:
    slow = steps_only(step("a", seconds=10))

    assert _editing(_run(place, _order(source, plan=slow)), source, ["file"]) == [
        "files of the source changed during the run, so steps may have seen either version: file"
    ]


def test_of_many_edited_files_five_are_named(place: Local, source: Path) -> None:
    slow = steps_only(step("a", seconds=10))

    (told,) = _editing(_run(place, _order(source, plan=slow)), source, list("abcdefg"))

    assert told.endswith(": a, b, c, d, e and 2 more")


@pytest.mark.parametrize("mode", [SourceMode.BIND, SourceMode.SNAPSHOT])
def test_where_steps_do_not_stand_on_the_source_edits_are_nobodys_business(
    place: Local, source: Path, mode: SourceMode
) -> None:
    assert _editing(_run(place, _order(source, mode=mode)), source, ["file"]) == []


def test_an_untouched_source_is_not_mentioned(place: Local, source: Path) -> None:
    _, events = _drive(_run(place, _order(source)))

    assert _notices(events) == []


def test_without_an_engine_there_is_no_place_and_no_lock_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Engine) -> None:
        raise EngineUnavailableError("no engine")

    monkeypatch.setattr(Engine, "check", refuse)

    with pytest.raises(EngineUnavailableError), places.local(Settings(state=tmp_path)):
        pass

    assert list((tmp_path / "instances").iterdir()) == []


def _fill_up(monkeypatch: pytest.MonkeyPatch, lines: int) -> None:
    """Let a journal take so many lines, and then no more."""
    monkeypatch.setattr("runner.engine.ledger._PATIENCE_SECONDS", 0.0)
    write, left = jsonl._write, [lines]

    def failing(file: int, document: dict[str, object]) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, document)

    monkeypatch.setattr(jsonl, "_write", failing)


@pytest.mark.parametrize("lines", [1, 4, 5, 7, 8])
def test_a_run_whose_journal_cannot_be_written_is_an_error_and_nothing_of_it_is_left(
    tmp_path: Path, source: Path, sweep: FakeSweep, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    world = World(scale=0.01)
    of = plan(stage("s", hanging("d", detach=True), step("a")), stage("t", hanging("a")))
    with fake_local(tmp_path / "state", FakeBackend(world)) as place:
        _fill_up(monkeypatch, lines)
        with pytest.raises(JournalError, match="No space left on device") as caught:
            _run(place, _order(source, plan=of)).drive(lambda _: None)

    assert caught.value.exit_code is ExitCode.INFRASTRUCTURE
    assert leftovers(world) == ()
    assert world.kept == set()


def test_what_cannot_be_removed_of_a_run_whose_journal_cannot_be_written_is_told(
    tmp_path: Path, source: Path, sweep: FakeSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = HookedBackend(FakeBackend(), before=Fault("close_run", "", EngineUnavailableError("no engine answers")))
    events: list[Event] = []
    with fake_local(tmp_path / "state", backend) as place:
        _fill_up(monkeypatch, 4)
        with pytest.raises(JournalError):
            _run(place, _order(source)).drive(events.append)

    assert _notices(events) == ["not everything could be removed: no engine answers"]


def test_what_dead_runs_left_is_looked_for_when_a_stage_has_ended(
    tmp_path: Path, source: Path, sweep: FakeSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not behind the end of the run, which leaves the time to do it."""
    monkeypatch.setattr(single, "_SWEEP_AFTER_SECONDS", DEADLINE)

    def swept(call: Call) -> None:
        if call.verb == "close_run":
            until(lambda: bool(sweep.asked), "the sweep has begun")

    backend = HookedBackend(FakeBackend(World(scale=0.02)), before=swept)
    with fake_local(tmp_path / "state", backend) as place:
        document, _ = _drive(_run(place, _order(source)))

    assert document["run"]["status"] == "success"
