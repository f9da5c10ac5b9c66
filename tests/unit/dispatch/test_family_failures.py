"""Async stages of ``exec`` where a journal fails: that of one of them, or that of their parent."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.dispatch.family import Family, Member
from runner.dispatch.orders import Order
from runner.dispatch.place import Local
from runner.dispatch.single import LocalRun
from runner.engine.events import Changed, Event, Notice, Observer
from runner.errors import EngineUnavailableError, JournalError
from runner.plan.status import Status
from runner.store import jsonl
from runner.store.runs import RunFolder
from tests.support.children import apart, triggering
from tests.support.hooked import Call, HookedBackend
from tests.support.local import FakeSweep, fake_local, showing_nothing
from tests.support.plans import hanging, plan, stage, step

ASKING = plan(
    stage("s", triggering("t", "scan"), step("b")), async_stages=(apart("scan", hanging("d", detach=True), step("x")),)
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeSweep().install(monkeypatch)
    monkeypatch.setattr("runner.engine.ledger._PATIENCE_SECONDS", 0.0)


@pytest.fixture
def world() -> World:
    return World(scale=0.02)


@pytest.fixture
def place(tmp_path: Path, world: World) -> Iterator[Local]:
    with fake_local(tmp_path / "state", FakeBackend(world)) as found:
        yield found


def _fill_up(monkeypatch: pytest.MonkeyPatch, wanted: Callable[[object], bool], lines: int) -> None:
    """Let the journals of some runs take so many lines, and then no more."""
    write, left = jsonl._write, [lines]

    def failing(file: int, document: dict[str, object]) -> int:
        if "run" in document and wanted(document["run"]):
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, document)

    monkeypatch.setattr(jsonl, "_write", failing)


class Listening:
    """Shows async stages, and keeps what they tell."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.seen: Callable[[Event], None] = lambda _: None

    @contextmanager
    def __call__(self, _: Member) -> Iterator[Observer]:
        def observe(event: Event) -> None:
            self.events.append(event)
            self.seen(event)

        yield observe

    @property
    def told(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Notice)]


def _through(run: LocalRun) -> Member:
    run.drive(lambda _: None)
    run.family.wait()
    assert isinstance(run.family, Family)
    (member,) = run.family.members()
    return member


@pytest.mark.parametrize("lines", [0, 2, 4, 6])
def test_one_whose_journal_cannot_be_written_is_an_error_of_which_nothing_is_left(
    place: Local, world: World, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    listening = Listening()
    run = LocalRun(place, Order(plan=ASKING), listening)
    _fill_up(monkeypatch, lambda name: name != run.id, lines)

    member = _through(run)

    assert member.status is Status.ERROR
    assert leftovers(world) == ()
    assert RunFolder(place.settings.state / "runs" / run.id).journal.read()[-1].status is Status.SUCCESS
    (told,) = [text for text in listening.told if text.startswith(f"the end of run {member.id} cannot be written")]
    assert "No space left on device" in told


def test_what_cannot_be_removed_of_one_whose_journal_cannot_be_written_is_told(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening = Listening()
    parents: list[str] = []

    def before(call: Call) -> None:
        if call.verb == "close_run" and call.address is not None and call.address.run not in parents:
            raise EngineUnavailableError("no engine answers")

    with fake_local(tmp_path / "state", HookedBackend(FakeBackend(world), before=before)) as place:
        run = LocalRun(place, Order(plan=ASKING), listening)
        parents.append(run.id)
        _fill_up(monkeypatch, lambda name: name != run.id, 4)
        member = _through(run)

    assert f"not everything of run {member.id} could be removed: no engine answers" in listening.told


def test_with_a_parent_whose_journal_cannot_be_written_its_async_stages_end_too(
    place: Local, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening = Listening()
    of = plan(stage("s", triggering("t", "scan"), hanging("b")), async_stages=(apart("scan", hanging("x")),))
    run = LocalRun(place, Order(plan=of), listening)

    def seen(event: Event) -> None:
        if isinstance(event, Changed) and event.entry.address.step and event.entry.status is Status.RUNNING:
            _fill_up(monkeypatch, lambda name: name == run.id, 0)
            (found,) = [address for address in world.containers if address.run == run.id and address.step == "b"]
            world.containers[found].end(0)

    listening.seen = seen
    with pytest.raises(JournalError):
        run.drive(lambda _: None)

    assert run.family.reports() == [{"stage": "scan", "id": run.family.reports()[0]["id"], "status": "cancelled"}]
    assert leftovers(world) == ()


def test_a_parent_that_ends_as_usual_ends_none_of_its_async_stages(place: Local, world: World) -> None:
    of = plan(stage("s", triggering("t", "scan")), async_stages=(apart("scan", step("x", seconds=10)),))
    run = LocalRun(place, Order(plan=of), showing_nothing)

    run.drive(lambda _: None)

    assert run.family.reports()[0]["status"] not in ("cancelled", "error")
    run.family.wait()
    assert run.family.reports()[0]["status"] == "success"
