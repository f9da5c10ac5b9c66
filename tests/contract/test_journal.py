"""The contract of ``runner.engine.journal``, against every journal that there is."""

import threading
from functools import partial
from pathlib import Path

import pytest

from runner.engine.job import Task
from runner.engine.journal import Entry, Journal, Writer
from runner.errors import SupersededError
from runner.naming import Address
from runner.plan.status import Status
from tests.support.journals import KINDS, Durable, Kind

WRITERS, EACH = 8, 25


def _entry(step: str, status: Status = Status.RUNNING, at: float = 0.0) -> Entry:
    return Entry(address=Address("run", "stage", step), status=status, at=at)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    found = request.param
    assert isinstance(found, Kind)
    return found


@pytest.fixture
def journal(kind: Kind, tmp_path: Path) -> Journal:
    return kind.make(tmp_path)


@pytest.fixture(params=[kind for kind in KINDS if kind.durable], ids=lambda kind: kind.name)
def durable(request: pytest.FixtureRequest) -> Durable:
    found = request.param.durable
    assert isinstance(found, Durable)
    return found


def test_a_new_journal_is_empty(journal: Journal) -> None:
    assert journal.read() == ()


def test_taking_the_pen_is_no_entry(journal: Journal) -> None:
    journal.take()

    assert journal.read() == ()


def test_entries_are_read_in_the_order_in_which_they_were_appended(journal: Journal) -> None:
    entries = tuple(_entry(name, at=at) for name, at in (("b", 2.0), ("a", 1.0), ("c", 3.0)))
    writer = journal.take()

    for entry in entries:
        writer.append(entry)

    assert journal.read() == entries


@pytest.mark.parametrize("status", Status)
def test_an_entry_comes_back_as_it_was(journal: Journal, status: Status) -> None:
    address = Address("run", "the stage/ä", 'st"ep\n', round=2, attempt=3)
    entry = Entry(address=address, status=status, at=12.345678, exit_code=137, reason="line one\nline\u2028two \x00 é")

    journal.take().append(entry)

    assert journal.read() == (entry,)


def test_an_entry_without_exit_code_has_none_when_it_is_read(journal: Journal) -> None:
    journal.take().append(_entry("a", Status.LOST))

    assert journal.read()[0].exit_code is None


def test_epochs_count_from_one_and_grow(journal: Journal) -> None:
    epochs = [journal.take().epoch for _ in range(3)]

    assert epochs == [1, 2, 3]


def test_a_replaced_writer_writes_nothing(journal: Journal) -> None:
    old = journal.take()
    old.append(_entry("a"))
    journal.take()

    with pytest.raises(SupersededError, match=r"driver 1 .* replaced by driver 2"):
        old.append(_entry("b"))

    assert journal.read() == (_entry("a"),)


def test_a_replaced_writer_stays_replaced(journal: Journal) -> None:
    old, new = journal.take(), journal.take()
    with pytest.raises(SupersededError):
        old.append(_entry("a"))
    new.append(_entry("b"))

    with pytest.raises(SupersededError):
        old.append(_entry("c"))

    assert journal.read() == (_entry("b"),)


def test_entries_of_all_epochs_are_read(journal: Journal) -> None:
    for name in ("a", "b", "c"):
        journal.take().append(_entry(name))

    assert [entry.address.step for entry in journal.read()] == ["a", "b", "c"]


def test_threads_that_append_at_the_same_time_lose_and_mix_nothing(journal: Journal) -> None:
    writer = journal.take()
    begin = threading.Barrier(WRITERS)

    def write(number: int) -> None:
        begin.wait()
        for index in range(EACH):
            writer.append(_entry(str(number), at=float(index)))

    tasks = [Task(f"writer {number}", partial(write, number)) for number in range(WRITERS)]
    for task in tasks:
        task.finish()

    read = journal.read()
    assert len(read) == WRITERS * EACH
    for number in range(WRITERS):
        assert [e.at for e in read if e.address.step == str(number)] == list(range(EACH))


def test_of_writers_that_race_for_the_pen_only_the_last_can_write(journal: Journal) -> None:
    begin = threading.Barrier(WRITERS)
    writers: list[Writer] = []

    def take() -> None:
        begin.wait()
        writers.append(journal.take())

    tasks = [Task(f"taker {number}", take) for number in range(WRITERS)]
    for task in tasks:
        task.finish()

    *older, newest = sorted(writers, key=lambda writer: writer.epoch)
    assert [writer.epoch for writer in (*older, newest)] == list(range(1, WRITERS + 1))
    for writer in older:
        with pytest.raises(SupersededError):
            writer.append(_entry("old"))
    newest.append(_entry("new"))
    assert journal.read() == (_entry("new"),)


def test_facts_survive_that_the_journal_is_opened_again(durable: Durable, tmp_path: Path) -> None:
    durable.open(tmp_path).take().append(_entry("a", Status.SUCCESS))

    assert durable.open(tmp_path).read() == (_entry("a", Status.SUCCESS),)


def test_epochs_survive_that_the_journal_is_opened_again(durable: Durable, tmp_path: Path) -> None:
    old = durable.open(tmp_path).take()

    assert durable.open(tmp_path).take().epoch == 2
    with pytest.raises(SupersededError):
        old.append(_entry("a"))


def test_a_torn_last_entry_was_never_written(durable: Durable, tmp_path: Path) -> None:
    writer = durable.open(tmp_path).take()
    writer.append(_entry("a"))
    writer.append(_entry("b"))
    durable.tear(tmp_path)

    assert durable.open(tmp_path).read() == (_entry("a"),)


def test_what_is_written_behind_a_torn_entry_can_be_read(durable: Durable, tmp_path: Path) -> None:
    writer = durable.open(tmp_path).take()
    writer.append(_entry("a"))
    writer.append(_entry("b"))
    durable.tear(tmp_path)

    durable.open(tmp_path).take().append(_entry("c"))

    assert durable.open(tmp_path).read() == (_entry("a"), _entry("c"))


def test_a_torn_takeover_was_never_made(durable: Durable, tmp_path: Path) -> None:
    durable.open(tmp_path).take()
    durable.tear(tmp_path)

    assert durable.open(tmp_path).take().epoch == 1
