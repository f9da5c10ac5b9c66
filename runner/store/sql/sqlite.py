"""The file of a SQLite database: made, checked, moved aside when it is damaged.

A new database is prepared under another name and then linked to its own, with a mark of ours in its header. So an
empty file, or one without its beginning, is always damage and never a database that is new.
"""

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from runner.errors import StoreError
from runner.store.sql.failures import DAMAGED, sqlite_code, translated

APPLICATION = 0x72756E72
"""``application_id`` in the header of the file: "runr"."""

_SMALLEST = 512
"""Bytes of the smallest page."""


def prepare(path: Path, tell: Callable[[str], None], patience: float) -> None:
    """Make sure that ``path`` is a database that can be used; wait ``patience`` seconds where another process is at it.

    A damaged one is moved aside as ``<name>.corrupt-<time>`` with the files beside it, and ``tell`` is told.

    Raises:
        StoreError: it cannot be read, made or moved, is locked, or is the database of another program.
    """
    try:
        if damage := _damage(path, patience):
            aside = _aside(path)
            # First, so that it is told even if this process dies in between.
            tell(
                f"the database {path} is damaged ({damage}) and moved aside, as {aside}; an empty one takes its place: "
                f"runs, pipelines and secrets that were in it are unknown from now on"
            )
            _move(path, aside)
        if not path.exists():
            _make(path)
    except OSError as error:
        raise StoreError(
            f"database {path}: {error.strerror}", hint="this user must be able to write the file and its directory"
        ) from error


def settle(path: Path) -> None:
    """Move what is in the log into the database itself, if nobody else is at it."""
    with translated(f"database {path}"), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _damage(path: Path, patience: float) -> str:
    """Return what is damaged, or nothing; also where there is no database at all."""
    if not path.exists():
        return "the file is gone, its log is there" if _logged(path) else ""
    if path.stat().st_size < _SMALLEST:
        return "the file is empty"  # SQLite would take it for a new one, and remove its log
    with translated(f"database {path}"):
        try:
            return _checked(path, patience)
        except sqlite3.DatabaseError as error:
            if sqlite_code(error) not in DAMAGED:
                raise
            return str(error)
        except UnicodeDecodeError:
            return "what it says of its tables is no text"


def _checked(path: Path, patience: float) -> str:
    logged = _logged(path)
    # Who may only read changes nothing: whoever closes a database last moves the log into it otherwise.
    address = f"{path.as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=patience, isolation_level=None)) as connection:
        (first,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (page,) = connection.execute("PRAGMA page_size").fetchone()
    if application != APPLICATION:
        raise StoreError(f"{path} is no database of runner", hint="name another file in RUNNER_DATABASE")
    if path.stat().st_size % page and not logged:
        return "the file ends within a page"  # with a log, that is a write that was cut off, and made good from there
    return "" if first == "ok" else " ".join(first.split())


def _logged(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.corrupt-{datetime.now(UTC).strftime('%Y%m%dT%H%M%S.%fZ')}")


def _move(path: Path, aside: Path) -> None:
    # The database goes first: until all is done, what is left is found to be damaged by the next start.
    for ending in ("", "-wal", "-shm"):
        file = path.with_name(path.name + ending)
        if file.exists():
            file.rename(aside.with_name(aside.name + ending))


def _make(path: Path) -> None:
    file, name = tempfile.mkstemp(prefix=f"{path.name}.new-", dir=path.parent)
    os.close(file)
    try:
        with translated(f"database {path}"), closing(sqlite3.connect(name, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute("PRAGMA journal_mode = WAL")
        with suppress(FileExistsError):  # another process was faster
            os.link(name, path)
    finally:
        Path(name).unlink()
