from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, text

from runner.engine.journal import Entry, Writer
from runner.errors import NotFoundError, StoreError, SupersededError, TransitionError
from runner.naming import Address
from runner.plan.status import Status
from runner.store.sql.database import Database
from runner.store.sql.journal import SqlJournal
from runner.store.sql.runs import NewRun, Runs
from runner.store.sql.tables import entries, runs
from tests.support import databases

RUN = "run"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with databases.database(databases.SQLITE, tmp_path) as found:
        Runs(found).add(NewRun(id=RUN, ordered="{}"))
        yield found


@pytest.fixture
def journal(database: Database) -> SqlJournal:
    return SqlJournal(database, RUN)


def _entry(stage: str, status: Status = Status.RUNNING) -> Entry:
    return Entry(address=Address(RUN, stage), status=status, at=0.5)


def _fail_once(database: Database, monkeypatch: pytest.MonkeyPatch, *, committed: bool) -> None:
    """Let the next transaction that writes fail: behind its commit, or before."""
    writing = database.writing

    @contextmanager
    def fail() -> Iterator[Connection]:
        monkeypatch.setattr(database, "writing", writing)
        with writing() as connection:
            yield connection
            if not committed:
                raise StoreError("the disk is full")
        raise StoreError("the connection broke")

    monkeypatch.setattr(database, "writing", fail)


def _append(writer: Writer, *stages: str) -> None:
    for stage in stages:
        writer.append(_entry(stage))


def test_an_append_is_one_statement_in_its_transaction(database: Database, journal: SqlJournal) -> None:
    writer = journal.take()
    statements: list[str] = []
    with database.writing() as connection:
        driver = connection.connection.driver_connection
    assert driver is not None

    driver.set_trace_callback(statements.append)
    _append(writer, "build")
    driver.set_trace_callback(None)

    assert [statement.split()[0] for statement in statements] == ["BEGIN", "INSERT", "COMMIT"]


def test_what_could_not_be_written_can_be_written_again(
    database: Database, journal: SqlJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = journal.take()
    _append(writer, "a")
    _fail_once(database, monkeypatch, committed=False)
    with pytest.raises(StoreError, match="the disk is full"):
        _append(writer, "b")

    _append(writer, "b", "c")

    assert journal.read() == (_entry("a"), _entry("b"), _entry("c"))


def test_what_was_written_although_an_error_came_back_is_known(
    database: Database, journal: SqlJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = journal.take()
    _fail_once(database, monkeypatch, committed=True)
    with pytest.raises(StoreError, match="the connection broke"):
        _append(writer, "a")

    with pytest.raises(TransitionError):
        _append(writer, "a")
    _append(writer, "b")

    assert journal.read() == (_entry("a"), _entry("b"))


def test_a_driver_that_looks_again_does_not_become_the_newest(
    database: Database, journal: SqlJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = journal.take()
    _fail_once(database, monkeypatch, committed=False)
    with pytest.raises(StoreError):
        _append(old, "a")
    journal.take().append(_entry("b"))

    for stage in ("c", "b"):
        with pytest.raises(SupersededError, match=r"driver 1 .* replaced by driver 2"):
            _append(old, stage)

    assert journal.read() == (_entry("b"),)


def test_the_row_of_a_run_and_its_entry_are_written_together_or_not_at_all(
    database: Database, journal: SqlJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = journal.take()
    _fail_once(database, monkeypatch, committed=False)
    with pytest.raises(StoreError):
        _append(writer, "")

    assert (journal.read(), Runs(database).get(RUN).status) == ((), Status.PENDING)


def test_the_driver_of_a_run_that_was_forgotten_is_told(database: Database, journal: SqlJournal) -> None:
    writer = journal.take()
    with database.writing() as connection:
        connection.execute(delete(runs))

    for use in (writer.confirm, lambda: _append(writer, "a")):
        with pytest.raises(NotFoundError, match="there is no run run"):
            use()


def test_every_entry_says_which_driver_wrote_it(database: Database, journal: SqlJournal) -> None:
    for stage in ("a", "b"):
        _append(journal.take(), stage)

    with database.reading() as connection:
        found = connection.execute(entries.select().order_by(entries.c.seq)).all()
    assert [(row.seq, row.epoch, row.stage) for row in found] == [(1, 1, "a"), (2, 2, "b")]


def test_a_status_that_does_not_exist_is_damage(database: Database, journal: SqlJournal) -> None:
    _append(journal.take(), "a")
    with database.writing() as connection:
        connection.execute(text("UPDATE entries SET status = 'jogging'"))

    with pytest.raises(StoreError, match="damaged: 'jogging'"):
        journal.read()
