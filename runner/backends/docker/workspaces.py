"""The workspaces of runs: what their stages mount, and what becomes of it."""

from collections.abc import Collection, Container, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import field, replace
from itertools import chain, count
from pathlib import Path

from docker.types import Mount

from runner import naming
from runner.backends.docker.artifacts import Artifacts
from runner.backends.docker.client import Engine
from runner.backends.docker.copies import Copies
from runner.backends.docker.export import Exporter
from runner.backends.docker.gathering import Gathering
from runner.backends.docker.helper import Helpers
from runner.backends.docker.images import Images
from runner.backends.docker.listing import FROM
from runner.backends.docker.memory import Memory
from runner.backends.docker.overlays import Overlays
from runner.backends.docker.ownership import BoundFiles, root_for, set_roots
from runner.backends.docker.plots import WORKDIR, Plots, places, plots_of
from runner.backends.docker.shared import Order, Shared, arranged, settled, shares
from runner.backends.docker.sources import Base, open_source, open_tree
from runner.backends.docker.trees import LAYERS, Plot, Trees
from runner.backends.docker.volumes import ROLE, Volume, Volumes, remove_volumes
from runner.engine.backend import Conflict, Wanted
from runner.engine.specs import Placed, RunSpec, Source, SourceMode, StageSpec
from runner.errors import ImageError, InfrastructureError, WorkspaceError
from runner.naming import Address, Instance
from runner.plan.model import Workspace
from runner.records import record
from runner.settings import DockerSettings
from runner.workspace.changes import clashes
from runner.workspace.layers import lowers_of

_SHARED_NAME = "the shared workspace"
_UNKNOWN_USER = "?"  # of an image that is not there yet: it may be anybody
_THREADS = 4


