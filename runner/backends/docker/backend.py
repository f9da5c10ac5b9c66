"""The Docker backend: implements ``engine.backend.Backend`` by putting the parts of this package together."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from pathlib import Path

from runner import naming
from runner.backends.docker import gate, late
from runner.backends.docker.client import CALL_SECONDS, Engine
from runner.backends.docker.containers import Containers
from runner.backends.docker.creation import Creation
from runner.backends.docker.events import Events
from runner.backends.docker.exits import Exits
from runner.backends.docker.foresight import Foresight
from runner.backends.docker.headstart import HeadStart
from runner.backends.docker.images import Images
from runner.backends.docker.late import Late
from runner.backends.docker.memory import Memory
from runner.backends.docker.network import Networks
from runner.backends.docker.outputs import Outputs
from runner.backends.docker.places import Places
from runner.backends.docker.reader import Reader
from runner.backends.docker.requested import Requested
from runner.backends.docker.returned import Returned
from runner.backends.docker.runs import Runs, Stage
from runner.backends.docker.sandbox import Sandboxes
from runner.backends.docker.values import Values
from runner.backends.docker.volumes import labelled, remove_found
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
_BEHIND_SECONDS = 0.02
"""How long a removal stands back: by then the next step is released, which it would hold up by 5 ms."""
_COPIES = "the engine cannot layer volumes here: workspaces are copied, which takes time and space"


class DockerBackend:
    """Containers, networks and volumes of one instance on one engine. ``memory`` is the file of what is known of it."""

    def __init__(
        self,
        engine: Engine,
        settings: DockerSettings,
        instance: Instance,
        *,
        overlays: bool = True,
        memory: Path | None = None,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._instance = instance
        self._memory = known = Memory(memory, engine)
        # Where somebody waits for engines that are away, nobody else has to.
        self._events = Events(engine, instance, _SUBSCRIBING_SECONDS if settings.engine_grace else CALL_SECONDS)
        self._images = Images(engine, settings, known)
        self._networks = Networks(engine, settings, instance)
        self._sandboxes = Sandboxes(engine, settings, instance, self._networks)
        self._outputs = Outputs(engine)
        self._values = Values(engine, self._sandboxes)
        self._requested = Requested(engine, self._sandboxes)
        self._returned = Returned(engine, self._sandboxes)
        self._workspaces = Late(
            lambda: late.workspaces(engine, settings, instance, self._images, overlays=overlays, memory=known)
        )
        self._reader = Reader()
        self._events.add(self._sandboxes)
        self._containers = Containers(
            engine=engine, reader=self._reader, events=self._events, settings=settings, instance=instance
        )
        self._probes = Late(lambda: late.probes(engine))
        creation = Creation(engine=engine, reader=self._reader, settings=settings, instance=instance)
        self._shells = Late(lambda: late.shells(engine, creation))
        self._sweep = Late(lambda: late.sweep(engine))
        self._removals = ThreadPoolExecutor(_REMOVALS, thread_name_prefix="removals")
        self._runs = Runs()
        self._places = Places(instance, self._runs, self._sandboxes, self._images, self._values)
        self._foresight = Foresight(
            Exits(engine, self._reader), self._outputs_of, self._images.describe, self._containers.succeeded
        )

    def reserve(self, run: str, head: HeadStart | None = None) -> None:
        """Begin to make a sandbox for a run of this id, unless that has a head start.

        What is in the way of it is told when the run is opened.
        """

        def reserve() -> None:
            with suppress(InfrastructureError):
                self._events.ready()
                self._sandboxes.reserve(run, head)

        with self._runs.lock:  # before it is noted, nobody may look for what it makes
            self._runs.of(run).reserving = Task("reserve a sandbox", reserve)

    def reserved(self) -> tuple[str, ...]:
        """Return the runs of which nothing is known but that they have a spare sandbox, or will have."""
        return self._runs.reserved()

    def open_run(self, run: RunSpec) -> tuple[str, ...]:
        """Begin to make the run's first sandbox, which fills the run's volumes, and make its source beside.

        With what its containers join: nothing is made for a run whose network cannot be had.
        """
        with self._runs.lock:
            self._runs.of(run.id).spec = run
            reserving = self._runs.of(run.id).reserving
        source = Task("source", lambda: self._workspaces().open_run(run))
        try:
            if reserving is not None:
                reserving.wait()
            self._events.ready()
            self._sandboxes.warm(run)
        finally:
            source.wait()
        source.finish()
        return (_COPIES,) if self._workspaces().copies(run.id) else ()

    def fetch(self, image: str, *, always: bool, report: Callable[[PullProgress], None]) -> None:
        """Make an image present."""
        self._images.fetch(image, always=always, report=report)

    def open_stage(self, stage: StageSpec, lost: Callable[[str], None]) -> None:
        """Make the workspace of a stage, and hand it a sandbox."""
        if self._runs.stage(stage.address) is not None:
            return
        workspace = self._workspaces().open_stage(stage)
        sandbox = self._sandboxes.take(stage.address, lost)
        self._runs.keep(stage.address, Stage(workspace=workspace, sandbox=sandbox, lost=lost))

    def prepare(self, step: StepSpec) -> Phase:
        """Bring an attempt to its gate, or find it as an earlier process has left it."""
        with self._runs.lock:
            run = self._runs.of(step.address.run)
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
            if not self._places.lost(step.address):
                self._memory.doubt()
                raise
            return self._prepare(step)

    def _prepare(self, step: StepSpec) -> Phase:
        image = self._foresight.describe(step)
        with self._runs.lock:
            run = self._runs.of(step.address.run)
            stale = run.prepared.get(step.address, image.id) != image.id
        if stale:  # the step before has made the image anew since this one was made ready
            self._containers.discard(step.address)
        with self._runs.lock:
            run.prepared[step.address] = image.id
        placement = self._places.of(step, image)
        if step.script:
            self._values.put_script(step.address.run, naming.container(step.address), gate.script_file(step.script))
        if step.alias:
            with self._runs.lock:
                run.beside.add(step.address)
        phase = self._containers.prepare(step, placement)
        self._foresight.made_ready(step.address, self._foretelling(step.address))
        return phase

    def _foretelling(self, address: Address) -> str:
        """Return the container of an attempt whose exit means that the next step's turn comes; else nothing."""
        with self._runs.lock:
            beside = address in self._runs.known(address.run).beside
        return "" if beside else self._containers.container(address)

    def _gone(self, step: StepSpec) -> bool:
        """Say whether an attempt was released whose container is no more. A service is simply made again."""
        return step.workspace and self._values.marked(step.address.run, naming.container(step.address))

    def follow(self, address: Address, output: Output, wake: Callable[[], None]) -> None:
        """Send output and news there."""
        self._containers.follow(address, output, wake)

    def release(self, address: Address, release: Release) -> None:
        """Open the gate, when the workspace is ready for it."""
        stage = self._runs.stage(address.of_stage())
        if stage is not None:
            stage.workspace.finish()
        unplug = partial(self._sandboxes.unplug, address.run, stage.sandbox) if stage and release.last else None
        self._foresight.releasing(address, self._foretelling(address), unplug)
        self._release(address, release)
        self._foresight.released(address, self._foretelling(address))

    def _release(self, address: Address, release: Release) -> None:
        try:
            self._containers.release(address, release)
        except EngineRefusedError:
            if not self._places.lost(address) or (stage := self._places.stage(address.of_stage())) is None:
                raise
            # Its container was to be made right now, and its placement is of the time when it was prepared.
            self._containers.rejoin(address, stage.sandbox)
            self._containers.release(address, release)

    def signal(self, address: Address, signal: Signal) -> None:
        """Ask an attempt to end, or end it."""
        self._containers.signal(address, signal)

    def conclude(self, address: Address) -> Ending | None:
        """Say how an attempt ended."""
        for done in self._containers.tails.over(address.of_stage()):
            self.discard(done)
        ending = self._containers.conclude(address)
        if ending is not None:
            self._foresight.ended(address, self._containers.container(address))
        return ending

    def discard(self, address: Address) -> None:
        """Have an attempt's container removed, while whoever asked goes on: it takes 15 ms.

        ``close_run`` waits for it, and finds by its label what could not be removed. It is kept as long as output is
        still to come.
        """
        if self._containers.tails.holds(address):
            return
        self._containers.silence(address)
        self._foresight.discarded(address)
        with self._runs.lock:
            run = self._runs.of(address.run)
            run.beside.discard(address)
            removal = run.removing.get(address)
            if removal is None or removal.done():
                run.removing[address] = self._removals.submit(self._discard, address)

    def _discard(self, address: Address) -> None:
        time.sleep(_BEHIND_SECONDS)
        self._containers.discard(address)

    def probe(self, service: Address, ready: Ready | None) -> Readiness:
        """Say whether a service can be used."""
        sandboxes = self._sandboxes.live(service.run)
        if not sandboxes:
            return Readiness(ready=False, reason="nothing stands in its network any more that could look")
        return self._probes().look(service, ready, sandboxes[0].id)

    def outputs(self, stage: Address) -> Mapping[str, bytes]:
        """Return what steps of the run have left for later ones."""
        return self._foresight.outputs(stage)

    def _outputs_of(self, stage: Address) -> Mapping[str, bytes]:
        opened = self._runs.opened(stage)
        return self._outputs.read(opened.sandbox) if self._runs.spec(stage.run).outputs else {}

    def values(self, run: str, *, wanted: Wanted) -> Store:
        """Return the store of a run's values as it is now."""
        return self._values.read(run, wanted)

    def put_values(self, run: str, files: Mapping[str, bytes]) -> None:
        """Put files into the store of a run's values."""
        self._values.put(run, files)

    def returns(self, run: str) -> Mapping[str, bytes]:
        """Return what steps of a run have returned."""
        with self._runs.lock:
            known = self._runs.known(run).returned
        return self._returned.read(run, known)

    def requests(self, run: str, *, anew: bool = False) -> Mapping[str, bytes]:
        """Return what steps of a run have asked for."""
        with self._runs.lock:
            heard = self._runs.known(run).heard
        return self._requested.read(run, heard, anew=anew)

    def save_files(self, run: str, target: Path, *, most: int, wanted: Wanted) -> None:
        """Write the large values of a run to a tar."""
        self._values.save(run, target, most, wanted)

    def collect(self, attempt: Address, patterns: tuple[str, ...], target: Path, *, wanted: Wanted) -> tuple[str, ...]:
        """Copy files of an attempt's workspace out."""
        opened = self._runs.opened(attempt.of_stage()).workspace
        return self._workspaces().collect(opened, attempt.run, patterns, target, wanted)

    def shell(self, step: StepSpec, release: Release, terminal: Terminal) -> None:
        """Let a person look around where an attempt ran."""
        placement = self._places.of(step, self._images.describe(step.image))
        try:
            self._shells().open(step, placement, release, terminal)
        finally:
            self._foresight.drop(step.address.of_stage())  # whoever looked around may have changed anything

    def close_stage(self, stage: Address, *, needed: bool) -> tuple[Conflict, ...]:
        """Give back the sandbox; copy what a stage has left if something of it goes on writing."""
        for done in self._containers.tails.drain(stage):
            self.discard(done)
        with self._runs.lock:
            run = self._runs.known(stage.run)
            opened = run.stages.pop(stage, None)
            writing = any(address.of_stage() == stage for address in run.beside)
        self._foresight.forget(stage)
        if opened is None:
            return ()
        self._sandboxes.give(stage.run, opened.sandbox)
        if needed and writing:
            self._workspaces().freeze(stage)
        return opened.workspace.conflicts

    def export(self, run: RunSpec, layers: tuple[Address, ...], target: Path, *, wanted: Wanted) -> tuple[str, ...]:
        """Apply to a directory what stages changed in the source."""
        return self._workspaces().export(run, layers, target, wanted)

    def close_run(self, run: RunSpec, *, keep: bool) -> None:
        """Remove the containers of a run, what they worked in, its network and its volumes; forget it in any case.

        No other run is waited for. The sandboxes take longest, and have nothing of a workspace.
        """
        closed = self._runs.close(run.id)
        self._foresight.forget(run.id)
        if closed.reserving is not None:
            closed.reserving.wait()
        live = self._sandboxes.forget(run.id, end=True)
        sandboxes = {each: self._removals.submit(self._sandboxes.remove, each) for each in live}
        wait([removal for removal in closed.removing.values() if not removal.cancel()])  # the others are found below
        self._containers.forget(run.id)
        try:
            self._remove(run, sandboxes, keep=keep)
        finally:
            self._workspaces().forget(run.id)

    def _remove(self, run: RunSpec, sandboxes: Mapping[str, Future[None]], *, keep: bool) -> None:
        """Remove what is left of a run, while its sandboxes are being removed."""
        found = self._sweep().containers_of(run.id)
        left = self._sweep().remove(tuple(remnant for remnant in found if remnant.name not in sandboxes))
        try:
            self._workspaces().close_run(run, keep=keep)
            volumes = () if keep else labelled(self._engine, {naming.LABEL_RUN: run.id})
        finally:
            # Those whose turn has not come wait behind containers of other runs.
            late = {name for name, removal in sandboxes.items() if removal.cancel()}
            wait([removal for name, removal in sandboxes.items() if name not in late])
            stuck = {name for name, removal in sandboxes.items() if name in late or removal.exception() is not None}
            left += self._sweep().remove(tuple(remnant for remnant in found if remnant.name in stuck))
            self._networks.remove(run)
        remove_found(self._engine, volumes)
        if left:
            raise InfrastructureError(f"containers are left behind: {', '.join(remnant.name for remnant in left)}")

    def close(self) -> None:
        """End the threads of this backend; what runs on the engine is left alone."""
        self._removals.shutdown()
        self._events.close()
        self._reader.close()
        self._foresight.close()
        self._sandboxes.close()
        if (workspaces := self._workspaces.made) is not None:
            workspaces.close()
