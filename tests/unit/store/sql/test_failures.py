import sqlite3

import psycopg
import pytest
import sqlalchemy.exc
from psycopg import errors
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError, StatementError

from runner.errors import StoreError
from runner.store.sql.failures import explained, sqlite_code, translated


def _sqlite(code: int, text: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


def _all_of_sqlalchemy() -> list[type[SQLAlchemyError]]:
    named = vars(sqlalchemy.exc).values()
    return [kind for kind in named if isinstance(kind, type) and issubclass(kind, SQLAlchemyError)]


@pytest.mark.parametrize("kind", _all_of_sqlalchemy(), ids=lambda kind: kind.__name__)
def test_every_exception_of_sqlalchemy_becomes_ours(kind: type[SQLAlchemyError]) -> None:
    error = kind.__new__(kind)
    if isinstance(error, StatementError):
        error.orig = None

    with pytest.raises(StoreError, match=r"^the store: ."), translated("the store"):
        raise error


def test_what_is_no_error_of_a_database_passes() -> None:
    with pytest.raises(KeyError), translated("the store"):
        raise KeyError


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (sqlite3.SQLITE_FULL, "make room"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, "able to write"),
        (sqlite3.SQLITE_BUSY, "another program"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "another program"),
        (sqlite3.SQLITE_CANTOPEN, "able to write"),
        (sqlite3.SQLITE_IOERR_WRITE, "the disk fails or is full"),
        (sqlite3.SQLITE_CORRUPT, "start the daemon again"),
        (sqlite3.SQLITE_NOTADB, "start the daemon again"),
    ],
)
def test_each_trouble_of_sqlite_has_its_next_action(code: int, hint: str) -> None:
    found = explained("database x", OperationalError("SELECT hush", {"a": "hush"}, _sqlite(code, "the reason")))

    assert found.message == "database x: the reason"
    assert hint in found.hint


def test_codes_of_sqlite_are_their_primary_ones() -> None:
    assert sqlite_code(_sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT, "")) == sqlite3.SQLITE_BUSY
    assert sqlite_code(ValueError()) == 0


@pytest.mark.parametrize(
    ("cause", "hint"),
    [
        (errors.InvalidPassword("no\nHINT: hush"), "user and password"),
        (errors.InvalidCatalogName("no\nHINT: hush"), "createdb"),
        (errors.ReadOnlySqlTransaction("no\nDETAIL: hush"), "primary"),
        (errors.DiskFull("no\nDETAIL: hush"), "no room"),
        (errors.InsufficientPrivilege("no\nDETAIL: hush"), "rights"),
        (errors.AdminShutdown("no\nDETAIL: hush"), "starting or stopping"),
        (errors.UniqueViolation("no\nDETAIL: Key (a)=(hush) already exists."), ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_trouble_of_postgresql_has_its_next_action_and_quotes_no_values(cause: psycopg.Error, hint: str) -> None:
    found = explained("database x", IntegrityError("INSERT hush", {"a": "hush"}, cause))

    assert found.message == "database x: no"
    assert hint in found.hint
    assert bool(found.hint) == bool(hint)


def test_a_server_that_cannot_be_reached_is_told_on_one_line() -> None:
    cause = psycopg.OperationalError("connection failed:\n\tConnection refused\n")

    found = explained("database x", DBAPIError("", None, cause))

    assert found.explained == (
        "database x: connection failed: Connection refused (is the server up, and RUNNER_DATABASE right?)"
    )
