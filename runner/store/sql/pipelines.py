"""Registered pipelines, with their properties, plain and secure."""

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Column, Connection, Table, delete, insert, select, update

from runner.clock import Clock, SystemClock
from runner.errors import NotFoundError, UsageError, quoted
from runner.records import record
from runner.store.sealing import Vault
from runner.store.sql.database import Database
from runner.store.sql.tables import pipelines, properties, secrets

_Value = TypeVar("_Value")

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}")


@record
class PipelineRecord:
    """A registered pipeline; ``definition`` is JSON that says where its file is and with which facts it runs.

    ``properties`` are the plain ones; of the secure ones ``secrets`` has the names, each with the time when it was set.
    """

    name: str
    definition: str
    created: datetime
    properties: Mapping[str, str]
    secrets: Mapping[str, datetime]


class Pipelines:
    """All registered pipelines. Every method is one transaction, may be called from any thread, and raises StoreError.

    What is asked of a pipeline that is not registered raises NotFoundError.
    """

    def __init__(self, database: Database, vault: Vault, clock: Clock | None = None) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock or SystemClock()

    def register(self, name: str, definition: str) -> None:
        """Register a pipeline, or change its definition; its properties and secrets stay.

        Raises:
            UsageError: it cannot have that name.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"a pipeline cannot be called {quoted(name)}",
                hint="letters, digits and _ . - / are possible, at most 200, and no dot, dash or slash in front",
            )
        with self._database.writing() as connection:
            changed = update(pipelines).where(pipelines.c.name == name).values(definition=definition)
            if not connection.execute(changed).rowcount:
                values = {"name": name, "definition": definition, "created": self._clock.now()}
                connection.execute(insert(pipelines).values(values))

    def get(self, name: str) -> PipelineRecord:
        """Return a pipeline."""
        with self._database.reading() as connection:
            found = _records(connection, name)
        if not found:
            raise _unknown(name)
        return found[0]

    def all(self) -> tuple[PipelineRecord, ...]:
        """Return all pipelines, by name."""
        with self._database.reading() as connection:
            return _records(connection)

    def remove(self, name: str) -> None:
        """Forget a pipeline, its properties and its secrets; its runs stay."""
        with self._database.writing() as connection:
            lock(connection, name)
            connection.execute(delete(pipelines).where(pipelines.c.name == name))

    def set_property(self, pipeline: str, name: str, value: str) -> None:
        """Set a property that everybody may see."""
        self._set(properties, pipeline, name, value=value)

    def remove_property(self, pipeline: str, name: str) -> None:
        """Remove a property; raises NotFoundError also when there is none of that name."""
        self._remove(properties, pipeline, name, "property")

    def set_secret(self, pipeline: str, name: str, value: str) -> None:
        """Set a secure property."""
        sealed = self._vault.seal(value, purpose(pipeline, name))
        self._set(secrets, pipeline, name, sealed=sealed, updated=self._clock.now())

    def remove_secret(self, pipeline: str, name: str) -> None:
        """Remove a secure property; raises NotFoundError also when there is none of that name."""
        self._remove(secrets, pipeline, name, "secret")

    def secrets(self, pipeline: str) -> dict[str, str]:
        """Return the secure properties of a pipeline, by name."""
        wanted = select(secrets).where(secrets.c.pipeline == pipeline).order_by(secrets.c.name)
        with self._database.reading() as connection:
            check(connection, pipeline)
            sealed = {row.name: row.sealed for row in connection.execute(wanted)}
        return {name: self._vault.reveal(each, purpose(pipeline, name)) for name, each in sealed.items()}

    def _set(self, table: Table, pipeline: str, name: str, **values: object) -> None:
        if not name:
            raise UsageError("a property needs a name")
        with self._database.writing() as connection:
            lock(connection, pipeline)
            put(connection, table, pipeline, name, **values)

    def _remove(self, table: Table, pipeline: str, name: str, what: str) -> None:
        with self._database.writing() as connection:
            lock(connection, pipeline)
            if not connection.execute(delete(table).where(table.c.pipeline == pipeline, table.c.name == name)).rowcount:
                raise NotFoundError(f"pipeline {pipeline} has no {what} {quoted(name)}")


def _records(connection: Connection, name: str | None = None) -> tuple[PipelineRecord, ...]:
    """Return the pipeline of a name, or all by name, each with what belongs to it."""
    wanted = select(pipelines).where(*([] if name is None else [pipelines.c.name == name])).order_by(pipelines.c.name)
    found = connection.execute(wanted).mappings().all()
    plain = _belonging(connection, properties.c.value, name)
    secure = _belonging(connection, secrets.c.updated, name)
    return tuple(PipelineRecord(**row, properties=plain[row["name"]], secrets=secure[row["name"]]) for row in found)


def _belonging(connection: Connection, column: Column[_Value], name: str | None) -> defaultdict[str, dict[str, _Value]]:
    """Return a column of what belongs to a pipeline, or to each of all, by the names of both."""
    owner, key = column.table.c.pipeline, column.table.c.name
    wanted = select(owner, key, column).where(*([] if name is None else [owner == name])).order_by(key)
    found: defaultdict[str, dict[str, _Value]] = defaultdict(dict)
    for pipeline, what, value in connection.execute(wanted):
        found[pipeline][what] = value
    return found


def check(connection: Connection, name: str) -> None:
    """See that a pipeline is registered; raises NotFoundError."""
    if connection.execute(select(pipelines.c.name).where(pipelines.c.name == name)).first() is None:
        raise _unknown(name)


def lock(connection: Connection, name: str) -> None:
    """Keep a pipeline and what belongs to it as they are until the transaction ends; raises NotFoundError."""
    wanted = select(pipelines.c.name).where(pipelines.c.name == name).with_for_update()
    if connection.execute(wanted).first() is None:
        raise _unknown(name)


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"there is no pipeline {quoted(name)}", hint="register it first")


def put(connection: Connection, table: Table, pipeline: str, name: str, **values: object) -> None:
    """Write what belongs to a pipeline, which is locked, in the place of what may be there."""
    there = (table.c.pipeline == pipeline, table.c.name == name)
    if not connection.execute(update(table).where(*there).values(values)).rowcount:
        connection.execute(insert(table).values({**values, "pipeline": pipeline, "name": name}))


def purpose(pipeline: str, name: str) -> str:
    """Return what a vault seals a secret of a pipeline for."""
    # A name of a pipeline holds no colon, so that two pairs never mean the same.
    return f"secret:{pipeline}:{name}"
