"""The runs of the daemon: one row each, from submission until nobody remembers them."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy.exc import IntegrityError

from runner.clock import Clock, SystemClock
from runner.engine.events import Notice
from runner.engine.journal import Entry
from runner.errors import ConflictError
from runner.naming import Address
from runner.plan.status import Status
from runner.records import record
from runner.store.sql import journal
from runner.store.sql.database import Database
from runner.store.sql.family import family, fate
from runner.store.sql.rows import change, lock, row
from runner.store.sql.tables import UNENDED, Cancel, entries, inherits, notices, runs

_BATCH = 500
"""How many runs are forgotten in one transaction, so that nobody waits long for it."""


@record
class NewRun:
    """A run that is submitted.

    ``ordered`` is what was ordered, as JSON, ``sealed`` the secrets that were given with it, as a vault sealed them.
    ``origin`` is the run that this one repeats, ``inherits`` those whose workspaces it stands on. An async stage
    (``child``) has been started by the run ``parent``.
    """

    id: str
    ordered: str
    sealed: bytes = b""
    pipeline: str = ""
    queue: str = ""
    priority: int = 0
    origin: str = ""
    inherits: tuple[str, ...] = ()
    parent: str = ""
    child: str = ""


@record
class RunRecord:
    """A run as it stands, without what may be large. ``number`` counts submissions, from 1; times are in UTC.

    ``parent`` and ``child`` are as in ``NewRun``.
    """

    number: int
    id: str
    pipeline: str
    queue: str
    priority: int
    created: datetime
    status: Status
    reason: str
    epoch: int
    cancel: Cancel
    origin: str
    started: datetime | None
    ended: datetime | None
    kept_until: datetime | None
    parent: str
    child: str


@record
class Ordered:
    """What was ordered, as JSON, and the secrets that were given with it, sealed: as in ``NewRun``."""

    ordered: str
    sealed: bytes


_RECORD, _ORDERED = (tuple(runs.c[each.name] for each in fields(kind)) for kind in (RunRecord, Ordered))


@record
class Waiting:
    """What a dispatcher has to know of a run. ``number`` is its place in the order of submission."""

    id: str
    queue: str
    priority: int
    pipeline: str
    number: int
    cancelled: bool = False


_DISPATCHED = (runs.c.id, runs.c.queue, runs.c.priority, runs.c.pipeline, runs.c.number, runs.c.cancel)


@record
class Kept:
    """A run whose workspaces are kept, and until when."""

    id: str
    until: datetime


class Runs:
    """All runs. Every method is one transaction, may be called from any thread, and raises StoreError."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()

    def add(self, new: NewRun, inherited: Sequence[Entry] = ()) -> RunRecord:
        """Add a run that waits, with the entries that it takes over from the run it repeats.

        It is cancelled already if its parent goes on and was cancelled with its children.

        Raises:
            ConflictError: the id is taken.
            NotFoundError: a run that it inherits from is not there any more.
        """
        values: dict[str, Any] = {each.name: getattr(new, each.name) for each in fields(new) if each.name != "inherits"}
        values |= {"created": self._clock.now(), "status": Status.PENDING, "epoch": 0}
        values |= {"reason": "", "result": "", "cancel_children": Cancel.NOT}
        with self._database.writing() as connection:
            for origin in new.inherits:
                lock(connection, origin)
            # Whoever repeats an async stage wants it, whatever becomes of its parent.
            values["cancel"] = fate(connection, new.parent) if new.parent and not new.origin else Cancel.NOT
            try:
                connection.execute(insert(runs).values(values))
            except IntegrityError as error:
                raise ConflictError(f"there is a run {new.id} already") from error
            if new.inherits:
                connection.execute(insert(inherits), [{"run": new.id, "origin": origin} for origin in new.inherits])
            if inherited:
                rows = [journal.row(new.id, seq, 0, entry) for seq, entry in enumerate(inherited, 1)]
                connection.execute(insert(entries), rows)
            return _get(connection, new.id)

    def get(self, run: str) -> RunRecord:
        """Return a run.

        Raises:
            NotFoundError: there is none of that id.
        """
        with self._database.reading() as connection:
            return _get(connection, run)

    def order_of(self, run: str) -> Ordered:
        """Return what was ordered, which may have many megabytes.

        Raises:
            NotFoundError: there is no such run.
        """
        with self._database.reading() as connection:
            return Ordered(**row(connection, run, select(*_ORDERED)))

    def result_of(self, run: str) -> str:
        """Return the document, in JSON, that ``set_result`` has kept; empty when there is none.

        Raises:
            NotFoundError: there is no such run.
        """
        with self._database.reading() as connection:
            return str(row(connection, run, select(runs.c.result))["result"])

    def find(
        self, pipeline: str = "", statuses: Collection[Status] = (), limit: int = 50, before: int | None = None
    ) -> tuple[RunRecord, ...]:
        """Return the newest runs, newest first: of a pipeline, in one of some statuses, submitted before a number."""
        wanted = select(*_RECORD).order_by(runs.c.number.desc()).limit(limit)
        if pipeline:
            wanted = wanted.where(runs.c.pipeline == pipeline)
        if statuses:
            wanted = wanted.where(runs.c.status.in_(statuses))
        if before is not None:
            wanted = wanted.where(runs.c.number < before)
        return self._records(wanted)

    def children(self, run: str) -> tuple[RunRecord, ...]:
        """Return the runs that a run has started, and those that repeat them, as they were submitted."""
        return self._records(select(*_RECORD).where(runs.c.parent == run).order_by(runs.c.number))

    def waiting(self, each: int) -> tuple[Waiting, ...]:
        """Return runs that wait: the cancelled ones, and of each queue and pipeline the first ``each`` others.

        First is what has the highest priority, then what was submitted first. A paused run waits if it was cancelled.
        """
        turn = func.row_number().over(
            partition_by=(runs.c.queue, runs.c.pipeline), order_by=(runs.c.priority.desc(), runs.c.number)
        )
        paused = and_(runs.c.status == Status.PAUSED, runs.c.cancel != Cancel.NOT)
        found = select(*_DISPATCHED, turn.label("turn")).where(or_(runs.c.status == Status.PENDING, paused)).subquery()
        wanted = (
            select(found)
            .where(or_(found.c.turn <= each, found.c.cancel != Cancel.NOT))
            .order_by(found.c.priority.desc(), found.c.number)
        )
        return self._waiting(wanted)

    def begun(self) -> tuple[Waiting, ...]:
        """Return the runs that are running, as they were submitted."""
        return self._waiting(select(*_DISPATCHED).where(runs.c.status == Status.RUNNING).order_by(runs.c.number))

    def paused(self) -> tuple[str, ...]:
        """Return the runs that are paused, as they were submitted."""
        return self._ids(select(runs.c.id).where(runs.c.status == Status.PAUSED).order_by(runs.c.number))

    def count(self, status: Status) -> int:
        """Return how many runs have a status."""
        with self._database.reading() as connection:
            return connection.execute(select(func.count()).where(runs.c.status == status)).scalar_one()

    def ask_cancel(self, run: str, *, forced: bool = False, children: bool = False) -> tuple[str, ...]:
        """Note that a run is to end before its time, and return all that are to end now.

        With ``children`` these are also those that it has started or will yet start, and theirs. What was asked for by
        force stays so.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: it has ended, and with it all others that are meant.
        """
        asked: list[str] = []
        with self._database.writing() as connection:
            for each, status, cancel in family(connection, run) if children else ((run, *lock(connection, run)),):
                if not status.ended:
                    wish = Cancel.FORCED if forced or cancel is Cancel.FORCED else Cancel.POLITE
                    change(connection, each, cancel=wish, **({"cancel_children": wish} if children else {}))
                    asked.append(each)
            if not asked:
                others = ", and so has all that it has started" if children else ""
                raise ConflictError(f"run {run} has ended: {_get(connection, run).status}{others}")
        return tuple(asked)

    def reorder(self, run: str, ordered: str) -> None:
        """Change what was ordered, but for its secrets: what it left open has been found out.

        Raises:
            NotFoundError: there is no such run.
        """
        self._set(run, ordered=ordered)

    def set_result(self, run: str, result: str) -> None:
        """Keep the document, in JSON, that tells how a run went.

        Raises:
            NotFoundError: there is no such run.
        """
        self._set(run, result=result)

    def tell(self, run: str, at: float, notice: Notice) -> None:
        """Add a notice that came ``at`` seconds after the start of a run.

        Raises:
            NotFoundError: there is no such run.
        """
        address = notice.address or Address(run, round=0, attempt=0)
        with self._database.writing() as connection:
            lock(connection, run)
            last = connection.execute(select(func.max(notices.c.seq)).where(notices.c.run == run)).scalar() or 0
            values = {"run": run, "seq": last + 1, "at": at, "text": notice.text}
            place = {name: getattr(address, name) for name in ("stage", "step", "round", "attempt")}
            connection.execute(insert(notices).values({**values, **place}))

    def notices(self, run: str) -> list[tuple[float, Notice]]:
        """Return the notices of a run in their order, each with its second of the run."""
        with self._database.reading() as connection:
            found = connection.execute(select(notices).where(notices.c.run == run).order_by(notices.c.seq)).all()
        return [
            (row.at, Notice(row.text, Address(run, row.stage, row.step, row.round, row.attempt) if row.round else None))
            for row in found
        ]

    def keep(self, run: str, until: datetime) -> None:
        """Note that the workspaces of a run are kept until a time.

        Raises:
            NotFoundError: there is no such run.
        """
        self._set(run, kept_until=until)

    def kept(self) -> tuple[Kept, ...]:
        """Return the runs that have ended and whose workspaces are kept, those first whose time comes first."""
        over = and_(runs.c.kept_until.is_not(None), runs.c.status.not_in(UNENDED))
        wanted = select(runs.c.id, runs.c.kept_until.label("until")).where(over)
        with self._database.reading() as connection:
            found = connection.execute(wanted.order_by(runs.c.kept_until, runs.c.number)).mappings()
            return tuple(Kept(**row) for row in found)

    def release(self, run: str) -> None:
        """Note that the workspaces of a run are kept no more.

        Raises:
            NotFoundError: there is no such run.
        """
        self._set(run, kept_until=None)

    def holders(self, run: str) -> tuple[str, ...]:
        """Return the runs that need the workspaces of this one: they stand on them, and go on or are kept."""
        wanted = (
            select(runs.c.id)
            .join(inherits, inherits.c.run == runs.c.id)
            .where(inherits.c.origin == run, or_(runs.c.status.in_(UNENDED), runs.c.kept_until.is_not(None)))
            .order_by(runs.c.number)
        )
        return self._ids(wanted)

    def forget(self, *, beyond: int) -> tuple[str, ...]:
        """Remove runs beyond a number of newer ones; return their ids.

        Runs that have not ended, are kept, or that another run stands on stay. It removes a few hundred at a time, so a
        caller repeats it until nothing is returned. What they left elsewhere is for the caller to remove.
        """
        with self._database.writing() as connection:
            newest = select(runs.c.number).order_by(runs.c.number.desc()).offset(beyond).limit(1)
            last = connection.execute(newest).scalar()
            if last is None:
                return ()
            # A parent that goes on knows by its children which requests it has met.
            parents = runs.alias()
            free = and_(
                runs.c.ended.is_not(None),
                runs.c.kept_until.is_(None),
                ~exists().where(inherits.c.origin == runs.c.id),
                ~exists().where(parents.c.id == runs.c.parent, parents.c.ended.is_(None)),
            )
            wanted = select(runs.c.id).where(free, runs.c.number <= last).order_by(runs.c.number).limit(_BATCH)
            found = tuple(connection.execute(wanted).scalars())
            connection.execute(delete(runs).where(runs.c.id.in_(found)))
        return found

    def _set(self, run: str, **values: Any) -> None:  # noqa: ANN401 - of any column
        with self._database.writing() as connection:
            change(connection, run, **values)

    def _waiting(self, wanted: Select[Any]) -> tuple[Waiting, ...]:
        with self._database.reading() as connection:
            return tuple(
                Waiting(
                    id=row.id,
                    queue=row.queue,
                    priority=row.priority,
                    pipeline=row.pipeline,
                    number=row.number,
                    cancelled=row.cancel is not Cancel.NOT,
                )
                for row in connection.execute(wanted)
            )

    def _ids(self, wanted: Select[str]) -> tuple[str, ...]:
        with self._database.reading() as connection:
            return tuple(connection.execute(wanted).scalars())

    def _records(self, wanted: Select[Any]) -> tuple[RunRecord, ...]:
        with self._database.reading() as connection:
            return tuple(RunRecord(**found) for found in connection.execute(wanted).mappings())


def _get(connection: Connection, run: str) -> RunRecord:
    return RunRecord(**row(connection, run, select(*_RECORD)))
