from datetime import timedelta

import pytest

from runner.engine.events import Changed, Event, Notice
from runner.engine.journal import Entry, Memory
from runner.engine.ledger import Ledger
from runner.errors import InfrastructureError, JournalError, SupersededError, TransitionError
from runner.plan.status import Status
from tests.support.engine import RUN, ManualClock, at, ledger_of
from tests.support.failing import FailingJournal, nth
from tests.support.plans import step, steps_only

PLAN = steps_only(step("a"))


class _Pen:
    """A pen that cannot write."""

    epoch = 1

    def append(self, entry: Entry) -> None:
        raise AssertionError(entry)

    def confirm(self) -> None:
        raise InfrastructureError("cannot be read")


class _Unreadable(Memory):
    def take(self) -> _Pen:
        return _Pen()


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.engine.ledger._PATIENCE_SECONDS", 0.0)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses that a ledger makes; they take no time."""
    found: list[float] = []
    monkeypatch.setattr("runner.engine.ledger.time.sleep", found.append)
    return found


def test_a_record_is_in_the_journal_before_anybody_hears_of_it() -> None:
    journal = Memory()
    seen: list[tuple[Event, int]] = []
    ledger = Ledger(RUN, PLAN, journal, ManualClock(), lambda event: seen.append((event, len(journal.read()))))

    ledger.record(at("s/a"), Status.RUNNING)

    assert seen == [(Changed(journal.read()[0]), 1)]


@pytest.mark.usefixtures("_impatient")
def test_a_record_that_cannot_be_written_changes_nothing_and_is_told_to_nobody() -> None:
    seen: list[Event] = []
    ledger = Ledger(RUN, PLAN, FailingJournal(Memory(), nth(1)), ManualClock(), seen.append)

    with pytest.raises(JournalError, match="no space left") as caught:
        ledger.record(at("s/a"), Status.RUNNING)

    assert (caught.value.hint, seen) == ("make room", [])
    assert ledger.standing(at("s/a")).status is Status.PENDING


@pytest.mark.usefixtures("_impatient")
def test_a_ledger_that_has_given_up_writes_nothing_and_lets_nothing_be_ended_even_if_it_could() -> None:
    journal = Memory()
    ledger = Ledger(RUN, PLAN, FailingJournal(journal, nth(1), times=1), ManualClock(), lambda _: None)
    with pytest.raises(JournalError):
        ledger.record(at("s/a"), Status.RUNNING)

    with pytest.raises(JournalError, match="no space left"):
        ledger.record(at("s/a"), Status.RUNNING)
    with pytest.raises(JournalError, match="no space left"):
        ledger.confirm()
    assert journal.read() == ()


@pytest.mark.parametrize("late", [False, True])
def test_a_record_is_tried_again_and_written_and_told_once(pauses: list[float], *, late: bool) -> None:
    journal, seen = Memory(), list[Event]()
    ledger = Ledger(RUN, PLAN, FailingJournal(journal, nth(1), times=1, late=late), ManualClock(), seen.append)

    ledger.record(at("s/a"), Status.RUNNING)

    assert ([Changed(entry) for entry in journal.read()], len(seen)) == (seen, 1)
    assert len(pauses) == 1


def test_the_pauses_between_two_tries_grow_up_to_a_second(pauses: list[float]) -> None:
    ledger = Ledger(RUN, PLAN, FailingJournal(Memory(), nth(1), times=8), ManualClock(), lambda _: None)

    ledger.record(at("s/a"), Status.RUNNING)

    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("late", [False, True])
def test_a_ledger_that_is_replaced_between_two_tries_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, *, late: bool
) -> None:
    journal = Memory()
    failing = FailingJournal(journal, nth(1), times=1, late=late)
    ledger = Ledger(RUN, PLAN, failing, ManualClock(), lambda _: None)
    monkeypatch.setattr("runner.engine.ledger.time.sleep", lambda _: journal.take())

    with pytest.raises(SupersededError):
        ledger.record(at("s/a"), Status.RUNNING)
    assert len(journal.read()) == late


def test_a_fault_of_ours_is_not_tried_again(pauses: list[float]) -> None:
    ledger = ledger_of(PLAN, (Entry(address=at("s/a"), status=Status.SUCCESS, at=1.0),))

    with pytest.raises(TransitionError):
        ledger.record(at("s/a"), Status.RUNNING)
    assert pauses == []


