from collections.abc import Callable
from pathlib import Path

import pytest

from runner import naming
from runner.dispatch.feed import Events, Feed, Lines, retold
from runner.engine.backend import PullProgress
from runner.engine.events import Changed, Notice, Printing, Pulling
from runner.engine.journal import Entry
from runner.logs.files import LogBook
from runner.logs.index import Stream
from runner.logs.mask import Mask
from runner.naming import Address
from runner.plan.status import Status
from tests.support.daemons import words

STEP, NEXT = Address("r", "s", "a"), Address("r", "s", "b")
PRINTS = Printing(STEP, naming.log(STEP))


def _entry(address: Address, status: Status, at: float = 0.0) -> Entry:
    return Entry(address=address, status=status, at=at)


@pytest.fixture
def book(tmp_path: Path) -> LogBook:
    return LogBook(tmp_path / "logs", Mask())


def _pull(image: str, current: int) -> Pulling:
    return Pulling(PullProgress(image=image, text="pulling", current=current, total=9))


def test_of_a_download_only_the_newest_state_is_told_to_who_comes_late(book: LogBook) -> None:
    events = Events(book.changes)
    early = Feed(events, book)
    events.observe(_pull("a", 1))
    assert list(early.poll()) == [_pull("a", 1)]

    for current in (2, 3):
        events.observe(_pull("a", current))
        events.observe(_pull("b", current))

    assert list(early.poll()) == list(Feed(events, book).poll()) == [_pull("a", 3), _pull("b", 3)]
    assert [events.at(n) for n in range(events.count)] == [None, None, None, _pull("a", 3), _pull("b", 3)]


def test_a_feed_is_over_when_all_has_been_given_and_not_before(book: LogBook) -> None:
    events = Events(book.changes)
    feed = Feed(events, book)
    events.observe(Notice("one"))
    assert not feed.over

    events.close()
    assert not feed.over
    assert list(feed.poll()) == [Notice("one")]
    assert feed.over


def test_every_event_and_every_line_wakes_whoever_waits(book: LogBook) -> None:
    events = Events(book.changes)
    feed = Feed(events, book)

    happenings: tuple[Callable[[], None], ...] = (
        lambda: events.observe(PRINTS),
        lambda: book.open(PRINTS.log).write(Stream.STDOUT, b"x\n"),
        events.close,
    )
    for happens in happenings:
        list(feed.poll())
        assert not feed.wait(0.0)
        happens()
        assert feed.wait(0.0)
    feed.close()


def test_lines_that_were_written_before_an_event_come_before_it(book: LogBook) -> None:
    events = Events(book.changes)
    events.observe(PRINTS)
    log = book.open(PRINTS.log)
    log.write(Stream.STDOUT, b"one\ntwo\n")
    log.close()
    events.observe(Changed(_entry(STEP, Status.SUCCESS)))

    feed = Feed(events, book)
    assert words(list(feed.poll())) == ["s/a | one", "s/a | two", "s/a success"]
    feed.close()


def test_the_success_of_a_step_waits_for_its_last_lines_and_what_comes_behind_waits_too(book: LogBook) -> None:
    events = Events(book.changes, [PRINTS])
    feed = Feed(events, book)
    log = book.open(PRINTS.log)
    log.write(Stream.STDOUT, b"one\n")
    events.observe(Changed(_entry(STEP, Status.SUCCESS)))
    events.observe(Changed(_entry(NEXT, Status.RUNNING)))
    assert words(list(feed.poll())) == ["s/a | one"]

    log.write(Stream.STDOUT, b"two\nhalf")
    assert words(list(feed.poll())) == ["s/a | two"]
    assert not feed.wait(0.0)
    log.close()

    assert feed.wait(0.0)
    assert words(list(feed.poll())) == ["s/a | half", "s/a success", "s/b running"]
    feed.close()


