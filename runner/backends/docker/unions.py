"""What the stages of one branch have changed, put together as if their layers lay over each other and over nothing.

What a layer holds does not tell it alone: a directory that was renamed stands empty there, and one that was made anew
looks like one that was changed; only the kernel may read the marks of both. So each layer is looked at through the tree
of its stage as well, in the directories that it holds, and compared with what lies below the branch.
"""

import stat
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import field, replace

from docker.types import Mount

from runner.backends.docker.helper import Helpers
from runner.backends.docker.trees import Left
from runner.backends.docker.volumes import Volume
from runner.records import record
from runner.workspace.changes import FORMAT, Changes, Entry, Listing, parents, parse

_WHITEOUT = stat.S_IFCHR  # a character device without any permission

# For each layer: what stands in it, then its directories as its tree shows them and as they are below the branch. What
# is no directory below has nothing there.
_LOOK = """
format=$1; shift
show() {
    [ -z "$1" ] || xargs -0 -r sh -c '
        cd "$0" && format=$1 && shift || exit 1
        for path; do
            shift
            if [ -d "$path" ] && [ ! -L "$path" ]; then set -- "$@" "$path"; fi
        done
        [ $# = 0 ] || exec find "$@" -xdev -mindepth 1 -maxdepth 1 -exec stat -c "$format" {} +
    ' "$1" "$format" || exit 1
    printf '\\0'
}
while [ $# -gt 0 ]; do
    cd "$1" || exit 1
    find . -xdev -exec stat -c "$format" {} + && printf '\\0' || exit 1
    find . -xdev -type d -print0 | show "$2" || exit 1
    find . -xdev -type d -print0 | show "$3" || exit 1
    shift 3
done
"""

_LOOK_DEEP = """
format=$1; shift
for tree; do
    cd "$tree" || exit 1
    xargs -0 -r sh -c 'exec find "$@" -xdev -exec stat -c "$0" {} +' "$format" < "/in/${tree#/}" || exit 1
    printf '\\0'
done
"""


@record
class Layer:
    """What a stage of a branch has left: ``upper`` is what it wrote, ``tree`` how it saw that over what was below.

    ``below`` shows the latter without the branch; None if there was nothing. ``on`` are the numbers of the layers of
    the branch that the stage saw.
    """

    upper: Volume
    tree: Volume
    below: Volume | None
    on: frozenset[int]


@record
class Seen:
    """A layer, listed. ``tree`` and ``below`` are lists of the directories in ``own``; those of ``deep`` hold more."""

    own: Listing
    tree: Listing = field(default_factory=dict)
    below: Listing = field(default_factory=dict)
    on: frozenset[int] = frozenset()
    deep: AbstractSet[bytes] = frozenset()


@record
class Found:
    """What is at a path, in the layer of this number. ``around`` is a directory in which alone something changed."""

    layer: int
    entry: Entry | None = None
    around: bool = False

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return self.entry is not None and self.entry.is_directory


Union = Mapping[bytes, Found]
"""What is there in the end, by its path."""


def united(layers: Sequence[Seen]) -> tuple[Union, Mapping[int, AbstractSet[bytes]]]:
    """Return what these layers have changed, and by layer the directories of which more must be known: all in them.

    ``layers`` are lowest first. A later one wins, and hides what it has deleted or, of what it saw, shows no more.
    """
    found: dict[bytes, Found] = {}
    unknown: dict[int, set[bytes]] = {}
    for number, seen in enumerate(layers):
        found = _without(found, _hidden(found, seen))
        for path, entry in sorted(seen.tree.items()):
            old = found.get(path)
            if path in seen.own:
                found[path] = Found(layer=number, entry=entry, around=_around(seen.below.get(path), entry, old))
            elif entry not in (seen.below.get(path), *(layers[other].tree.get(path) for other in seen.on)):
                found[path] = Found(layer=number, entry=entry)
                if entry.is_directory and not _within(path, seen.deep):
                    unknown.setdefault(number, set()).add(path)
    return found, unknown


def applied(changes: Sequence[Changes]) -> Union:
    """Return what these changes, made one after the other, have left."""
    found: dict[bytes, Found] = {}
    for number, each in enumerate(changes):
        found = _without(found, set(each.deleted))
        found |= {path: Found(layer=number) for path in each.files}
        found |= {path: Found(layer=number, entry=entry) for path, entry in each.directories}
        for path, entry in each.around:
            found[path] = Found(layer=number, entry=entry, around=_around(entry, entry, found.get(path)))
    return found


