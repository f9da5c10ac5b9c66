"""The pipelines that a daemon knows by name, with their properties and secrets."""

import json
from collections.abc import Mapping
from typing import Any

from runner.dispatch.requests import Definition, Pipeline
from runner.errors import NotFoundError, UsageError, quoted
from runner.pipelinectl.layout import CONFIG, is_property
from runner.plan import codec
from runner.settings import GitSettings
from runner.store.sql.pipelines import PipelineRecord, Pipelines
from runner.workspace.git.locations import locate


class Registered:
    """All of them. ``queues`` are those that there are."""

    def __init__(self, pipelines: Pipelines, git: GitSettings, queues: Mapping[str, int]) -> None:
        self._pipelines = pipelines
        self._git = git
        self._queues = queues

    def all(self) -> list[Pipeline]:
        """Return all, by name."""
        return [_described(record) for record in self._pipelines.all()]

    def get(self, name: str) -> Pipeline:
        """Return one.

        Raises:
            NotFoundError: there is none of that name.
        """
        return _described(self._pipelines.get(name))

    def register(self, name: str, definition: Definition) -> Pipeline:
        """Register one, or change what is known of it.

        Raises:
            UsageError: there can be no such name, or repository.
        """
        self.check_address(definition.repository)
        check_queue(definition.queue, self._queues)
        self._pipelines.register(name, json.dumps(codec.encode(definition)))
        return self.get(name)

    def check_address(self, url: str) -> None:
        """See that the address of a repository can be stored, and shown to whoever asks.

        Raises:
            UsageError: git may not be given it, or a login stands in it.
        """
        location = locate(url, self._git.protocols)
        if location.user or location.password:
            raise UsageError(
                f"{location}: an address that is stored must hold no login",
                hint="RUNNER_GIT_CREDENTIALS of the daemon names a file of logins",
            )

    def forget(self, name: str) -> None:
        """Forget one; raises NotFoundError."""
        self._pipelines.remove(name)

    def set_property(self, pipeline: str, name: str, value: str) -> None:
        """Set a property; raises NotFoundError for an unknown pipeline, UsageError for a name that none can have."""
        check_name("property", name)
        self._pipelines.set_property(pipeline, name, value)

    def remove_property(self, pipeline: str, name: str) -> None:
        """Take a property away; raises NotFoundError."""
        self._pipelines.remove_property(pipeline, name)

    def set_secret(self, pipeline: str, name: str, value: str) -> None:
        """Set a secret; raises as ``set_property``."""
        check_name("secret", name)
        self._pipelines.set_secret(pipeline, name, value)

    def remove_secret(self, pipeline: str, name: str) -> None:
        """Take a secret away; raises NotFoundError."""
        self._pipelines.remove_secret(pipeline, name)

    def secrets(self, pipeline: str) -> dict[str, str]:
        """Return the secrets of a pipeline; none for one that is not registered any more."""
        try:
            return self._pipelines.secrets(pipeline) if pipeline else {}
        except NotFoundError:
            return {}


def check_name(what: str, name: str) -> None:
    """See that scripts can find something of this name, which is a file as well.

    Raises:
        UsageError: they cannot.
    """
    if not is_property(name):
        raise UsageError(
            f"{what} {quoted(name)}: no file below {CONFIG} can have this name", hint="write NAME, or NAME/KEY"
        )


def check_queue(name: str, queues: Mapping[str, int]) -> None:
    """See that there is a queue.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in queues:
        raise UsageError(f"there is no queue {quoted(name)}", hint=f"RUNNER_QUEUES has {', '.join(sorted(queues))}")


def _described(record: PipelineRecord) -> Pipeline:
    return Pipeline(
        name=record.name,
        definition=_read(record.definition),
        properties=record.properties,
        secrets=tuple(record.secrets),
    )


def _read(text: str) -> Definition:
    """Return a definition; of one that an older version has written, what it lacks has its default."""
    stored = json.loads(text)
    default: Any = codec.encode(Definition(repository=""))
    facts = {**default["facts"], **stored.get("facts", {})}
    return codec.decode(Definition, {**default, **stored, "facts": facts})