def test_a_success_is_told_before_the_lines_of_the_next_step(book: LogBook) -> None:
    events = Events(book.changes, [PRINTS])
    feed = Feed(events, book)
    log = book.open(PRINTS.log)
    events.observe(Changed(_entry(STEP, Status.SUCCESS)))
    events.observe(Printing(NEXT, naming.log(NEXT)))
    following = book.open(naming.log(NEXT))
    list(feed.poll())

    log.write(Stream.STDOUT, b"last")
    log.close()
    following.write(Stream.STDOUT, b"first\n")

    assert words(list(feed.poll())) == ["s/a | last", "s/a success", "s/b | first"]
    feed.close()


def test_a_success_waits_for_its_lines_while_other_stages_are_told_of(book: LogBook) -> None:
    events = Events(book.changes, [PRINTS])
    feed = Feed(events, book)
    log, other = book.open(PRINTS.log), Address("r", "t", "c")
    log.write(Stream.STDOUT, b"half")
    events.observe(Changed(_entry(STEP, Status.SUCCESS)))
    events.observe(Printing(other, naming.log(other)))
    events.observe(Changed(_entry(NEXT, Status.RUNNING)))
    book.open(naming.log(other)).write(Stream.STDOUT, b"of another stage\n")

    assert words(list(feed.poll())) == ["t/c | of another stage"]
    log.close()
    assert words(list(feed.poll())) == ["s/a | half", "s/a success", "s/b running"]
    feed.close()


def test_the_end_of_a_step_waits_for_no_lines_once_no_more_events_come(book: LogBook) -> None:
    events = Events(book.changes, [PRINTS])
    book.open(PRINTS.log).write(Stream.STDOUT, b"one\n")
    events.observe(Changed(_entry(STEP, Status.SUCCESS)))
    feed = Feed(events, book)
    assert words(list(feed.poll())) == ["s/a | one"]

    events.close()

    assert words(list(feed.poll())) == ["s/a success"]
    assert feed.over
    feed.close()


@pytest.mark.parametrize(
    ("address", "status"),
    [(STEP, Status.FAILURE), (STEP, Status.RUNNING), (STEP.of_stage(), Status.SUCCESS), (NEXT, Status.SUCCESS)],
    ids=["a failure", "a start", "the success of a stage", "the success of a step that has no log"],
)
def test_nothing_else_waits_for_the_lines_of_a_step(book: LogBook, address: Address, status: Status) -> None:
    events = Events(book.changes, [PRINTS])
    book.open(PRINTS.log).write(Stream.STDOUT, b"one\n")
    feed = Feed(events, book)
    events.observe(Changed(_entry(address, status)))

    assert words(list(feed.poll())) == ["s/a | one", f"{address.path} {status}"]
    feed.close()


def test_a_line_without_an_end_comes_when_it_is_asked_for(book: LogBook) -> None:
    events = Events(book.changes, [PRINTS])
    book.open(PRINTS.log).write(Stream.STDOUT, b"half")
    feed = Feed(events, book)

    assert [item for item in feed.poll() if isinstance(item, Lines)] == []
    assert words(list(feed.poll(partial=True))) == ["s/a | half"]
    feed.close()


def test_what_a_journal_tells_comes_by_its_time_with_the_notices_where_they_came() -> None:
    run, service = Address("r"), Address("r", naming.SERVICES, "db")
    entries = [
        _entry(run, Status.RUNNING),
        _entry(service, Status.RUNNING, 1.0),
        _entry(STEP, Status.RUNNING, 2.0),
        _entry(STEP, Status.SUCCESS, 3.0),
    ]

    found = retold(entries, [(2.0, Notice("during")), (0.5, Notice("before"))])

    assert found == [
        Changed(entries[0]),
        Notice("before"),
        Changed(entries[1]),
        Printing(service, naming.log(service)),
        Changed(entries[2]),
        PRINTS,
        Notice("during"),
        Changed(entries[3]),
    ]


def test_what_was_made_ready_or_left_out_has_not_printed() -> None:
    entries = [_entry(STEP, status) for status in (Status.PENDING, Status.SKIPPED)]

    assert retold(entries, []) == [Changed(entry) for entry in entries]
