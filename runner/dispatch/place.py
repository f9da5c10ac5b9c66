"""Where ``exec`` runs pipelines: this process, and the engine that this machine's environment names."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.backends.docker import headstart
from runner.errors import InfrastructureError
from runner.naming import Instance, new_run_id
from runner.plan.model import Plan
from runner.settings import Settings
from runner.store import instances

if TYPE_CHECKING:
    from runner.backends.docker.backend import DockerBackend
    from runner.backends.docker.client import Engine
    from runner.engine.backend import Backend


@dataclass(frozen=True)
class Local:
    """This process as one that runs pipelines."""

    settings: Settings
    instance: Instance
    engine: "Engine"
    backend: "Backend"

    def reserve(self, plan: Plan) -> str:
        """Return an id for a run of this plan; its sandbox is being made from now on, which takes 300 ms.

        What was begun ``early`` is taken for it, or removed at the end of the place.
        """
        if plan.reaches_by_name:
            return new_run_id()
        begun = next(iter(self.backend.reserved()), None)
        if begun is not None:
            return begun
        self.backend.reserve(run := new_run_id())
        return run


@contextmanager
def local(settings: Settings, *, early: bool = False) -> Iterator[Local]:
    """Be an instance of ``exec`` until the end of the block; if ``early``, begin the sandbox of a run before all else.

    Raises:
        InfrastructureError: no engine answers, or the lock cannot be written.
    """
    with instances.live(settings.state, instances.KIND_EXEC) as instance:
        run = new_run_id() if early else ""
        head = headstart.begin(settings.docker, instance, run) if early else None
        try:
            from runner.backends.docker.backend import DockerBackend  # noqa: PLC0415 - while the engine makes it
            from runner.backends.docker.client import Engine  # noqa: PLC0415 - as above

            engine = Engine()
            engine.check()
            backend = DockerBackend(engine, settings.docker, instance, memory=settings.state / "engine")
        except BaseException:
            if head is not None:
                with suppress(InfrastructureError):  # the next `exec` removes what a dead one has left
                    head.abandon()
            raise
        try:
            if early:
                backend.reserve(run, head)
            yield Local(settings, instance, engine, backend)
        finally:
            _close(backend)


def _close(backend: "DockerBackend") -> None:
    """Remove what was begun for no run, and end the threads of a backend."""
    from runner.dispatch.stock import drop  # noqa: PLC0415 - hardly anything is begun for no run

    for run in backend.reserved():
        drop(backend, run)
    backend.close()
