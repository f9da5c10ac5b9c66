"""Registered pipelines, with their properties, plain and secure."""

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, delete, insert, select, update

from runner.clock import Clock, SystemClock
from runner.errors import NotFoundError, UsageError, quoted
from runner.store.sealing import Vault
from runner.store.sql.database import Database
from runner.store.sql.tables import pipelines, properties, secrets

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}")


@dataclass(frozen=True, kw_only=True)
class PipelineRecord:
    """A registered pipeline; ``definition`` is JSON that says where its file is and with which facts it runs."""

    name: str
    definition: str
    created: datetime


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
            return _pipeline(connection, name)

    def all(self) -> tuple[PipelineRecord, ...]:
        """Return all pipelines, by name."""
        with self._database.reading() as connection:
            found = connection.execute(select(pipelines).order_by(pipelines.c.name)).mappings()
            return tuple(PipelineRecord(**row) for row in found)

    def remove(self, name: str) -> None:
        """Forget a pipeline, its properties and its secrets; its runs stay."""
        with self._database.writing() as connection:
            _pipeline(connection, name, lock=True)
            connection.execute(delete(pipelines).where(pipelines.c.name == name))

    def set_property(self, pipeline: str, name: str, value: str) -> None:
        """Set a property that everybody may see."""
        self._set(properties, pipeline, name, value=value)

    def remove_property(self, pipeline: str, name: str) -> None:
        """Remove a property; raises NotFoundError also when there is none of that name."""
        self._remove(properties, pipeline, name, "property")

    def properties(self, pipeline: str) -> dict[str, str]:
        """Return the plain properties of a pipeline, by name."""
        wanted = select(properties).where(properties.c.pipeline == pipeline).order_by(properties.c.name)
        with self._database.reading() as connection:
            _pipeline(connection, pipeline)
            return {row.name: row.value for row in connection.execute(wanted)}

    def set_secret(self, pipeline: str, name: str, value: str) -> None:
        """Set a secure property."""
        sealed = self._vault.seal(value, _purpose(pipeline, name))
        self._set(secrets, pipeline, name, sealed=sealed, updated=self._clock.now())

    def remove_secret(self, pipeline: str, name: str) -> None:
        """Remove a secure property; raises NotFoundError also when there is none of that name."""
        self._remove(secrets, pipeline, name, "secret")

    def secret_names(self, pipeline: str) -> dict[str, datetime]:
        """Return the names of the secure properties of a pipeline, each with the time when it was set."""
        return {name: updated for name, (_, updated) in self._sealed(pipeline).items()}

    def secrets(self, pipeline: str) -> dict[str, str]:
        """Return the secure properties of a pipeline, by name."""
        return {
            name: self._vault.reveal(sealed, _purpose(pipeline, name))
            for name, (sealed, _) in self._sealed(pipeline).items()
        }

    def _sealed(self, pipeline: str) -> dict[str, tuple[bytes, datetime]]:
        wanted = select(secrets).where(secrets.c.pipeline == pipeline).order_by(secrets.c.name)
        with self._database.reading() as connection:
            _pipeline(connection, pipeline)
            return {row.name: (row.sealed, row.updated) for row in connection.execute(wanted)}

    def _set(self, table: Table, pipeline: str, name: str, **values: object) -> None:
        if not name:
            raise UsageError("a property needs a name")
        with self._database.writing() as connection:
            _pipeline(connection, pipeline, lock=True)
            there = (table.c.pipeline == pipeline, table.c.name == name)
            if not connection.execute(update(table).where(*there).values(values)).rowcount:
                connection.execute(insert(table).values({**values, "pipeline": pipeline, "name": name}))

    def _remove(self, table: Table, pipeline: str, name: str, what: str) -> None:
        with self._database.writing() as connection:
            _pipeline(connection, pipeline, lock=True)
            if not connection.execute(delete(table).where(table.c.pipeline == pipeline, table.c.name == name)).rowcount:
                raise NotFoundError(f"pipeline {pipeline} has no {what} {quoted(name)}")


def _pipeline(connection: Connection, name: str, *, lock: bool = False) -> PipelineRecord:
    """Return a pipeline; ``lock`` keeps others from changing what belongs to it until the transaction ends."""
    wanted = select(pipelines).where(pipelines.c.name == name)
    found = connection.execute(wanted.with_for_update() if lock else wanted).mappings().first()
    if found is None:
        raise NotFoundError(f"there is no pipeline {quoted(name)}", hint="register it first")
    return PipelineRecord(**found)


def _purpose(pipeline: str, name: str) -> str:
    # A name of a pipeline holds no colon, so that two pairs never mean the same.
    return f"secret:{pipeline}:{name}"
