"""Drives a run in this process, on the engine that this machine's environment names."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from runner.backends.docker.backend import DockerBackend
from runner.backends.docker.client import Engine
from runner.dispatch.clean import clean
from runner.engine.backend import Backend, Source, SourceMode
from runner.engine.events import Notice, Observer
from runner.engine.inputs import Inputs
from runner.engine.job import Job, LookAround, Task
from runner.engine.origins import unfold
from runner.engine.report import Report, report
from runner.engine.run import Driver, default_parallel
from runner.engine.state import RunState
from runner.errors import InfrastructureError
from runner.logs.files import LogBook
from runner.logs.mask import Mask
from runner.naming import Instance, new_run_id
from runner.pipelinectl.values import values_of
from runner.plan.model import Plan
from runner.settings import Settings
from runner.store import instances
from runner.store.runs import RunStore
from runner.workspace.watch import Fingerprint

_NAMED = 5
"""How many changed files a notice names."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A run as it is asked for. ``secrets`` are values by name; the rest is as in ``Job``.

    Without ``artifacts`` those of the steps are kept in the folder of the run.
    """

    plan: Plan
    source: Source
    secrets: Mapping[str, str] = field(default_factory=dict)
    inputs: Inputs = field(default_factory=Inputs)
    max_parallel: int = field(default_factory=default_parallel)
    keep: bool = False
    export: Path | None = None
    artifacts: Path | None = None
    values: bool = False


@dataclass(frozen=True)
class Local:
    """This process as one that runs pipelines."""

    settings: Settings
    instance: Instance
    engine: Engine
    backend: Backend


@contextmanager
def local(settings: Settings) -> Iterator[Local]:
    """Be an instance of ``exec`` until the end of the block.

    Raises:
        InfrastructureError: no engine answers, or the lock cannot be written.
    """
    with instances.live(settings.state, instances.KIND_EXEC) as instance:
        engine = Engine()
        engine.check()
        backend = DockerBackend(engine, settings.docker, instance)
        try:
            yield Local(settings, instance, engine, backend)
        finally:
            backend.close()


class LocalRun:
    """One run of this process: its logs, to be followed from the start, and its driver."""

    def __init__(self, place: Local, order: Order) -> None:
        self.id = new_run_id()
        self._place = place
        self._order = order
        self.plan = unfold(order.plan)
        """What is driven, stored and reported."""
        self._folder = RunStore(place.settings.state).create(self.id, self.plan, place.instance)
        self._artifacts = order.artifacts or self._folder.artifacts
        self._mask = Mask()
        self.logs = LogBook(self._folder.logs, self._mask)
        secrets = {**order.inputs.secure, **order.secrets}
        self.redact = self._mask.redact
        """Returns a text as it may be shown: without the secrets."""
        self.unmasked = tuple(name for name, value in secrets.items() if not self.logs.hide(value))
        """The secrets that are too short to be masked."""
        self._driver: Driver | None = None
        self._cancelled = False

    @property
    def cancelled(self) -> bool:
        """Whether it is to end before its time."""
        return self._cancelled

    def drive(self, observer: Observer, on_failure: LookAround | None = None) -> Report:
        """Run it to its end; call once. ``on_failure`` is that of ``Driver``.

        Raises:
            InfrastructureError: not even the journal can be kept.
        """
        tell = partial(self._tell, observer)
        if self._order.keep:
            instances.keep(self._place.instance)
        source = self._order.source
        watch = _Watch(source.path, self._order.export) if source.mode is SourceMode.LAYER else None
        sweeping = Task("sweep", lambda: self._sweep(tell))
        journal = self._folder.journal
        self._driver = Driver(
            job=self._job(),
            journal=journal,
            backend=self._place.backend,
            logs=self.logs,
            observer=observer,
            redact=self._mask.redact,
            on_failure=on_failure,
        )
        if self._cancelled:
            self._driver.cancel()
        try:
            self._driver.drive()
        finally:
            self.logs.close()
            sweeping.finish()
        if watch is not None and (text := watch.edited()):
            tell(text)
        if self._artifacts.is_dir() and any(step.artifacts for stage in self.plan.stages for step in stage.steps):
            tell(f"artifacts are in {self._artifacts}")
        return report(RunState(self.id, self.plan, journal.read()), values_of(self._driver.store, self._mask.redact))

    def cancel(self, *, force: bool = False) -> None:
        """End the run before its time; safe in a signal handler, also before ``drive``."""
        self._cancelled = True
        if self._driver is not None:
            self._driver.cancel(force=force)

    def _job(self) -> Job:
        order = self._order
        return Job(
            id=self.id,
            plan=self.plan,
            source=order.source,
            secrets=order.secrets,
            inputs=order.inputs,
            max_parallel=order.max_parallel,
            grace=self._place.settings.grace,
            keep=order.keep,
            export=order.export,
            artifacts=self._artifacts,
            values=order.values,
        )

    def _tell(self, observer: Observer, text: str) -> None:
        observer(Notice(self._mask.redact(text)))

    def _sweep(self, tell: Callable[[str], None]) -> None:
        try:
            cleaned = clean(self._place.engine, self._place.instance, kept=False)
        except InfrastructureError as error:
            tell(f"could not remove what dead runs left: {error.message}")
            return
        if cleaned.removed:
            runs = sorted({remnant.run for remnant in cleaned.removed})
            tell(f"removed what the dead run{'s' if len(runs) > 1 else ''} {', '.join(runs)} had left")
        for remnant in cleaned.left:
            tell(f"{remnant.kind} {remnant.name}, left by a dead run, cannot be removed")


class _Watch:
    """Notices that the user edits the source while a run stands on it; ``export`` is what the run itself writes."""

    def __init__(self, root: Path, export: Path | None) -> None:
        self._root = root.resolve()
        self._export = export.resolve() if export else None
        self._before: Fingerprint | None = None
        self._task = Task("fingerprint", self._look)

    def _look(self) -> None:
        self._before = Fingerprint.take(self._root)

    def edited(self) -> str:
        """Return what changed, in words; empty when nothing did."""
        self._task.finish()
        found = Fingerprint.take(self._root).changed(self._before) if self._before else []
        changed = [path for path in found if self._export not in (self._root / path).parents]
        if not changed:
            return ""
        named = ", ".join(changed[:_NAMED]) + (f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else "")
        return f"files of the source changed during the run, so steps may have seen either version: {named}"
