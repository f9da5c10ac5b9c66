"""The Docker backend: implements ``engine.backend.Backend`` by putting the parts of this package together."""

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner import naming
from runner.backends.docker import gate, mounts
from runner.backends.docker.boxes import Sandbox
from runner.backends.docker.client import CALL_SECONDS, Engine
from runner.backends.docker.containers import Containers
from runner.backends.docker.creation import Creation
from runner.backends.docker.events import Events
from runner.backends.docker.hostconfig import Joined, Own, Placement
from runner.backends.docker.images import Image, Images
from runner.backends.docker.network import Networks
from runner.backends.docker.outputs import Outputs
from runner.backends.docker.probes import Probes
from runner.backends.docker.reader import Reader
from runner.backends.docker.requested import Heard, Requested
from runner.backends.docker.returned import Known, Returned
from runner.backends.docker.sandbox import Sandboxes
from runner.backends.docker.shell import Shells
from runner.backends.docker.sweep import Sweep
from runner.backends.docker.values import Values
from runner.backends.docker.workspaces import Opened, Workspaces
from runner.engine.backend import Conflict, Ending, Output, Phase, PullProgress, Readiness, Signal, Terminal, Wanted
from runner.engine.job import Task
from runner.engine.specs import Release, RunSpec, StageSpec, StepSpec
from runner.errors import EngineRefusedError, InfrastructureError
from runner.naming import Address, Instance
from runner.pipelinectl.values import Store
from runner.plan.model import Ready
from runner.settings import DockerSettings

_SUBSCRIBING_SECONDS = 5.0
_REMOVALS = 4
"""How many containers are removed at once: one that hangs must not hold up those of all other runs."""
_COPIES = "the engine cannot layer volumes here: workspaces are copied, which takes time and space"


@dataclass(frozen=True, kw_only=True)
class _Stage:
    """What an open stage holds."""

    workspace: Opened
    sandbox: Sandbox
    lost: Callable[[str], None]


@dataclass(kw_only=True)
class _Run:
    """What is known of one run until it is closed; the lock of the backend guards it.

    ``prepared`` has the images with which attempts were made ready, ``beside`` the services that go on beside steps,
    ``removing`` the attempts whose containers are being removed.
    """

    spec: RunSpec | None = None
    stages: dict[Address, _Stage] = field(default_factory=dict)
    beside: set[Address] = field(default_factory=set)
    prepared: dict[Address, str] = field(default_factory=dict)
    heard: Heard = field(default_factory=Heard)
    returned: Known = field(default_factory=Known)
    removing: dict[Address, Future[None]] = field(default_factory=dict)


