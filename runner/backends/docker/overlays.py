"""Trees as overlays: a stage's own layer over those of others, at no cost for what is below."""

import hashlib
import os
import secrets
import threading
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import islice

from runner import naming
from runner.backends.docker import unions
from runner.backends.docker.helper import Helpers
from runner.backends.docker.listing import FROM, TO, apply, copy, listings
from runner.backends.docker.memory import Memory
from runner.backends.docker.trees import Difference, Left, Plot
from runner.backends.docker.uppers import Layer, join, look
from runner.backends.docker.volumes import Volume, Volumes, whole
from runner.errors import EngineRefusedError, WorkspaceError
from runner.naming import Address
from runner.workspace import layers
from runner.workspace.changes import Changes, compare

# What volumes of a stage are, as the last letters of their names.
_UPPER, _WORK = "u", "w"
_FROZEN = "f"  # a tree like the stage's own, whose layer stands for the stage's

_EMPTY = ("e", "y")  # two volumes of a run that nothing is ever written to

_MERGED_LAYERS = "m"

_BELOW, _MERGED = "/below", "/merged"  # where trees are compared


class Overlays:
    """Trees of three volumes each: what is written, a work directory, and the overlay of the two over all below.

    A tree with nothing below is one plain volume.
    """

    def __init__(self, volumes: Volumes, helpers: Helpers, memory: Memory) -> None:
        self._volumes = volumes
        self._memory = memory
        self._helpers = helpers
        self._merging = threading.Lock()
        self._grounds: set[int | None] = set()

    def work(self, plots: Iterable[Plot]) -> bool:
        """Say whether the engine can mount overlays over the sources: one trial for each, as a rule for all."""
        return all(self._works(plot) for plot in sorted(plots, key=lambda plot: plot.base is None))

    def _works(self, plot: Plot) -> bool:
        """Say whether the engine can mount an overlay over a source, without starting a container.

        What has worked is not tried again: it depends on the file systems of the engine and of the source.
        """
        ground = plot.base.device if plot.base else None
        # A device without a number of its own (memory, a network) may be another one tomorrow.
        fact = self._memory.of_engine(f"can lay overlays over device {ground}") if os.major(ground or 0) else ""
        if ground not in self._grounds and (self._memory.knows(fact) or self._trial(plot)):
            self._grounds |= {ground, None}  # with the source on it lay volumes of the engine's own
            self._memory.learn(fact)
        return ground in self._grounds

    def _trial(self, plot: Plot) -> bool:
        name = naming.volume(plot.run.run, "t")
        try:
            trial = self._over(name, plot.run, [*self._floor(plot.run), *_base(plot)])
            with self._helpers.container(plot.run.run, (trial.mount(TO),)) as container:
                return self._helpers.stat(container, TO) is not None
        except EngineRefusedError:
            return False
        finally:
            for left in (name, name + _UPPER, name + _WORK):
                self._volumes.remove(left)

    def open(self, plot: Plot, stage: Address, below: Sequence[Address]) -> Volume:
        """Return the volume in which a stage works."""
        name = naming.layer(stage, plot.kind)
        # Where nothing lies below but the source, an overlay that is there already is the same as one made now; but
        # what the shared one stands on was decided by whoever came first.
        alone = not below and stage.stage != naming.SHARED
        known = {} if alone else self._volumes.among(stage.run, below)
        lowers = [*_base(plot), *(layer.path for layer in _layers(plot, below, known))]
        if name in known or not lowers:
            return known.get(name) or self._volumes.plain(name + _UPPER, stage)
        return self._over(name, stage, lowers)

    def freeze(self, plot: Plot, stage: Address, owner: Address) -> None:
        """Write what the stage changed into a second tree over the same layers: its layer is then like the first."""
        name, twin = naming.layer(stage, plot.kind), naming.layer(owner, plot.kind) + _FROZEN
        known = self._volumes.of_run(stage.run)
        if name in known:
            self._volumes.filled(twin + _UPPER, owner, lambda _: self._imitate(known[name], twin, owner))
        elif own := known.get(name + _UPPER):
            self._volumes.filled(twin + _UPPER, owner, lambda frozen: self._copy(owner, own, frozen))

    def merge(self, plots: Sequence[Plot], stages: Sequence[Address]) -> list[dict[Address, frozenset[bytes]]]:
        """Make the stages' layers fit to be stacked; what was deleted stands there as a device."""
        run = plots[0].run.run
        known = self._volumes.among(run, stages)
        with ExitStack() as views:
            found = [self._with_below(plot, stages, known, views) for plot in plots]
            everything = [layer for by_stage in found for layer in by_stage.values()]
            written = iter(look(self._helpers, run, everything) if everything else ())
            seen = [dict(zip(by_stage, islice(written, len(by_stage)), strict=True)) for by_stage in found]
            for by_stage, by_stage_written in zip(found, seen, strict=True):
                join(self._helpers, run, tuple(by_stage.values()), tuple(by_stage_written.values()))
        return [{stage: each.files for stage, each in by_stage.items()} for by_stage in seen]

    @contextmanager
    def differences(self, plot: Plot, stages: Sequence[Address]) -> Iterator[Iterator[Difference]]:
        """Compare the merged view of all layers with the source; a renamed directory has no other trace."""
        run = plot.run
        self.merge([plot], stages)
        found = [layer.path for layer in _layers(plot, stages, self._volumes.among(run.run, stages))]
        if not found:
            yield iter(())
            return
        with self._view(run, _base(plot)) as below, self._view(run, [*_base(plot), *found]) as merged:
            changes = self._compare(run, below, merged)
            yield iter((Difference(changes=changes, tree=merged.mount(FROM, read_only=True)),))

    def unite(self, plot: Plot, branches: Sequence[Sequence[Address]]) -> list[Left]:
        """Look at all layers in one container."""
        known = self._volumes.among(plot.run.run, {stage for branch in branches for stage in branch})
        with ExitStack() as views:

            @cache
            def view(lowers: tuple[str, ...]) -> Volume | None:
                return views.enter_context(self._view(plot.run, lowers)) if lowers else None

            found = [_stacked(plot, branch, known, lambda paths: view(tuple(paths))) for branch in branches]
            return unions.look(self._helpers, plot.run.run, found)

    def _with_below(
        self, plot: Plot, stages: Sequence[Address], known: Mapping[str, Volume], views: ExitStack
    ) -> dict[Address, Layer]:
        """Return the layers of those stages that have one; below a plain volume there is nothing."""
        found = {}
        for stage in stages:
            if upper := _layer(plot, stage, known):
                tree = _tree(plot, stage, known)
                view = self._view(plot.run, layers.lowers_of(tree.options)) if tree else None
                found[stage] = Layer(upper=upper, below=views.enter_context(view) if view else None)
        return found

    def _imitate(self, tree: Volume, name: str, owner: Address) -> None:
        lowers = layers.lowers_of(tree.options)
        twin = self._over(name, owner, lowers)
        with self._view(owner, lowers) as below:
            changes = self._compare(owner, below, tree)
        apply(self._helpers, owner.run, changes, source=tree.mount(FROM, read_only=True), target=twin.mount(TO))

    def _compare(self, run: Address, below: Volume, merged: Volume) -> Changes:
        trees = (below.mount(_BELOW, read_only=True), merged.mount(_MERGED, read_only=True))
        return compare(*listings(self._helpers, run.run, trees))

    def _copy(self, owner: Address, source: Volume, target: Volume) -> None:
        copy(self._helpers, owner.run, source=source.mount(FROM, read_only=True), target=target.mount(TO))

    def _over(self, name: str, owner: Address, lowers: Sequence[str]) -> Volume:
        upper = self._volumes.plain(name + _UPPER, owner)
        work = self._volumes.plain(name + _WORK, owner)
        options = self._fitting(owner, lowers, lambda fewer: layers.writable(fewer, upper.path, work.path))
        return self._volumes.overlay(name, owner, options)

    @contextmanager
    def _view(self, owner: Address, lowers: Sequence[str]) -> Iterator[Volume]:
        """Show layers read-only, for as long as this is open; two empty ones make up the number the kernel wants."""
        floor = self._floor(owner)
        options = self._fitting(owner, lowers, lambda fewer: layers.read_only([*floor, *fewer]))
        view = self._volumes.overlay(naming.volume(owner.run, f"v{secrets.token_hex(4)}"), owner, options)
        try:
            yield view
        finally:
            self._volumes.remove(view.name)

    def _fitting(self, owner: Address, lowers: Sequence[str], options: Callable[[Sequence[str]], str]) -> str:
        """Return the options over these layers, the lowest of them copied into one where the text gets too long."""
        while not layers.fits(text := options(lowers)):
            floor = self._floor(owner)
            count = layers.split([*floor, *lowers]) - len(floor)
            if count < 2:  # noqa: PLR2004 - copying one layer gains nothing
                raise WorkspaceError(f"{lowers[0]}: the path is too long for the engine to layer")
            lowers = [self._merged(owner, lowers[:count]).path, *lowers[count:]]
        return text

    def _merged(self, owner: Address, lowers: Sequence[str]) -> Volume:
        digest = hashlib.sha256("\0".join(lowers).encode()).hexdigest()[:10]

        def fill(volume: Volume) -> None:
            with self._view(owner, lowers) as view:
                self._copy(owner, view, volume)

        with self._merging:  # two stages may need the same
            return self._volumes.filled(naming.volume(owner.run, f"{_MERGED_LAYERS}{digest}"), Address(owner.run), fill)

    def _floor(self, owner: Address) -> list[str]:
        run = Address(owner.run)
        return [self._volumes.plain(naming.volume(run.run, name), run).path for name in _EMPTY]


