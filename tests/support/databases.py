"""Databases of tests: a SQLite file each, and one on PostgreSQL that is emptied for each."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from runner.store.sql.database import Database
from runner.store.sql.tables import METADATA
from tests.support import postgres

SQLITE, POSTGRESQL = KINDS = ("sqlite", "postgresql")


def unexpected(told: str) -> None:
    """Be told of damage where there is none."""
    raise AssertionError(told)


def url(kind: str, folder: Path) -> str:
    """Return the address of the database that the tests of a folder use."""
    return f"sqlite:///{folder}/runner.db" if kind == SQLITE else postgres.server().url(_shared())


@contextmanager
def database(kind: str, folder: Path) -> Iterator[Database]:
    """Open an empty database, until the end of the block."""
    found = Database.open(url(kind, folder), unexpected)
    try:
        if kind == POSTGRESQL:
            with found.writing() as connection:
                names = ", ".join(table.name for table in METADATA.sorted_tables if table.name != "meta")
                connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
                connection.execute(text("DELETE FROM meta WHERE key <> 'program'"))
        yield found
    finally:
        found.close()


@functools.cache
def _shared() -> str:
    return postgres.server().database()