@record
class Opened:
    """A stage's workspace. ``mounts`` may be used at once; ``finish`` before the first step is released.

    ``conflicts`` are the paths that stages below changed side by side. ``files`` shows the working directory at
    ``FROM``, read-only; None in a stage without a workspace.
    """

    mounts: tuple[Mount, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    files: Mount | None = None
    _pending: tuple[Future[None], ...] = ()

    def finish(self) -> None:
        """Wait until the roots have the owners and modes that the steps need.

        Raises:
            InfrastructureError: they could not be given.
        """
        for pending in self._pending:
            pending.result()


@record
class _OpenRun:
    spec: RunSpec
    base: Base | None
    plots: Plots
    trees: Trees
    shared: Shared
    recorded: Future[None] | None
    grown: set[Address] = field(default_factory=set)  # the stages that have had a tree, as far as this process knows

    @property
    def bound(self) -> Base | None:
        """The source, where it is mounted as it is."""
        return self.base if self.base and self.base.writable else None


class Workspaces:
    """Makes, exports and removes the workspaces of an instance's runs, for use from any thread.

    ``overlays=False`` copies where overlays would do, as on an engine that cannot mount them.
    """

    def __init__(  # noqa: PLR0913 - what it stands on, and what it knows
        self,
        engine: Engine,
        settings: DockerSettings,
        instance: Instance,
        images: Images,
        *,
        overlays: bool = True,
        memory: Memory | None = None,
    ) -> None:
        self._engine = engine
        self._memory = memory or Memory()
        self._images = images
        self._volumes = Volumes(engine, instance)
        self._helpers = Helpers(engine, instance, settings.sandbox_image)
        self._overlays = Overlays(self._volumes, self._helpers, self._memory) if overlays else None
        self._bound_files = BoundFiles(self._volumes, self._helpers)
        self._exporter = Exporter(self._volumes, self._helpers)
        self._artifacts = Artifacts(self._helpers)
        self._gathering = Gathering(self._volumes, self._helpers)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="workspace")
        self._runs: dict[str, _OpenRun] = {}

    def open_run(self, run: RunSpec) -> None:
        """Make the source of a run ready.

        Raises:
            WorkspaceError: it cannot be had.
        """
        if run.id in self._runs:
            return
        if run.begun:
            self._helpers.remove_left(run.id)
        base, beside = open_source(self._volumes, self._helpers, run, self._memory), self._beside(run)
        foreign = base if base and base.writable and base.uid else None
        recorded = self._threads.submit(self._bound_files.record, run, foreign) if foreign else None
        known, plots = self._volumes.of_run(run.id), plots_of(run, base, beside)
        self._runs[run.id] = _OpenRun(
            spec=run,
            base=base,
            plots=plots,
            trees=self._trees_for(run, plots, known.values()),
            shared=Shared(self._volumes, run.address, known),
            recorded=recorded,
        )

    def copies(self, run: str) -> bool:
        """Say whether an open run's workspaces are copies because the engine cannot do overlays."""
        return isinstance(self._run(run).trees, Copies)

    def open_stage(self, stage: StageSpec) -> Opened:
        """Make the workspace of a stage over what the stages below it have left.

        Raises:
            WorkspaceError: it cannot be made, or what one of them has left is not there any more.
        """
        if stage.workspace is Workspace.NONE:
            return Opened()
        run = self._run(stage.address.run)
        stage = self._standing_on(run, stage)
        if stage.workspace is Workspace.SHARED:
            return self._open_shared(run, stage)
        opened = self._open_own(run, stage)
        run.grown.add(stage.address)
        return opened

    def freeze(self, stage: Address) -> None:
        """Set down what a stage has left, as it is now: call it if something of the stage still runs when it ends.

        Stages that are opened later stand on this, whatever is written afterwards. The shared tree is not one stage's:
        whoever stands on it takes a copy of its own.
        """
        run = self._run(stage.run)
        if not run.shared.among((stage,)):
            for _, plot in run.plots:
                run.trees.freeze(plot, stage, stage)

    def collect(
        self, opened: Opened, run: str, patterns: Sequence[str], target: Path, wanted: Wanted
    ) -> tuple[str, ...]:
        """Copy files of an open stage's working directory out; see ``Backend.collect``.

        Raises:
            WorkspaceError: they cannot be read or written.
            UnwantedError: ``wanted`` has said no.
        """
        if opened.files is None:
            return ("no artifacts were kept: the stage has no workspace",)
        return self._artifacts.collect(self._run(run).spec, opened.files, patterns, target, wanted)

    def export(self, run: RunSpec, layers: Sequence[Address], target: Path, wanted: Wanted) -> tuple[str, ...]:
        """Apply to a directory what these stages changed in the source; returns the devices, which were left out.

        Raises:
            WorkspaceError: it cannot be read or written.
            UnwantedError: ``wanted`` has said no.
        """
        opened = self._run(run.id)
        order = arranged(layers, (), opened.shared.among(layers), opened.shared.tree)
        for _, plot in opened.plots:
            if plot.kind == WORKDIR:
                differences = opened.trees.differences(plot, order.layers)
                return self._exporter.export(run.address, differences, target, wanted)
        return ()

    def close_run(self, run: RunSpec, *, keep: bool) -> None:
        """Remove the workspaces of a run unless ``keep``; the containers that mount them must be gone or going.

        What the run added to a bound directory is given to the owner of that directory first.

        Raises:
            InfrastructureError: some are left, named in the message; may be called again.
        """
        opened = self._runs.get(run.id)
        self.forget(run.id)
        self._helpers.remove_left(run.id)
        if run.source and run.source.mode is SourceMode.BIND:
            base = opened.base if opened else open_source(self._volumes, self._helpers, run, self._memory)
            if base:
                self._bound_files.give_back(run, base)
        if not keep:
            remove_volumes(self._engine, {naming.LABEL_RUN: run.id, naming.LABEL_ROLE: ROLE})

    def forget(self, run: str) -> None:
        """Close a run, and leave what there is of it on the engine alone."""
        opened = self._runs.pop(run, None)
        self._artifacts.forget(run)
        if opened and opened.recorded:
            opened.recorded.exception()

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def _run(self, run: str) -> _OpenRun:
        try:
            return self._runs[run]
        except KeyError:
            raise InfrastructureError(f"run {run} is not open") from None

    def _standing_on(self, run: _OpenRun, stage: StageSpec) -> StageSpec:
        """Return a stage with the layers on which it really stands.

        Stages of this run may have had no tree. Of those of another run only such are named that had one.
        """
        gathered = tuple(layer for each in stage.gathered for layer in each.layers)

        def surely(layer: Address) -> bool:
            return layer.run != run.spec.id or layer in run.grown

        if not any(map(surely, (*stage.layers, *gathered))):
            return stage
        known = self._volumes.among(run.spec.id, (*stage.layers, *gathered))
        stage = settled(stage, known)
        for layer in (*stage.layers, *(layer for layer in gathered if not shares(layer, known))):
            if surely(layer) and not all(_has_layer(known, layer, plot) for _, plot in run.plots):
                raise WorkspaceError(
                    f"what stage {_said(layer)} of run {layer.run} has left is not there any more",
                    hint="its volumes were removed from outside, by `docker volume prune` say",
                )
        return stage

    def _open_own(self, run: _OpenRun, stage: StageSpec) -> Opened:
        order = Order(layers=stage.layers, beside=stage.beside)
        fitted = set(chain.from_iterable(order.beside))
        if shared := run.shared.among(stage.layers):
            copied = run.shared.frozen_for(stage.address)
            for _, plot in run.plots:
                run.trees.freeze(plot, run.shared.tree, copied)
            order = arranged(stage.layers, stage.beside, shared, copied)
            # What lies above was made over what the shared tree held then; it may hold more by now.
            above = order.layers[order.layers.index(copied) + 1 :]
            fitted = {*chain.from_iterable(order.beside), *((copied, *above) if above else ())}
        conflicts = self._merge(run, order, fitted) if fitted else ()
        grown = [(plot, run.trees.open(plot, stage.address, order.layers)) for _, plot in run.plots]
        roots = self._threads.submit(self._set_roots, stage, grown)
        if stage.gathered and stage.workspace is Workspace.OWN:
            self._gather(run, stage, grown)
        return self._opened(run, [volume for _, volume in grown], roots, conflicts)

    def _open_shared(self, run: _OpenRun, stage: StageSpec) -> Opened:
        """Open the one tree: it sees what the origins have left, and no stage with a workspace of its own.

        The first stage to open it decides whether it stands on the shared tree of another run.
        """
        below = tuple(layer for layer in stage.layers if layer.stage in (naming.ORIGINS, naming.SHARED))
        run.shared.join(stage.address)
        with run.shared.opening:
            grown = [(plot, run.trees.open(plot, run.shared.tree, below)) for _, plot in run.plots]
        roots = self._threads.submit(lambda: run.shared.set_roots(self._helpers, grown, self._users_of(stage)))
        return self._opened(run, [volume for _, volume in grown], roots)

    def _opened(
        self,
        run: _OpenRun,
        volumes: Sequence[Volume],
        roots: Future[None],
        conflicts: tuple[Conflict, ...] = (),
    ) -> Opened:
        mounts = [volume.mount(target) for (target, _), volume in zip(run.plots, volumes, strict=True)]
        if run.bound:
            mounts.append(run.bound.mount(run.spec.workdir))
            files = replace(run.bound, writable=False).mount(FROM)
        else:
            files = volumes[-1].mount(FROM, read_only=True)
        return Opened(
            mounts=tuple(mounts),
            conflicts=conflicts,
            files=files,
            _pending=(run.recorded, roots) if run.recorded else (roots,),
        )

    def _beside(self, run: RunSpec) -> dict[str, Base]:
        """Make the trees beside the source ready, some at a time: each takes 40 ms."""
        placed = places(run)

        def ready(number: int, each: Placed) -> Base:
            source, what = Source(path=each.path), f"s{number}"
            return open_tree(self._volumes, self._helpers, run.address, source, what=what, memory=self._memory)

        return dict(zip(placed, self._threads.map(ready, count(), placed.values()), strict=True))

    def _trees_for(self, run: RunSpec, plots: Plots, known: Collection[Volume]) -> Trees:
        """Choose how trees are made, as an earlier life of this run has, or by trial."""
        copied, overlays = naming.volume(run.id, "c"), self._overlays
        begun = any(lowers_of(volume.options) for volume in known)  # others are made beside this, by the sandbox
        tried = overlays and all(volume.name != copied for volume in known)
        if overlays and tried and (begun or overlays.work(plot for _, plot in plots)):
            return overlays
        self._volumes.plain(copied, run.address)
        return Copies(self._volumes, self._helpers)

    def _set_roots(self, stage: StageSpec, trees: Sequence[tuple[Plot, Volume]]) -> None:
        users = self._users_of(stage)
        set_roots(self._helpers, stage.address.run, [(volume, root_for(plot.base, users)) for plot, volume in trees])

    def _gather(self, run: _OpenRun, stage: StageSpec, trees: Sequence[tuple[Plot, Volume]]) -> None:
        """Put what branches have changed into the working directory, unless all stages work in the same."""
        for plot, volume in trees:
            if plot.kind == WORKDIR:
                root = root_for(plot.base, self._users_of(stage))
                self._gathering.gather(run.trees, plot, stage, volume, root)

    def _users_of(self, stage: StageSpec) -> tuple[str, ...]:
        return (*stage.users, *(self._user_of(image) for image in stage.images))

    def _user_of(self, image: str) -> str:
        try:
            return self._images.describe(image).user
        except ImageError:
            return _UNKNOWN_USER

    def _merge(self, run: _OpenRun, order: Order, fitted: Collection[Address]) -> tuple[Conflict, ...]:
        """Prepare layers to be stacked that were not made one over the other, which shows where they conflict."""
        plots = run.plots
        layers = [layer for layer in order.layers if layer in fitted]
        merged = run.trees.merge([plot for _, plot in plots], layers) if plots else []
        return tuple(
            Conflict(path=f"{target}/{path.decode(errors='replace')}", earlier=_said(earlier), later=_said(later))
            for (target, _), touched in zip(plots, merged, strict=True)
            for earlier, later in order.beside
            for path in clashes(touched.get(earlier, frozenset()), touched.get(later, frozenset()))
        )


def _has_layer(known: Container[str], layer: Address, plot: Plot) -> bool:
    name = naming.layer(layer, plot.kind)
    return any(name + kind in known for kind in LAYERS)


def _said(layer: Address) -> str:
    return _SHARED_NAME if layer.stage.startswith(naming.SHARED) else layer.stage