def _base(plot: Plot) -> tuple[str, ...]:
    return (plot.base.path,) if plot.base else ()


def _layers(plot: Plot, stages: Sequence[Address], known: Mapping[str, Volume]) -> list[Volume]:
    return [layer for layer in (_layer(plot, stage, known) for stage in stages) if layer]


def _layer(plot: Plot, stage: Address, known: Mapping[str, Volume]) -> Volume | None:
    """Return what a stage has left; None if it never had a tree."""
    name = naming.layer(stage, plot.kind)
    frozen = name + _FROZEN + _UPPER
    return known[frozen] if whole(frozen) in known else known.get(name + _UPPER)


def _tree(plot: Plot, stage: Address, known: Mapping[str, Volume]) -> Volume | None:
    """Return an overlay over the layers that a stage stood on; None if there was nothing below."""
    name = naming.layer(stage, plot.kind)
    return known.get(name) or known.get(name + _FROZEN)


def _stacked(
    plot: Plot, branch: Sequence[Address], known: Mapping[str, Volume], below: Callable[[Sequence[str]], Volume | None]
) -> list[unions.Layer]:
    """Return the layers of a branch; ``below`` shows what lies below it."""
    found: list[unions.Layer] = []
    for stage in branch:
        if upper := _layer(plot, stage, known):
            tree = known.get(upper.name.removesuffix(_UPPER))
            lowers = layers.lowers_of(tree.options) if tree else ()
            own = [layer.upper.path for layer in found]
            hidden = any(_is_merged(volume, known) for volume in known.values() if volume.path in lowers)
            found.append(
                unions.Layer(
                    upper=upper,
                    tree=tree or upper,
                    below=below([path for path in lowers if path not in own]),
                    on=frozenset(number for number, path in enumerate(own) if hidden or path in lowers),
                )
            )
    return found


def _is_merged(volume: Volume, known: Container[str]) -> bool:
    """Say whether layers were copied into this one: which ones cannot be told any more."""
    run = volume.labels.get(naming.LABEL_RUN, "")
    return volume.name.startswith(naming.volume(run, _MERGED_LAYERS)) and whole(volume.name) in known
