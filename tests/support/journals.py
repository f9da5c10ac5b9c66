"""The journals that ``tests/contract/test_journal.py`` runs against: one line here for each further one."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from runner.engine.journal import Journal, Memory
from runner.store.jsonl import JsonLines
from runner.store.sql.database import Database
from runner.store.sql.journal import SqlJournal
from runner.store.sql.runs import NewRun, Runs
from runner.store.sql.tables import runs
from tests.support import postgres

RUN = "run"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of journal of the run ``RUN``.

    ``open`` opens the one of a folder, which is a new one in an empty folder; the stack closes what it needs. Only one
    that is ``durable`` is the same when it is opened again. ``tear`` closes the journal and cuts its last entry off in
    the middle, as a machine does that dies while it writes.
    """

    name: str
    open: Callable[[Path, ExitStack], Journal]
    durable: bool = True
    tear: Callable[[Path, ExitStack], None] | None = None


def _lines(folder: Path, _: ExitStack) -> Journal:
    return JsonLines(folder / "journal.jsonl")


def _tear_lines(folder: Path, _: ExitStack) -> None:
    path = folder / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-7])


def _sqlite(folder: Path, stack: ExitStack) -> Journal:
    return _sql(f"sqlite:///{folder}/runner.db", stack)


def _tear_sqlite(folder: Path, stack: ExitStack) -> None:
    """Cut the log of the database, as it is while the database is open: closing it would empty the log."""
    for name in ("runner.db", "runner.db-wal"):
        shutil.copyfile(folder / name, folder / f"{name}.kept")
    stack.close()
    for name in ("runner.db", "runner.db-wal"):
        (folder / f"{name}.kept").rename(folder / name)
    log = folder / "runner.db-wal"
    log.write_bytes(log.read_bytes()[:-7])


def _postgresql(folder: Path, stack: ExitStack) -> Journal:
    name = folder / "database"
    if not name.exists():
        name.write_text(postgres.server().database(), "ascii")
    return _sql(postgres.server().url(name.read_text("ascii")), stack)


def _sql(url: str, stack: ExitStack) -> Journal:
    database = Database.open(url, _unexpected)
    stack.callback(database.close)
    with database.reading() as connection:
        known = connection.execute(select(runs.c.id)).scalar() is not None
    if not known:
        Runs(database).add(NewRun(id=RUN, ordered="{}"))
    return SqlJournal(database, RUN)


def _unexpected(text: str) -> None:
    raise AssertionError(text)


KINDS = (
    Kind(name="memory", open=lambda *_: Memory(), durable=False),
    Kind(name="lines", open=_lines, tear=_tear_lines),
    Kind(name="sqlite", open=_sqlite, tear=_tear_sqlite),
    Kind(name="postgresql", open=_postgresql),
)