def left(union: Union, trees: Sequence[Volume]) -> Left:
    """Return what there is of a union; ``trees`` are those of its layers."""
    needed = {parent for path, found in union.items() if not found.around for parent in parents(path)}
    return Left(
        files={path: trees[found.layer] for path, found in union.items() if not found.is_directory},
        directories={
            path: found.entry
            for path, found in sorted(union.items())
            if found.entry and found.is_directory and (path in needed or not found.around)
        },
    )


def look(helpers: Helpers, run: str, branches: Sequence[Sequence[Layer]]) -> list[Left]:
    """Return what the layers of each branch have changed; all are looked at in one helper container."""
    seen = iter(_look(helpers, run, [layer for branch in branches for layer in branch]))
    return [_look_on(helpers, run, branch, [next(seen) for _ in branch]) for branch in branches]


def _look(helpers: Helpers, run: str, layers: Sequence[Layer]) -> list[Seen]:
    if not layers:
        return []
    targets: dict[Volume, str] = {}
    arguments = [FORMAT]
    for layer in layers:
        shown = (layer.upper, layer.tree if layer.tree != layer.upper else None, layer.below)
        arguments += (targets.setdefault(volume, f"/{len(targets)}") if volume else "" for volume in shown)
    mounts = [volume.mount(target, read_only=True) for volume, target in targets.items()]
    parts = helpers.run(run, _LOOK, arguments, mounts=mounts).split(b"\0")
    listings = iter([parse(part) for part in parts[:-1]])
    return [_seen(layer, next(listings), next(listings), next(listings)) for layer in layers]


def _seen(layer: Layer, own: Listing, tree: Listing, below: Listing) -> Seen:
    whole = own if layer.tree == layer.upper else tree
    return Seen(own=own, tree=whole, below=below, on=layer.on)


def _look_on(helpers: Helpers, run: str, branch: Sequence[Layer], seen: list[Seen]) -> Left:
    """Look into directories that have come from elsewhere as a whole, until nothing is unknown."""
    union, unknown = united(seen)
    while unknown:
        targets = {number: f"/{number}" for number in unknown}
        mounts: list[Mount] = [branch[number].tree.mount(target, read_only=True) for number, target in targets.items()]
        inputs = {str(number): b"".join(b"./" + path + b"\0" for path in paths) for number, paths in unknown.items()}
        text = helpers.run(run, _LOOK_DEEP, [FORMAT, *targets.values()], mounts=mounts, inputs=inputs)
        for (number, paths), part in zip(unknown.items(), text.split(b"\0")[:-1], strict=True):
            one = seen[number]
            seen[number] = replace(one, tree={**one.tree, **parse(part)}, deep=one.deep | paths)
        union, unknown = united(seen)
    return left(union, [layer.tree for layer in branch])


def _hidden(found: Union, seen: Seen) -> set[bytes]:
    """Return the paths of which, with all below, nothing is left under a layer."""
    inside = {b"", *(path for path, entry in seen.own.items() if entry.is_directory)}
    inside |= {path for path, entry in seen.tree.items() if entry.is_directory and _within(path, seen.deep)}
    deleted = {path for path, entry in seen.own.items() if entry.mode == _WHITEOUT}
    replaced = {path for path, entry in seen.own.items() if not entry.is_directory} - deleted
    missing = {
        path
        for path, each in found.items()
        if each.layer in seen.on and path not in seen.tree and path.rpartition(b"/")[0] in inside
    }
    return deleted | replaced | missing


def _without(found: Union, hidden: AbstractSet[bytes]) -> dict[bytes, Found]:
    return {path: each for path, each in found.items() if not _within(path, hidden)}


def _within(path: bytes, those: AbstractSet[bytes]) -> bool:
    return path in those or not those.isdisjoint(parents(path))


def _around(before: Entry | None, entry: Entry, old: Found | None) -> bool:
    """Say whether nothing but what is in a directory has changed, up to now."""
    return entry.is_directory and before is not None and before.same(entry) and (old is None or old.around)
