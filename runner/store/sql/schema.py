"""Which schema a database has, and how it gets the one of this program."""

from sqlalchemy import Connection, insert, inspect, select, text, update

import runner
from runner.errors import StoreError
from runner.store.sql.tables import HEAD, meta

PROGRAM = "program"
"""The key in ``meta`` of the version of the program that opened the database last."""

_LOCK = 0x72756E72
"""The number of the advisory lock under which PostgreSQL's tables are changed: any, but always the same."""


def bring_up(connection: Connection, name: str) -> bool:
    """Give a database the schema of this program, in the transaction of the caller; return whether it had another.

    It writes in any case: so a database that takes no writes is found out when it is opened.

    Raises:
        StoreError: a newer program has changed it.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    found = _version(connection)
    if found != HEAD:
        # Alembic costs 50 ms and memory, and almost never has something to do.
        from runner.store.sql.migrations import upgrade  # noqa: PLC0415 - see above

        if found and not upgrade.known(found):
            raise _newer(name, found, _program(connection))
        upgrade.run(connection)
    put(connection, PROGRAM, runner.__version__)
    return found != HEAD


def get(connection: Connection, key: str) -> str | None:
    """Return a value of ``meta``."""
    return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar()


def put(connection: Connection, key: str, value: str) -> None:
    """Set a value of ``meta``."""
    if not connection.execute(update(meta).where(meta.c.key == key).values(value=value)).rowcount:
        connection.execute(insert(meta).values(key=key, value=value))


def _version(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def _program(connection: Connection) -> str:
    return (get(connection, PROGRAM) if inspect(connection).has_table(meta.name) else None) or "a newer one"


def _newer(name: str, found: str, program: str) -> StoreError:
    return StoreError(
        f"{name} has schema {found} of runner {program}; this is runner {runner.__version__}, which knows {HEAD}",
        hint=f"start runner {program}, or name another database in RUNNER_DATABASE",
    )
