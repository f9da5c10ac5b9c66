"""Trees as copies, for engines that cannot do overlays: slower, with the same results."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from docker.types import Mount

from runner import naming
from runner.backends.docker import unions
from runner.backends.docker.helper import COPYING_SECONDS, Helpers
from runner.backends.docker.listing import FROM, TO, apply, copy
from runner.backends.docker.trees import Difference, Left, Plot
from runner.backends.docker.volumes import Volume, Volumes, whole
from runner.naming import Address
from runner.records import record
from runner.workspace.changes import FORMAT, Changes, compare, parse

# What volumes of a stage are, as the last letters of their names.
_TREE, _FROZEN, _RECORD = "c", "cf", "r"

_KEPT, _OTHER = "/record", "/other"

_RECORD_BEFORE = """
cd /from && find . -xdev -exec stat -c "$1" {} + > /record/before
"""

_HAND_ON = "[ ! -e /other/before ] || cp -p /other/before /record/before"

# Without a first listing the tree was empty. The second one is made when it is first asked for, and is the last word
# on what the stage changed. A file that vanishes while it is listed is no error: something may go on writing.
_READ_RECORD = """
cd /from || exit 1
if [ ! -e /record/after ]; then
    new=$(mktemp /record/XXXXXX) || exit 1
    find . -xdev -exec stat -c "$1" {} + > "$new" 2>/dev/null
    mv "$new" /record/after || exit 1
fi
if [ -e /record/before ]; then cat /record/before || exit 1; fi
printf '\\0' && cat /record/after
"""


@record
class _Left:
    """What a stage has changed, and the volume in which to see it."""

    changes: Changes
    tree: Volume

    @property
    def difference(self) -> Difference:
        return Difference(changes=self.changes, tree=self.tree.mount(FROM, read_only=True))


class Copies:
    """Trees of one plain volume each, and one with the listings that tell what the stage changed in it.

    One object for each run: it remembers what it has once read.
    """

    def __init__(self, volumes: Volumes, helpers: Helpers) -> None:
        self._volumes = volumes
        self._helpers = helpers
        self._read: dict[str, Changes] = {}

    def open(self, plot: Plot, stage: Address, below: Sequence[Address]) -> Volume:
        """Return the volume in which a stage works: the source, and one after the other what the others changed."""
        name = naming.layer(stage, plot.kind)

        def fill(tree: Volume) -> None:
            if self._compose(plot, tree, below):
                self._record(name, stage, tree)

        return self._volumes.filled(name + _TREE, stage, fill)

    def freeze(self, plot: Plot, stage: Address, owner: Address) -> None:
        """Copy the stage's tree, beside the listing of that moment."""
        name, kept = naming.layer(stage, plot.kind), naming.layer(owner, plot.kind)
        tree = self._volumes.of_run(stage.run).get(name + _TREE)
        if tree is None:
            return

        def fill(frozen: Volume) -> None:
            if owner != stage:
                self._hand_on(name, stage, kept, owner)
            self._changes(owner.run, kept, owner, tree)
            copy(self._helpers, owner.run, source=tree.mount(FROM, read_only=True), target=frozen.mount(TO))

        self._volumes.filled(kept + _FROZEN, owner, fill)

    def merge(self, plots: Sequence[Plot], stages: Sequence[Address]) -> list[dict[Address, frozenset[bytes]]]:
        """Compare each stage's tree with what it was at first."""
        return [{stage: left.changes.touched for stage, left in self._left(plot, stages)} for plot in plots]

    @contextmanager
    def differences(self, plot: Plot, stages: Sequence[Address]) -> Iterator[Iterator[Difference]]:
        """Yield what each stage changed, one after the other."""
        yield (left.difference for _, left in self._left(plot, stages))

    def unite(self, plot: Plot, branches: Sequence[Sequence[Address]]) -> list[Left]:
        """Put together what each stage changed."""
        return [self._united(plot, branch) for branch in branches]

    def _united(self, plot: Plot, branch: Sequence[Address]) -> Left:
        found = [left for _, left in self._left(plot, branch)]
        return unions.left(unions.applied([left.changes for left in found]), [left.tree for left in found])

    def _compose(self, plot: Plot, tree: Volume, below: Sequence[Address]) -> bool:
        """Say whether there was anything to copy."""
        run = plot.run.run
        if plot.base:
            copy(self._helpers, run, source=plot.base.mount(FROM), target=tree.mount(TO))
        left = [left.difference for _, left in self._left(plot, below) if not left.changes.empty]
        for difference in left:
            apply(self._helpers, run, difference.changes, source=difference.tree, target=tree.mount(TO))
        return bool(plot.base or left)

    def _left(self, plot: Plot, stages: Sequence[Address]) -> Iterator[tuple[Address, _Left]]:
        """Yield what each stage that had a tree has left."""
        known = self._volumes.among(plot.run.run, stages)
        for stage in stages:
            name = naming.layer(stage, plot.kind)
            kept = next((name + kind for kind in (_FROZEN, _TREE) if whole(name + kind) in known), None)
            if kept:
                changes = self._changes(plot.run.run, name, stage, known[kept])
                yield stage, _Left(changes=changes, tree=known[kept])

    def _record(self, name: str, stage: Address, tree: Volume) -> None:
        self._volumes.remove(name + _RECORD)
        record = self._volumes.plain(name + _RECORD, stage)
        self._run(stage.run, _RECORD_BEFORE, tree, record)

    def _hand_on(self, name: str, stage: Address, kept: str, owner: Address) -> None:
        """Begin a record for ``owner`` with how the stage's tree was at first."""
        self._volumes.remove(kept + _RECORD)
        self._read.pop(kept, None)
        old, new = self._volumes.plain(name + _RECORD, stage), self._volumes.plain(kept + _RECORD, owner)
        self._helpers.run(owner.run, _HAND_ON, mounts=(old.mount(_OTHER, read_only=True), new.mount(_KEPT)))

    def _changes(self, run: str, name: str, stage: Address, tree: Volume) -> Changes:
        """Return what a stage changed, be it of another run than the one that looks."""
        if name not in self._read:
            record = self._volumes.plain(name + _RECORD, stage)
            before, _, after = self._run(run, _READ_RECORD, tree, record).partition(b"\0")
            self._read[name] = compare(parse(before), parse(after))
        return self._read[name]

    def _run(self, run: str, script: str, tree: Volume, record: Volume) -> bytes:
        mounts: tuple[Mount, ...] = (tree.mount(FROM, read_only=True), record.mount(_KEPT))
        return self._helpers.run(run, script, [FORMAT], mounts=mounts, seconds=COPYING_SECONDS)
