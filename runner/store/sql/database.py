"""A database, opened: its transactions, and its schema brought up to date.

SQLite and PostgreSQL are used in the same way. SQLite has one writer at a time: those of this process wait for each
other in ``writing``, those of other processes are waited for by SQLite.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from runner.errors import StoreError, UsageError
from runner.store.sql import schema, sqlite
from runner.store.sql.failures import translated

OWNER = "daemon"
"""The key in ``meta`` of the name of the daemon whose database it is."""

PATIENCE = 10.0
"""Seconds that a lock of another process is waited for."""

_KNOWN = "for example sqlite:////var/lib/runner/runner.db or postgresql://runner@db.example/runner"
_BEGIN = "runner_begin"
_POOL = 8


class Database:
    """One database, for any number of threads. ``name`` is what messages call it; no password is in it."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.name = name
        self._engine = engine
        self._pen: AbstractContextManager[object] = nullcontext()
        self._writer: Engine = engine
        self._reader: Engine = engine
        if engine.dialect.name == "sqlite":
            self._pen = threading.Lock()
            self._writer = engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        else:
            self._reader = engine.execution_options(isolation_level="REPEATABLE READ")

    @classmethod
    def open(cls, url: str, tell: Callable[[str], None], *, patience: float = PATIENCE) -> "Database":
        """Open a database, make it if it is not there, and bring its tables up to date.

        A damaged file is moved aside and replaced by an empty one (``sqlite.prepare``); ``tell`` gets the sentence
        about it, which must be seen.

        Raises:
            UsageError: the URL is none, or of no database that is known.
            StoreError: it cannot be used; the hint says what to do.
        """
        parsed = _parsed(url)
        path = Path(parsed.database or "").absolute() if parsed.get_backend_name() == "sqlite" else None
        if path is not None:
            sqlite.prepare(path, tell, patience)
            database = cls(_sqlite_engine(path, patience), f"database {path}")
        else:
            where = parsed.host or "this machine"
            database = cls(_server_engine(parsed, patience), f"database {parsed.database} on {where}")
        with ExitStack() as unless_open:
            unless_open.callback(database.close)
            with database.writing() as connection:
                migrated = schema.bring_up(connection, database.name)
            if migrated and path is not None:
                sqlite.settle(path)
            unless_open.pop_all()
        return database

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that may write; it is committed unless the block raises.

        A thread that writes already must not begin again.

        Raises:
            StoreError: anything that the database says.
        """
        with translated(self.name), self._pen, self._writer.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection in a transaction that sees the database as it was at its first statement.

        Raises:
            StoreError: anything that the database says.
        """
        with translated(self.name), self._reader.begin() as connection:
            yield connection

    def claim(self, daemon: str) -> bool:
        """Make it the database of the daemon of this name; return whether it was nobody's before.

        Raises:
            StoreError: it is another daemon's, or cannot be written.
        """
        with self.writing() as connection:
            owner = schema.get(connection, OWNER)
            if owner is None:
                schema.put(connection, OWNER, daemon)
        if owner not in (None, daemon):
            raise StoreError(
                f"{self.name} is that of another daemon ({owner})",
                hint="each data directory has a database of its own; one that moves takes its file `instance` along",
            )
        return owner is None

    def close(self) -> None:
        """Close all connections; those in use when they are given back."""
        self._engine.dispose()


def sqlite_url(path: Path) -> str:
    """Return the URL of a database in a file, whatever signs its path has."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        raise UsageError("RUNNER_DATABASE is no address of a database", hint=_KNOWN) from error
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return parsed
        case "postgresql":
            return parsed.set(drivername="postgresql+psycopg")
        case _:
            raise UsageError(f"RUNNER_DATABASE: a {parsed.drivername} database cannot be used", hint=_KNOWN)


def _sqlite_engine(path: Path, patience: float) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)), connect_args={"timeout": patience}, pool_size=_POOL, max_overflow=-1
    )

    # As SQLAlchemy's page on SQLite describes: the driver begins no transactions of its own, we do.
    @event.listens_for(engine, "connect")
    def set_up(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("foreign_keys = ON", "synchronous = FULL"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))

    return engine


def _server_engine(url: URL, patience: float) -> Engine:
    given = url.query.get("options", "")
    options = f"{given if isinstance(given, str) else ' '.join(given)} -c lock_timeout={round(patience * 1000)}"
    try:
        return create_engine(
            url,
            connect_args={"connect_timeout": max(2, round(patience)), "options": options},
            pool_pre_ping=True,  # a server that was restarted must not cost a run
            pool_size=_POOL,
            max_overflow=_POOL,
        )
    except ModuleNotFoundError as error:
        raise StoreError(
            f"the driver of PostgreSQL is missing: {error.name}", hint="pip install 'psycopg[binary]'"
        ) from error
