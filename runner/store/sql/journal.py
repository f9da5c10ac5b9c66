"""The journal of a run of the daemon, in the database."""

import threading
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, insert, literal, select, update

from runner.clock import Clock, SystemClock
from runner.engine.journal import Course, Entry, Writer, superseded
from runner.errors import NotFoundError, TransitionError
from runner.naming import Address
from runner.plan.status import Status
from runner.store.sql.database import Database
from runner.store.sql.tables import entries, runs

_COLUMNS = tuple(column.name for column in entries.columns)

# A driver that takes over at the same moment waits for the row, or is seen.
_APPEND = (
    insert(entries)
    .from_select(
        _COLUMNS,
        select(*(bindparam(f"new_{column.name}", type_=column.type) for column in entries.columns))
        .where(
            runs.c.id == bindparam("id", type_=runs.c.id.type),
            runs.c.epoch == bindparam("mine", type_=runs.c.epoch.type),
        )
        .with_for_update(key_share=True),
    )
    .execution_options(preserve_rowcount=True)
)
_READ = select(entries).where(entries.c.run == bindparam("run", type_=runs.c.id.type)).order_by(entries.c.seq)


class SqlJournal:
    """The journal of a run whose row is there.

    What the run itself enters changes its row in the same transaction: status, reason, and when it started and ended.
    """

    def __init__(self, database: Database, run: str, clock: Clock | None = None) -> None:
        self._database = database
        self._run = run
        self._clock = clock or SystemClock()

    def take(self) -> Writer:
        """Become the driver.

        Raises:
            NotFoundError: there is no such run.
            StoreError: the database cannot be read or written.
        """
        statement = update(runs).where(runs.c.id == self._run).values(epoch=runs.c.epoch + 1).returning(runs.c.epoch)
        with self._database.writing() as connection:
            epoch = connection.execute(statement).scalar()
            if epoch is None:
                raise _no_run(self._run)
            return _SqlWriter(self._database, self._run, epoch, self._clock, _read(connection, self._run))

    def read(self) -> tuple[Entry, ...]:
        """Return all entries.

        Raises:
            StoreError: the database cannot be read, or is damaged.
        """
        with self._database.reading() as connection:
            return _read(connection, self._run)


def row(run: str, seq: int, epoch: int, entry: Entry) -> dict[str, Any]:
    """Return the row of ``entries`` that holds an entry of a run, by column."""
    address = entry.address
    return {
        "run": run,
        "seq": seq,
        "epoch": epoch,
        "stage": address.stage,
        "step": address.step,
        "round": address.round,
        "attempt": address.attempt,
        "status": entry.status,
        "at": entry.at,
        "exit_code": entry.exit_code,
        "reason": entry.reason,
        "branches": entry.branches,
    }


class _SqlWriter:
    """Knows what has been written, as nobody else can write; after a failure it looks again."""

    def __init__(self, database: Database, run: str, epoch: int, clock: Clock, written: tuple[Entry, ...]) -> None:
        self.epoch = epoch
        self._database = database
        self._run = run
        self._clock = clock
        self._lock = threading.Lock()
        self._count = len(written)
        self._course: Course | None = Course(written)

    def append(self, entry: Entry) -> None:
        with self._lock:
            course = self._course or self._look()
            try:
                course.check(entry)
            except TransitionError:
                with self._database.reading() as connection:
                    self._check_epoch(connection)
                raise
            self._course = None  # whether a transaction that fails was committed is not known
            with self._database.writing() as connection:
                self._write(connection, entry)
            course.apply(entry)
            self._course = course
            self._count += 1

    def confirm(self) -> None:
        with self._database.reading() as connection:
            self._check_epoch(connection)

    def _look(self) -> Course:
        with self._database.reading() as connection:
            written = _read(connection, self._run)
        self._count = len(written)
        return Course(written)

    def _write(self, connection: Connection, entry: Entry) -> None:
        values = {f"new_{name}": value for name, value in row(self._run, self._count + 1, self.epoch, entry).items()}
        if not connection.execute(_APPEND, {**values, "id": self._run, "mine": self.epoch}).rowcount:
            self._check_epoch(connection)
        if not entry.address.stage:
            self._enter(connection, entry)

    def _check_epoch(self, connection: Connection) -> None:
        newest = connection.execute(select(runs.c.epoch).where(runs.c.id == self._run)).scalar()
        if newest is None:
            raise _no_run(self._run)
        if newest != self.epoch:
            raise superseded(self.epoch, newest)

    def _enter(self, connection: Connection, entry: Entry) -> None:
        now = literal(self._clock.now(), runs.c.started.type)
        began = func.coalesce(runs.c.started, now)
        changes: dict[str, Any] = {"status": entry.status, "reason": entry.reason}
        if entry.status is Status.RUNNING:
            changes["started"] = began
        elif entry.status.ended:
            # The clock of this machine may have been set back meanwhile.
            changes["ended"] = case((began > now, began), else_=now)
        connection.execute(update(runs).where(runs.c.id == self._run).values(changes))


def _read(connection: Connection, run: str) -> tuple[Entry, ...]:
    return tuple(
        Entry(
            address=Address(found.run, found.stage, found.step, found.round, found.attempt),
            status=found.status,
            at=found.at,
            exit_code=found.exit_code,
            reason=found.reason,
            branches=found.branches,
        )
        for found in connection.execute(_READ, {"run": run})
    )


def _no_run(run: str) -> NotFoundError:
    return NotFoundError(f"there is no run {run}")