class DockerBackend:
    """Containers, networks and volumes of one instance on one engine."""

    def __init__(self, engine: Engine, settings: DockerSettings, instance: Instance, *, overlays: bool = True) -> None:
        self._engine = engine
        self._settings = settings
        self._instance = instance
        self._images = Images(engine, settings)
        self._networks = Networks(engine, settings, instance)
        self._sandboxes = Sandboxes(engine, settings, instance)
        self._outputs = Outputs(engine)
        self._values = Values(engine, self._sandboxes)
        self._requested = Requested(engine, self._sandboxes)
        self._returned = Returned(engine, self._sandboxes)
        self._workspaces = Workspaces(engine, settings, instance, self._images, overlays=overlays)
        self._reader = Reader()
        # Where somebody waits for engines that are away, nobody else has to.
        self._events = Events(engine, instance, _SUBSCRIBING_SECONDS if settings.engine_grace else CALL_SECONDS)
        self._events.add(self._sandboxes)
        self._containers = Containers(
            engine=engine, reader=self._reader, events=self._events, settings=settings, instance=instance
        )
        self._probes = Probes(engine)
        self._shells = Shells(
            engine,
            Creation(engine=engine, reader=self._reader, settings=settings, instance=instance),
        )
        self._sweep = Sweep(engine)
        self._removals = ThreadPoolExecutor(_REMOVALS, thread_name_prefix="removals")
        self._runs: defaultdict[str, _Run] = defaultdict(_Run)
        self._lock = threading.Lock()

    def open_run(self, run: RunSpec) -> tuple[str, ...]:
        """Make the run's network, with a first sandbox in it that fills the run's volumes, and its source beside."""
        with self._lock:
            self._runs[run.id].spec = run
        source = Task("source", lambda: self._workspaces.open_run(run))
        try:
            self._events.ready()
            self._networks.create(run.id)
            self._sandboxes.warm(run)
        finally:
            source.wait()
        source.finish()
        return (_COPIES,) if self._workspaces.copies(run.id) else ()

    def fetch(self, image: str, *, always: bool, report: Callable[[PullProgress], None]) -> None:
        """Make an image present."""
        self._images.fetch(image, always=always, report=report)

    def open_stage(self, stage: StageSpec, lost: Callable[[str], None]) -> None:
        """Make the workspace of a stage, and hand it a sandbox."""
        if self._stage(stage.address) is not None:
            return
        workspace = self._workspaces.open_stage(stage)
        self._keep(
            stage.address,
            _Stage(workspace=workspace, sandbox=self._sandboxes.take(stage.address, lost), lost=lost),
        )

    def prepare(self, step: StepSpec) -> Phase:
        """Bring an attempt to its gate, or find it as an earlier process has left it."""
        with self._lock:
            run = self._runs[step.address.run]
            removal = run.removing.get(step.address)
            unknown = step.address not in run.prepared
        if removal is not None:
            wait([removal])  # of an attempt of this very address, made ready in vain
        if unknown and self._sandboxes.begun(step.address.run):
            phase = self._containers.standing(step.address, lambda: self._gone(step))
            if phase is not None:
                return phase
        try:
            return self._prepare(step)
        except EngineRefusedError:
            if not self._bereft(step):
                raise
            return self._prepare(step)

    def _prepare(self, step: StepSpec) -> Phase:
        image = self._images.describe(step.image)
        with self._lock:
            run = self._runs[step.address.run]
            stale = run.prepared.get(step.address, image.id) != image.id
        if stale:  # the step before has made the image anew since this one was made ready
            self._containers.discard(step.address)
        with self._lock:
            run.prepared[step.address] = image.id
        placement = self._placement(step, image)
        if step.script:
            self._values.put_script(step.address.run, naming.container(step.address), gate.script_file(step.script))
        if step.alias:
            with self._lock:
                run.beside.add(step.address)
        return self._containers.prepare(step, placement)

    def _gone(self, step: StepSpec) -> bool:
        """Say whether an attempt was released whose container is no more. A service is simply made again."""
        return step.workspace and self._values.marked(step.address.run, naming.container(step.address))

    def _bereft(self, step: StepSpec) -> bool:
        """Say whether the sandbox that an attempt should join has died, of which no event has told yet."""
        stage = self._stage(step.address.of_stage())
        if stage is None:
            return False
        self._sandboxes.look_after((stage.sandbox.id,))
        return not self._sandboxes.lives(step.address.run, stage.sandbox)

    def follow(self, address: Address, output: Output, wake: Callable[[], None]) -> None:
        """Send output and news there."""
        self._containers.follow(address, output, wake)

    def release(self, address: Address, release: Release) -> None:
        """Open the gate, when the workspace is ready for it."""
        stage = self._stage(address.of_stage())
        if stage is not None:
            stage.workspace.finish()
        self._containers.release(address, release)

    def signal(self, address: Address, signal: Signal) -> None:
        """Ask an attempt to end, or end it."""
        self._containers.signal(address, signal)

    def conclude(self, address: Address) -> Ending | None:
        """Say how an attempt ended."""
        return self._containers.conclude(address)

    def discard(self, address: Address) -> None:
        """Have an attempt's container removed, while whoever asked goes on: it takes 15 ms.

        ``close_run`` waits for it, and finds by its label what could not be removed.
        """
        self._containers.silence(address)
        with self._lock:
            run = self._runs[address.run]
            run.beside.discard(address)
            removal = run.removing.get(address)
            if removal is None or removal.done():
                run.removing[address] = self._removals.submit(self._containers.discard, address)

    def probe(self, service: Address, ready: Ready | None) -> Readiness:
        """Say whether a service can be used."""
        sandboxes = self._sandboxes.live(service.run)
        if not sandboxes:
            return Readiness(ready=False, reason="nothing stands in its network any more that could look")
        return self._probes.look(service, ready, sandboxes[0].id)

    def outputs(self, stage: Address) -> Mapping[str, bytes]:
        """Return what steps of the run have left for later ones."""
        opened = self._opened(stage)
        return self._outputs.read(opened.sandbox) if self._spec(stage.run).outputs else {}

    def values(self, run: str, *, wanted: Wanted) -> Store:
        """Return the store of a run's values as it is now."""
        return self._values.read(run, wanted)

    def put_values(self, run: str, files: Mapping[str, bytes]) -> None:
        """Put files into the store of a run's values."""
        self._values.put(run, files)

    def returns(self, run: str) -> Mapping[str, bytes]:
        """Return what steps of a run have returned."""
        with self._lock:
            known = self._known(run).returned
        return self._returned.read(run, known)

    def requests(self, run: str, *, anew: bool = False) -> Mapping[str, bytes]:
        """Return what steps of a run have asked for."""
        with self._lock:
            heard = self._known(run).heard
        return self._requested.read(run, heard, anew=anew)

    def save_files(self, run: str, target: Path, *, most: int, wanted: Wanted) -> None:
        """Write the large values of a run to a tar."""
        self._values.save(run, target, most, wanted)

    def collect(self, attempt: Address, patterns: tuple[str, ...], target: Path, *, wanted: Wanted) -> tuple[str, ...]:
        """Copy files of an attempt's workspace out."""
        opened = self._opened(attempt.of_stage()).workspace
        return self._workspaces.collect(opened, attempt.run, patterns, target, wanted)

    def shell(self, step: StepSpec, release: Release, terminal: Terminal) -> None:
        """Let a person look around where an attempt ran."""
        placement = self._placement(step, self._images.describe(step.image))
        self._shells.open(step, placement, release, terminal)

    def close_stage(self, stage: Address, *, needed: bool) -> tuple[Conflict, ...]:
        """Give back the sandbox; copy what a stage has left if something of it goes on writing."""
        with self._lock:
            run = self._known(stage.run)
            opened = run.stages.pop(stage, None)
            writing = any(address.of_stage() == stage for address in run.beside)
        if opened is None:
            return ()
        self._sandboxes.give(stage.run, opened.sandbox)
        if needed and writing:
            self._workspaces.freeze(stage)
        return opened.workspace.conflicts

    def export(self, run: RunSpec, layers: tuple[Address, ...], target: Path, *, wanted: Wanted) -> tuple[str, ...]:
        """Apply to a directory what stages changed in the source."""
        return self._workspaces.export(run, layers, target, wanted)

    def close_run(self, run: RunSpec, *, keep: bool) -> None:
        """Remove the containers of a run, then its network, then its volumes; forget it, also where something is left.

        No other run is waited for.
        """
        with self._lock:
            removing = tuple(self._known(run.id).removing.values())
            self._runs.pop(run.id, None)
        wait([removal for removal in removing if not removal.cancel()])  # all that have not begun are found below
        self._sandboxes.forget(run.id)
        self._containers.forget(run.id)
        try:
            self._remove(run, keep=keep)
        finally:
            self._workspaces.forget(run.id)

    def _remove(self, run: RunSpec, *, keep: bool) -> None:
        containers = tuple(remnant for remnant in self._sweep.of_run(run.id) if remnant.kind == "container")
        left = self._sweep.remove(containers)
        network = Task("remove network", lambda: self._networks.remove(run.id))
        try:
            self._workspaces.close_run(run, keep=keep)
        finally:
            network.finish()
        if left:
            raise InfrastructureError(f"containers are left behind: {', '.join(remnant.name for remnant in left)}")

    def close(self) -> None:
        """End the threads of this backend; what runs on the engine is left alone."""
        self._removals.shutdown()
        self._events.close()
        self._reader.close()
        self._sandboxes.close()
        self._workspaces.close()

    def _known(self, run: str) -> _Run:
        """Return what is known of a run, which is nothing before it is opened; the lock is held."""
        return self._runs.get(run) or _Run()

    def _spec(self, run: str) -> RunSpec:
        with self._lock:
            spec = self._known(run).spec
        if spec is None:
            raise InfrastructureError(f"run {run} is not open")
        return spec

    def _stage(self, stage: Address) -> _Stage | None:
        with self._lock:
            return self._known(stage.run).stages.get(stage)

    def _keep(self, stage: Address, opened: _Stage) -> None:
        with self._lock:
            self._runs[stage.run].stages[stage] = opened

    def _opened(self, stage: Address) -> _Stage:
        opened = self._stage(stage)
        if opened is None:
            raise InfrastructureError(f"{stage}: the stage is not open")
        return opened

    def _standing(self, stage: Address) -> _Stage | None:
        """Return an open stage with a sandbox that lives: another one, if the engine has ended that it had."""
        opened = self._stage(stage)
        if opened is None or self._sandboxes.lives(stage.run, opened.sandbox):
            return opened
        opened = replace(opened, sandbox=self._sandboxes.take(stage, opened.lost))
        self._keep(stage, opened)
        return opened

    def _placement(self, step: StepSpec, image: Image) -> Placement:
        address, run = step.address, self._spec(step.address.run)
        stage = self._standing(address.of_stage()) if step.workspace else None
        if step.workspace and stage is None:
            raise InfrastructureError(f"{address}: its stage is not open")
        network: Joined | Own = Own(network=naming.network(address.run), alias=step.alias)
        if not step.alias and stage is not None:
            network = Joined(container=stage.sandbox.id)
        return Placement(
            image=step.image,
            network=network,
            role="step" if step.workspace else "service",
            workdir=run.workdir,
            image_environment=image.environment,
            marks=mounts.MARKS,
            scripts=mounts.SCRIPTS,
            mounts=(*(stage.workspace.mounts if stage else ()), *mounts.of_step(self._instance, run, step)),
            has_shell=lambda container: self._images.shell_in(container, image.id),
            note=lambda: self._values.mark(address.run, naming.container(address)) if step.workspace else None,
        )
