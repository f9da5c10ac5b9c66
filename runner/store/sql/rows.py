"""Rows of ``runs`` within a transaction of the caller."""

from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select, update

from runner.errors import NotFoundError
from runner.plan.status import Status
from runner.store.sql.tables import Cancel, runs


def lock(connection: Connection, run: str) -> tuple[Status, Cancel]:
    """Return how a run stands that nobody else changes until the end of the transaction.

    Raises:
        NotFoundError: there is no such run.
    """
    found = row(connection, run, select(runs.c.status, runs.c.cancel).with_for_update(key_share=True))
    return found["status"], found["cancel"]


def row(connection: Connection, run: str, wanted: Select[Any]) -> RowMapping:
    """Return the columns of a run that are ``wanted``.

    Raises:
        NotFoundError: there is no such run.
    """
    found = connection.execute(wanted.where(runs.c.id == run)).mappings().first()
    if found is None:
        raise NotFoundError(f"there is no run {run}")
    return found


def change(connection: Connection, run: str, **values: Any) -> None:  # noqa: ANN401 - of any column
    """Change columns of a run.

    Raises:
        NotFoundError: there is no such run.
    """
    if not connection.execute(update(runs).where(runs.c.id == run).values(values)).rowcount:
        raise NotFoundError(f"there is no run {run}")
