"""The one tree that all stages with a shared workspace work in, and where it lies among the layers of a run.

It is the tree of an address that no stage has, so that it is made, frozen and compared like any other. A stage with a
workspace of its own stands on a frozen copy. Which stages work in it is written down, by an empty volume for each, for
whoever drives the run later.
"""

import threading
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from itertools import combinations

from runner import naming
from runner.backends.docker.helper import Helpers
from runner.backends.docker.ownership import Root, root_for, set_roots
from runner.backends.docker.trees import Plot
from runner.backends.docker.volumes import Volume, Volumes
from runner.engine.specs import StageSpec
from runner.naming import Address
from runner.records import record

_JOINED = "s"  # the last letter of the volume that says of a stage that it works in the shared tree

Pair = tuple[Address, Address]


@record
class Order:
    """Layers, lowest first, and the pairs among them neither of which stands on the other, the lower one first."""

    layers: tuple[Address, ...]
    beside: tuple[Pair, ...]


def arranged(layers: Sequence[Address], beside: Sequence[Pair], shared: frozenset[Address], tree: Address) -> Order:
    """Put the layer of one tree in the place of those of the stages that worked in it.

    It lies where the first of them lay: whatever stands on one of them stays above it. So a layer that stands on any of
    them is above what the tree has got since, too, and the two are no pair. They are one where a shared stage needs
    that layer, for it does not see it; even if the layer stands on another shared stage, and has changed a file of that
    one on purpose: rather told once too often than lost. Only the layer below all stages is seen in the tree.
    """
    order = tuple(dict.fromkeys(tree if layer in shared else layer for layer in layers))
    apart = {frozenset(pair) for pair in beside}

    def unseen(layer: Address) -> bool:
        """Whether a stage of the tree needs this layer, or none of them is below it."""
        standing = [stage for stage in shared if frozenset((layer, stage)) not in apart]
        return not standing or any(layers.index(stage) > layers.index(layer) for stage in standing)

    with_tree = [
        (lower, upper)
        for lower, upper in combinations(order, 2)
        if tree in (lower, upper) and unseen(own := lower if upper == tree else upper) and own.stage != naming.ORIGINS
    ]
    return Order(layers=order, beside=(*(pair for pair in beside if shared.isdisjoint(pair)), *with_tree))


def settled(stage: StageSpec, known: Container[str]) -> StageSpec:
    """Put the shared tree of another run in the place of those of its stages that worked in it: nobody writes there.

    ``known`` are the names of the volumes of all runs whose layers these are.
    """

    def tree(layer: Address) -> Address:
        elsewhere = layer.run != stage.address.run and shares(layer, known)
        return Address(layer.run, naming.SHARED) if elsewhere else layer

    pairs = ((tree(lower), tree(upper)) for lower, upper in stage.beside)
    return replace(
        stage,
        layers=tuple(dict.fromkeys(map(tree, stage.layers))),
        beside=tuple(dict.fromkeys(pair for pair in pairs if pair[0] != pair[1])),
    )


def shares(stage: Address, known: Container[str]) -> bool:
    """Say whether a stage works, or worked, in the shared tree of its run; ``known`` are the names of its volumes."""
    return naming.layer(stage, _JOINED) in known


class Shared:
    """The shared tree of one run. ``known`` are the names of the volumes that the run has already."""

    def __init__(self, volumes: Volumes, run: Address, known: Iterable[str]) -> None:
        self.tree = Address(run.run, naming.SHARED)
        self.opening = threading.Lock()
        self._volumes = volumes
        self._names = set(known)
        self._users: set[str] = set()
        self._roots: dict[str, Root] = {}
        self._setting = threading.Lock()

    def join(self, stage: Address) -> None:
        """Write down that a stage works in the shared tree."""
        name = naming.layer(stage, _JOINED)
        if name not in self._names:
            self._volumes.plain(name, stage)
            self._names.add(name)

    def among(self, layers: Iterable[Address]) -> frozenset[Address]:
        """Return those of these stages that work, or worked, in the shared tree."""
        return frozenset(layer for layer in layers if shares(layer, self._names))

    def frozen_for(self, stage: Address) -> Address:
        """Return whose layer it is on which a stage stands: that of a copy made when it opened."""
        return Address(stage.run, f"{naming.SHARED}/{stage.stage}", round=stage.round)

    def set_roots(self, helpers: Helpers, trees: Sequence[tuple[Plot, Volume]], users: Iterable[str]) -> None:
        """Give the roots the owner and mode that these users need, and those of the stages before: they may run yet."""
        with self._setting:
            self._users.update(users)
            wanted = [(volume, root_for(plot.base, self._users)) for plot, volume in trees]
            differing = [(volume, root) for volume, root in wanted if self._roots.get(volume.name) != root]
            set_roots(helpers, self.tree.run, differing)
            self._roots.update((volume.name, root) for volume, root in differing)
