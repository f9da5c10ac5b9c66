"""What a stage works in: a tree over the source and over what other stages have left. Two ways to make it.

Both are one contract, so that a run gives the same results on an engine that cannot do overlays.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from docker.types import Mount

from runner.backends.docker.sources import Base
from runner.backends.docker.volumes import Volume
from runner.naming import Address
from runner.records import record
from runner.workspace.changes import Changes, Entry


@record
class Plot:
    """Where trees grow: the run, which of its kinds of trees (``plots``), and what lies below them all.

    Volumes are named by the kind, in few letters.
    """

    run: Address
    kind: str
    base: Base | None = None


@record
class Difference:
    """Changes, and the tree in which to see them."""

    changes: Changes
    tree: Mount


@record
class Left:
    """What stages have changed that is still there: ``files`` (all but directories) by path, in what tree to see them.

    ``directories`` are those that were made or changed, and those around files, outer ones first.
    """

    files: Mapping[bytes, Volume]
    directories: Mapping[bytes, Entry]


LAYERS = ("u", "fu", "c", "cf")
"""How the names of volumes end that hold what a stage has left, whichever way its tree was made."""


class Trees(Protocol):
    """Makes the trees of stages. Volumes are found by address; every method may be called again.

    Stages ``below``, or whose trees are merged and compared, may be those of another run: of one that is over.
    """

    def open(self, plot: Plot, stage: Address, below: Sequence[Address]) -> Volume:
        """Return the volume in which a stage works, over those of the stages ``below``, lowest first.

        A stage that never had a tree has left nothing.
        """

    def freeze(self, plot: Plot, stage: Address, owner: Address) -> None:
        """Set down what a stage has left as it is now, since something may go on writing in its tree.

        From then on it is what ``owner`` has left: the stage itself, or an address that has no tree. A second call does
        nothing.
        """

    def merge(self, plots: Sequence[Plot], stages: Sequence[Address]) -> list[dict[Address, frozenset[bytes]]]:
        """Make what stages have left, side by side, fit to lie below another one; lowest first.

        Returns for each plot the paths that each stage wrote or deleted, directories apart.
        """

    def differences(self, plot: Plot, stages: Sequence[Address]) -> AbstractContextManager[Iterator[Difference]]:
        """Yield what turns the source into what these stages have left, in this order, to be seen at ``FROM``."""

    def unite(self, plot: Plot, branches: Sequence[Sequence[Address]]) -> list[Left]:
        """Return for each of these lists of stages, lowest first, what they have changed in their trees together."""
