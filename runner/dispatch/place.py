"""Where ``exec`` runs pipelines: this process, and the engine that this machine's environment names."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from runner.backends.docker.backend import DockerBackend
from runner.backends.docker.client import Engine
from runner.engine.backend import Backend
from runner.engine.specs import RunSpec
from runner.errors import InfrastructureError
from runner.naming import Instance, new_run_id
from runner.plan.model import Plan
from runner.settings import Settings
from runner.store import instances


@dataclass(frozen=True)
class Local:
    """This process as one that runs pipelines."""

    settings: Settings
    instance: Instance
    engine: Engine
    backend: Backend

    def begin(self) -> str:
        """Return an id for a run; its sandbox is being made from now on, which takes 300 ms."""
        run = new_run_id()
        self.backend.reserve(run)
        return run

    def reserve(self, plan: Plan) -> str:
        """Return an id for a run of this plan; what was begun is taken for it, or removed at the end of the place."""
        if plan.reaches_by_name:
            return new_run_id()
        return next(iter(self.backend.reserved()), None) or self.begin()


@contextmanager
def local(settings: Settings) -> Iterator[Local]:
    """Be an instance of ``exec`` until the end of the block.

    Raises:
        InfrastructureError: no engine answers, or the lock cannot be written.
    """
    with instances.live(settings.state, instances.KIND_EXEC) as instance:
        engine = Engine()
        engine.check()
        backend = DockerBackend(engine, settings.docker, instance, memory=settings.state / "engine")
        try:
            yield Local(settings, instance, engine, backend)
        finally:
            for run in backend.reserved():
                with suppress(InfrastructureError):  # the next `exec` removes what a dead one has left
                    backend.close_run(RunSpec(id=run, home="", workdir=""), keep=False)
            backend.close()