def test_a_ledger_that_was_replaced_writes_nothing() -> None:
    journal = Memory()
    old = Ledger(RUN, PLAN, journal, ManualClock(), lambda _: None)
    Ledger(RUN, PLAN, journal, ManualClock(), lambda _: None)

    with pytest.raises(SupersededError):
        old.record(at("s/a"), Status.RUNNING)

    assert journal.read() == ()
    assert old.standing(at("s/a")).status is Status.PENDING


def test_seconds_count_from_the_start_of_the_run() -> None:
    journal, clock = Memory(), ManualClock()
    ledger = Ledger(RUN, PLAN, journal, clock, lambda _: None)

    clock.time += 2.5
    ledger.record(at("s/a"), Status.RUNNING)

    assert journal.read()[0].at == 2.5


def test_a_later_driver_counts_on_from_the_last_entry() -> None:
    journal, clock = Memory(), ManualClock()
    first = Ledger(RUN, PLAN, journal, clock, lambda _: None)
    clock.time += 30.0
    first.record(at("s/a"), Status.RUNNING)

    rebooted = ManualClock()
    rebooted.time = 1.0
    second = Ledger(RUN, PLAN, journal, rebooted, lambda _: None)
    rebooted.time += 4.0
    second.record(at("s/a"), Status.SUCCESS)

    assert [entry.at for entry in journal.read()] == [30.0, 34.0]
    assert second.standing(at("s/a")).seconds == 4.0


def test_where_it_is_known_when_a_run_began_the_time_in_which_nobody_drove_it_counts() -> None:
    journal, clock = Memory(), ManualClock()
    began = clock.now()
    clock.time += 30.0
    Ledger(RUN, PLAN, journal, clock, lambda _: None, began=began).record(at("s/a"), Status.RUNNING)

    clock.time += 100.0
    Ledger(RUN, PLAN, journal, clock, lambda _: None, began=began).record(at("s/a"), Status.SUCCESS)

    assert [entry.at for entry in journal.read()] == [30.0, 130.0]


def test_a_clock_that_was_set_back_shrinks_no_duration() -> None:
    journal, clock = Memory(), ManualClock()
    Ledger(RUN, PLAN, journal, clock, lambda _: None).record(at("s/a"), Status.RUNNING)
    clock.time += 30.0

    later = Ledger(RUN, PLAN, journal, ManualClock(), lambda _: None, began=clock.now())
    later.record(at("s/a"), Status.SUCCESS)

    assert [entry.at for entry in journal.read()] == [0.0, 0.0]


def test_a_ledger_knows_what_earlier_drivers_wrote() -> None:
    journal = Memory()
    Ledger(RUN, PLAN, journal, ManualClock(), lambda _: None).record(at("s/a", round=2, attempt=3), Status.RUNNING)

    ledger = Ledger(RUN, PLAN, journal, ManualClock(), lambda _: None)

    assert ledger.stage("s") == at("s", round=2)
    assert ledger.step(at("s", round=2), "a") == at("s/a", round=2, attempt=3)
    assert ledger.ask(lambda state: state.unfinished()) == (at("s/a", round=2, attempt=3),)


def test_an_event_that_is_told_is_passed_on_and_not_written() -> None:
    journal, seen = Memory(), list[Event]()
    ledger = Ledger(RUN, PLAN, journal, ManualClock(), seen.append)

    ledger.tell(Notice("look", at("s/a")))

    assert seen == [Notice("look", at("s/a"))]
    assert journal.read() == ()


def test_a_run_began_when_its_clock_says_so_less_what_was_driven_before() -> None:
    entries = (Entry(address=at("s"), status=Status.RUNNING, at=30.0),)

    assert ledger_of(steps_only(step("a"))).began == ManualClock().now()
    assert ledger_of(steps_only(step("a")), entries).began == ManualClock().now() - timedelta(seconds=30)


def test_a_driver_that_was_replaced_is_not_confirmed() -> None:
    journal = Memory()
    ledger = Ledger(RUN, PLAN, journal, ManualClock(), lambda _: None)
    ledger.confirm()

    journal.take()

    with pytest.raises(SupersededError):
        ledger.confirm()


def test_where_the_journal_cannot_be_read_nobody_knows_better() -> None:
    Ledger(RUN, PLAN, _Unreadable(), ManualClock(), lambda _: None).confirm()
