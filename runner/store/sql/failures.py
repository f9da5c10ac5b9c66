"""What goes wrong in a database, in our words: no exception of SQLAlchemy leaves ``runner.store``."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from runner.errors import StoreError

DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_HELD = "another program holds it; end that, or wait until it is done"
_FORBIDDEN = "this user must be able to write the file and its directory"
_DAMAGED = "start the daemon again: it moves a damaged database aside"

_SQLITE = {
    sqlite3.SQLITE_FULL: "make room on the disk; nothing of this was written",
    sqlite3.SQLITE_READONLY: _FORBIDDEN,
    sqlite3.SQLITE_PERM: _FORBIDDEN,
    sqlite3.SQLITE_BUSY: _HELD,
    sqlite3.SQLITE_LOCKED: _HELD,
    sqlite3.SQLITE_CANTOPEN: _FORBIDDEN,
    sqlite3.SQLITE_IOERR: "the disk fails or is full: see what the kernel says (dmesg)",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
}

_UNREACHABLE = "is the server up, and RUNNER_DATABASE right?"

_POSTGRESQL = {
    "08": _UNREACHABLE,
    "28": "user and password are those of RUNNER_DATABASE, or of a PGPASSFILE",
    "3D": "make it with: createdb",
    "25": "the server takes no writes: name its primary in RUNNER_DATABASE",
    "42": "the user needs all rights on the tables, and to make some",
    "55": _HELD,
    "53": "the server has no room, memory or connections left",
    "57": "the server is starting or stopping; try again",
}
"""By class of SQLSTATE, as in appendix A of PostgreSQL's manual."""


def sqlite_code(error: BaseException | None) -> int:
    """Return SQLite's primary result code of an error, or 0 where it is none of SQLite."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def explained(database: str, error: BaseException) -> StoreError:
    """Return the error of ``database`` in our words: the database's own message, never a statement or its values."""
    cause = error.orig if isinstance(error, StatementError) else error
    if isinstance(error, NoConnectionError):
        return StoreError(f"{database}: all connections are in use", hint="is it slow, or stopped?")
    text = str(cause).strip() or type(cause).__name__
    if isinstance(cause, sqlite3.Error):
        return StoreError(f"{database}: {text}", hint=_SQLITE.get(sqlite_code(cause), ""))
    state = getattr(cause, "sqlstate", None) or ""
    # What follows the first line of an error with a state can quote values; what connecting says has no state.
    text = text.splitlines()[0] if state else " ".join(text.split())
    hint = _POSTGRESQL.get(state[:2], "") if state else _UNREACHABLE if isinstance(error, DBAPIError) else ""
    return StoreError(f"{database}: {text}", hint=hint)


@contextmanager
def translated(database: str) -> Iterator[None]:
    """Let the errors of a database leave the block as ``StoreError``."""
    try:
        yield
    except (
        SQLAlchemyError,
        sqlite3.Error,
        UnicodeDecodeError,
    ) as error:  # the last: a damaged name in SQLite's message
        raise explained(database, error) from error
