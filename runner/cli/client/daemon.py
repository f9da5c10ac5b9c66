"""The daemon, one method a route: what it is asked and what it answers are the dataclasses of ``dispatch.requests``."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TypeVar, cast

from runner.cli.client.connection import Answer, Connection, path_of
from runner.cli.client.endpoint import Endpoint
from runner.dispatch.requests import Again, Definition, Hook, HookToken, Pipeline, Submission, Submitted, Summary
from runner.errors import InfrastructureError, NotFoundError
from runner.plan import codec
from runner.plan.model import Json, Plan

if TYPE_CHECKING:
    from runner.engine.report import Report

LAST: Final = "last"
"""What people call the newest run; ids are hexadecimal."""

_RECENT: Final = 50
"""Among so many runs the newest is sought that a person has asked for: async stages begin by themselves."""

_T = TypeVar("_T")


class Daemon:
    """A daemon, for any thread. What it does not do it says with our own errors, as ``Connection.call``."""

    def __init__(self, endpoint: Endpoint, patience: float | None = None) -> None:
        self.endpoint = endpoint
        self._connection = Connection(endpoint, patience)

    @classmethod
    def here(cls, patience: float | None = None) -> "Daemon":
        """Return the daemon that the environment names; it is not asked yet. ``patience`` as in ``Connection``.

        Raises:
            UsageError: a variable has a value that means nothing.
        """
        return cls(Endpoint.read(), patience)

    def submit(self, submission: Submission) -> Submitted:
        """Ask for a run."""
        return _read(Submitted, self._connection.call("POST", path_of("runs"), codec.encode(submission)))

    def rerun(self, run: str, again: Again) -> Submitted:
        """Ask for a run once more."""
        return _read(Submitted, self._connection.call("POST", path_of("runs", run, "rerun"), codec.encode(again)))

    def resume(self, run: str) -> None:
        """Have a paused run go on; returns at once."""
        self._connection.call("POST", path_of("runs", run, "resume"))

    def cancel(self, run: str, *, force: bool, children: bool = False) -> None:
        """End a run before its time, with ``children`` also its async stages; returns at once."""
        self._connection.call("POST", path_of("runs", run, "cancel"), {"force": force, "children": children})

    def runs(self, *, pipeline: str = "", status: str = "", limit: int = 50) -> tuple[Summary, ...]:
        """Return the newest runs, of one pipeline or in one status if these are named."""
        query = {"pipeline": pipeline, "status": status, "limit": str(limit)}
        asked = {name: value for name, value in query.items() if value}
        return _read_all(Summary, self._connection.call("GET", path_of("runs"), query=asked), "runs")

    def named(self, run: str) -> str:
        """Return the id of a run: as it is, or that of the newest one for ``last``.

        Raises:
            NotFoundError: there is no run yet.
        """
        if run != LAST:
            return run
        newest = self.runs(limit=_RECENT)
        for summary in (*(each for each in newest if not each.child), *newest):
            return summary.id
        raise NotFoundError("there is no run yet", hint="`runner submit` asks for one")

    def summary(self, run: str) -> Summary:
        """Return a run as it stands in lists."""
        return _read(Summary, self._connection.call("GET", path_of("runs", run, "summary")))

    def report(self, run: str) -> "Report":
        """Return what a run has come to so far."""
        return cast("Report", _object(self._connection.call("GET", path_of("runs", run))))

    def plan(self, run: str) -> Plan:
        """Return what a run does."""
        return codec.from_document(self._connection.call("GET", path_of("runs", run, "plan")))

    def events(self, run: str) -> Answer:
        """Return the events of a run, as server-sent events, from its beginning to its end; to be closed."""
        return self._connection.open("GET", path_of("runs", run, "events"))

    def log(self, run: str, stage: str = "", step: str = "") -> Iterator[bytes]:
        """Yield what steps have printed so far: the bytes of one of them, or the lines of all with their prefixes."""
        query = {name: value for name, value in (("stage", stage), ("step", step)) if value}
        with self._connection.open("GET", path_of("runs", run, "logs"), query=query) as answer:
            yield from answer.pieces()

    def pipelines(self) -> tuple[Pipeline, ...]:
        """Return all registered pipelines."""
        return _read_all(Pipeline, self._connection.call("GET", path_of("pipelines")), "pipelines")

    def pipeline(self, name: str) -> Pipeline:
        """Return a registered pipeline."""
        return _read(Pipeline, self._connection.call("GET", path_of("pipelines", name)))

    def register(self, name: str, definition: Definition) -> None:
        """Register a pipeline, or say anew what one is."""
        self._connection.call("PUT", path_of("pipelines", name), codec.encode(definition))

    def forget(self, name: str) -> None:
        """Remove a registered pipeline, with its properties and secrets."""
        self._connection.call("DELETE", path_of("pipelines", name))

    def set_property(self, pipeline: str, name: str, value: str) -> None:
        """Set a plain property of a pipeline."""
        self._connection.call("PUT", path_of("pipelines", pipeline, "properties", name), {"value": value})

    def remove_property(self, pipeline: str, name: str) -> None:
        """Remove a plain property of a pipeline."""
        self._connection.call("DELETE", path_of("pipelines", pipeline, "properties", name))

    def set_secret(self, pipeline: str, name: str, value: str) -> None:
        """Set a secret of a pipeline, which nobody can read back."""
        self._connection.call("PUT", path_of("pipelines", pipeline, "secrets", name), {"value": value})

    def remove_secret(self, pipeline: str, name: str) -> None:
        """Remove a secret of a pipeline."""
        self._connection.call("DELETE", path_of("pipelines", pipeline, "secrets", name))

    def hooks(self, pipeline: str = "") -> tuple[Hook, ...]:
        """Return the hooks of a pipeline, or of all."""
        path = path_of("pipelines", pipeline, "hooks") if pipeline else path_of("hooks")
        return _read_all(Hook, self._connection.call("GET", path), "hooks")

    def rotate_hook(self, pipeline: str, token: str = "") -> str:
        """Give the hook of a pipeline another token, any or this one, and return it."""
        wanted = codec.encode(HookToken(token=token))
        return _read(
            HookToken, self._connection.call("POST", path_of("pipelines", pipeline, "hooks", "rotate"), wanted)
        ).token

    def set_parameter(self, pipeline: str, name: str, value: str) -> None:
        """Set a parameter of a pipeline's hook."""
        self._connection.call("PUT", path_of("pipelines", pipeline, "hooks", "parameters", name), {"value": value})

    def remove_parameter(self, pipeline: str, name: str) -> None:
        """Remove a parameter of a pipeline's hook."""
        self._connection.call("DELETE", path_of("pipelines", pipeline, "hooks", "parameters", name))


def _read(kind: type[_T], document: Json) -> _T:
    try:
        return codec.decode(kind, document)
    except InfrastructureError as error:
        raise _foreign(error.message) from error


def _read_all(kind: type[_T], document: Json, key: str) -> tuple[_T, ...]:
    listed = _object(document).get(key)
    if not isinstance(listed, list):
        raise _foreign(f"it has no list of {key}")
    return tuple(_read(kind, each) for each in listed)


def _object(document: Json) -> dict[str, Json]:
    if not isinstance(document, dict):
        raise _foreign("it is no object")
    return document


def _foreign(message: str) -> InfrastructureError:
    return InfrastructureError(
        f"the daemon's answer means nothing here: {message}", hint="are its version and that of this command the same?"
    )
