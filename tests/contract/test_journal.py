"""The contract of ``runner.engine.journal``, against every journal that there is."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from runner.engine.job import Task
from runner.engine.journal import Entry, Journal, Writer
from runner.errors import SupersededError, TransitionError
from runner.naming import Address
from runner.plan.status import Status
from tests.support.journals import KINDS, RUN, Kind

WRITERS, EACH = 8, 25


Open = Callable[[], Journal]

P, R, Z = Status.PENDING, Status.RUNNING, Status.PAUSED
ENDS = tuple(status for status in Status if status.ended)
ALLOWED = [(P, P), (P, R), (R, Z), (Z, R), *itertools.product((P, R, Z), ENDS)]
FORBIDDEN = [pair for pair in itertools.product(Status, Status) if pair not in ALLOWED]


def _entry(step: str, status: Status = Status.RUNNING, at: float = 0.0, attempt: int = 1) -> Entry:
    return Entry(address=Address(RUN, "stage", step, attempt=attempt), status=status, at=at)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def journal(request: pytest.FixtureRequest, tmp_path: Path, stack: ExitStack) -> Journal:
    kind: Kind = request.param
    return kind.open(tmp_path, stack)


@pytest.fixture(params=[kind for kind in KINDS if kind.durable], ids=lambda kind: kind.name)
def again(request: pytest.FixtureRequest, tmp_path: Path, stack: ExitStack) -> Open:
    """Open the journal, again and again."""
    kind: Kind = request.param
    return lambda: kind.open(tmp_path, stack)


@pytest.fixture(params=[kind for kind in KINDS if kind.tear], ids=lambda kind: kind.name)
def tearing(request: pytest.FixtureRequest, tmp_path: Path, stack: ExitStack) -> tuple[Open, Callable[[], None]]:
    """Open the journal, or tear it."""
    kind: Kind = request.param
    assert kind.tear is not None
    return lambda: kind.open(tmp_path, stack), partial(kind.tear, tmp_path, stack)


@pytest.mark.parametrize("branches", [None, 0, 3])
def test_how_many_branches_a_fork_has_comes_back_and_none_is_not_0(journal: Journal, branches: int | None) -> None:
    entry = Entry(address=Address(RUN, "each"), status=Status.SUCCESS, at=1.0, branches=branches)
    journal.take().append(entry)

    assert journal.read() == (entry,)


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


def test_an_entry_comes_back_as_it_was(journal: Journal) -> None:
    address = Address(RUN, "the stage/ä", 'st"ep\n', round=2)
    reason = "line one\nline\u2028two \x00 \x1a0041 \x1b[1m \udcff é"
    entries = tuple(
        Entry(address=replace(address, attempt=attempt), status=status, at=12.345678, exit_code=137, reason=reason)
        for attempt, status in enumerate(Status, 1)
    )
    writer = journal.take()

    for entry in entries:
        writer.append(entry)

    assert journal.read() == entries


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
            writer.append(_entry(str(number), at=float(index), attempt=index + 1))

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


def test_an_address_can_begin_with_anything(journal: Journal) -> None:
    writer = journal.take()

    for status in Status:
        writer.append(_entry(status, status))

    assert journal.read() == tuple(_entry(status, status) for status in Status)


def test_what_has_not_ended_can_go_on(journal: Journal) -> None:
    writer = journal.take()
    entries = [_entry(f"{pair}", status) for pair in ALLOWED for status in pair]

    for entry in entries:
        writer.append(entry)

    assert journal.read() == tuple(entries)


def test_what_cannot_follow_is_refused_and_not_written(journal: Journal) -> None:
    writer = journal.take()
    for before, after in FORBIDDEN:
        step = f"{before} {after}"
        writer.append(_entry(step, before))

        with pytest.raises(TransitionError, match=f"stage/{step} .* is {before} and cannot become {after}"):
            writer.append(_entry(step, after))

    assert journal.read() == tuple(_entry(f"{before} {after}", before) for before, after in FORBIDDEN)
    assert len(FORBIDDEN) == len(ENDS) * len(Status) + 3 * 3 - 4


def test_a_new_driver_knows_what_has_ended_before_it(journal: Journal) -> None:
    journal.take().append(_entry("a", Status.SUCCESS))

    with pytest.raises(TransitionError):
        journal.take().append(_entry("a", Status.RUNNING))

    assert journal.read() == (_entry("a", Status.SUCCESS),)


def test_each_attempt_and_each_round_has_a_course_of_its_own(journal: Journal) -> None:
    writer = journal.take()
    addresses = [Address(RUN, "stage", "a", number, attempt) for number in (1, 2) for attempt in (1, 2)]
    addresses += [address.of_stage() for address in addresses[::2]] + [Address(RUN)]
    entries = tuple(Entry(address=address, status=Status.SUCCESS, at=0.0) for address in addresses)

    for entry in entries:
        writer.append(entry)

    assert journal.read() == entries


def test_a_replaced_writer_is_told_so_whatever_it_writes(journal: Journal) -> None:
    old = journal.take()
    old.append(_entry("a", Status.SUCCESS))
    journal.take()

    with pytest.raises(SupersededError):
        old.append(_entry("a", Status.RUNNING))


def test_facts_survive_that_the_journal_is_opened_again(again: Open) -> None:
    again().take().append(_entry("a", Status.SUCCESS))

    assert again().read() == (_entry("a", Status.SUCCESS),)
    with pytest.raises(TransitionError):
        again().take().append(_entry("a", Status.RUNNING))


def test_epochs_survive_that_the_journal_is_opened_again(again: Open) -> None:
    old = again().take()

    assert again().take().epoch == 2
    with pytest.raises(SupersededError):
        old.append(_entry("a"))


def test_a_torn_last_entry_was_never_written(tearing: tuple[Open, Callable[[], None]]) -> None:
    again, tear = tearing
    writer = again().take()
    writer.append(_entry("a"))
    writer.append(_entry("b"))
    tear()

    assert again().read() == (_entry("a"),)


def test_what_is_written_behind_a_torn_entry_can_be_read(tearing: tuple[Open, Callable[[], None]]) -> None:
    again, tear = tearing
    writer = again().take()
    writer.append(_entry("a"))
    writer.append(_entry("b", Status.SUCCESS))
    tear()

    again().take().append(_entry("b", Status.RUNNING))

    assert again().read() == (_entry("a"), _entry("b", Status.RUNNING))


def test_a_torn_takeover_was_never_made(tearing: tuple[Open, Callable[[], None]]) -> None:
    again, tear = tearing
    again().take()
    tear()

    assert again().take().epoch == 1


def test_a_writer_is_confirmed_until_it_is_replaced(journal: Journal) -> None:
    old = journal.take()
    old.confirm()
    old.append(_entry("a"))
    old.confirm()

    new = journal.take()

    new.confirm()
    with pytest.raises(SupersededError):
        old.confirm()
    assert journal.read() == (_entry("a"),)
