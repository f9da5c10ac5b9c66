"""The hooks of registered pipelines: what whoever has the token may start."""

import secrets as random
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, select, update

from runner.clock import Clock, SystemClock
from runner.errors import NotFoundError, quoted
from runner.records import record
from runner.store.sealing import Vault
from runner.store.sql.database import Database
from runner.store.sql.pipelines import check, lock, purpose, put
from runner.store.sql.tables import HookKind, hooks, secrets

_BYTES = 32
_DECOY = "decoy"


@record
class HookRecord:
    """A hook of a pipeline. ``parameters`` are for what it starts; ``rotated`` is when its token was changed."""

    pipeline: str
    name: str
    kind: HookKind
    parameters: Mapping[str, str]
    created: datetime
    rotated: datetime | None


class Hooks:
    """All hooks. Every method is one transaction, may be called from any thread, and raises StoreError.

    The token of a hook is a secret of its pipeline, named ``secret``. What is asked of a pipeline that is not
    registered, or has no such hook, raises NotFoundError.
    """

    def __init__(self, database: Database, vault: Vault, clock: Clock | None = None) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock or SystemClock()
        self._decoy = vault.seal(new_token(), _DECOY)

    def ensure(self, pipeline: str, name: str, kind: HookKind, secret: str) -> bool:
        """Make a hook and its token, each if it is not there; return whether one of them was not."""
        with self._database.reading() as connection:  # almost always that is all, and nobody is held up
            check(connection, pipeline)
            if _is_there(connection, pipeline, name) and _sealed(connection, pipeline, secret) is not None:
                return False
        with self._database.writing() as connection:
            lock(connection, pipeline)
            hook, token = _is_there(connection, pipeline, name), _sealed(connection, pipeline, secret)
            if not hook:
                put(connection, hooks, pipeline, name, kind=kind, parameters={}, created=self._clock.now())
            if token is None:
                self._set(connection, pipeline, secret, new_token())
        return not hook or token is None

    def all(self, pipeline: str = "") -> tuple[HookRecord, ...]:
        """Return the hooks of a pipeline, or of all of them, by pipeline and name."""
        wanted = select(hooks).order_by(hooks.c.pipeline, hooks.c.name)
        with self._database.reading() as connection:
            if pipeline:
                check(connection, pipeline)
                wanted = wanted.where(hooks.c.pipeline == pipeline)
            return tuple(HookRecord(**row) for row in connection.execute(wanted).mappings())

    def rotate(self, pipeline: str, name: str, secret: str, token: str) -> None:
        """Change the token of a hook; the one before opens nothing any more."""
        with self._database.writing() as connection:
            lock(connection, pipeline)
            _change(connection, pipeline, name, rotated=self._clock.now())
            self._set(connection, pipeline, secret, token)

    def token(self, pipeline: str, name: str, secret: str) -> str:
        """Return the token of a hook; where there is none, one that nobody has, and which takes as long to find."""
        with self._database.reading() as connection:
            there, found = _is_there(connection, pipeline, name), _sealed(connection, pipeline, secret)
        if found is None or not there:
            return self._vault.reveal(self._decoy, _DECOY)
        return self._vault.reveal(found, purpose(pipeline, secret))

    def set_parameter(self, pipeline: str, name: str, key: str, value: str) -> None:
        """Set a parameter of a hook."""
        with self._database.writing() as connection:
            known = _parameters(connection, pipeline, name)
            _change(connection, pipeline, name, parameters={**known, key: value})

    def remove_parameter(self, pipeline: str, name: str, key: str) -> None:
        """Remove a parameter of a hook; raises NotFoundError also when there is none of that name."""
        with self._database.writing() as connection:
            known = dict(_parameters(connection, pipeline, name))
            if known.pop(key, None) is None:
                raise NotFoundError(f"the hook of pipeline {pipeline} has no parameter {quoted(key)}")
            _change(connection, pipeline, name, parameters=known)

    def _set(self, connection: Connection, pipeline: str, secret: str, token: str) -> None:
        sealed = self._vault.seal(token, purpose(pipeline, secret))
        put(connection, secrets, pipeline, secret, sealed=sealed, updated=self._clock.now())


def new_token() -> str:
    """Return a token that nobody can guess: 256 random bits, in signs that stand in any header."""
    return random.token_urlsafe(_BYTES)


def _is_there(connection: Connection, pipeline: str, name: str) -> bool:
    wanted = select(hooks.c.name).where(hooks.c.pipeline == pipeline, hooks.c.name == name)
    return connection.execute(wanted).first() is not None


def _sealed(connection: Connection, pipeline: str, secret: str) -> bytes | None:
    wanted = select(secrets.c.sealed).where(secrets.c.pipeline == pipeline, secrets.c.name == secret)
    return connection.execute(wanted).scalar()


def _parameters(connection: Connection, pipeline: str, name: str) -> Mapping[str, str]:
    lock(connection, pipeline)
    wanted = select(hooks.c.parameters).where(hooks.c.pipeline == pipeline, hooks.c.name == name)
    found: Mapping[str, str] | None = connection.execute(wanted).scalar()
    if found is None:
        raise _without(pipeline)
    return found


def _change(connection: Connection, pipeline: str, name: str, **values: object) -> None:
    wanted = update(hooks).where(hooks.c.pipeline == pipeline, hooks.c.name == name).values(values)
    if not connection.execute(wanted).rowcount:
        raise _without(pipeline)


def _without(pipeline: str) -> NotFoundError:
    return NotFoundError(
        f"pipeline {pipeline} has no hook", hint="one is made when a step of it first starts an async stage"
    )
