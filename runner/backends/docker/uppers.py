"""Layers as the kernel writes them, looked into and made fit to be stacked beside others.

With ``redirect_dir=on`` the kernel marks every directory that is new in a merged one as opaque (``ovl_create_upper``
in fs/overlayfs/dir.c): nothing was below it, so it never looks there again. When another stage's layer is put below,
its directory of the same name is hidden: of two stages that each made ``build/``, only one would be seen. So the mark
is taken off the directories that were new to the stage. Those that it deleted and made again keep it.
"""

import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from docker.types import Mount

from runner.backends.docker.helper import Helpers, archive
from runner.backends.docker.listing import TO, member
from runner.backends.docker.volumes import Volume
from runner.records import record
from runner.workspace.changes import FORMAT, Entry, parse

# For each layer: what is no directory, all directories, and the listing of those that were not there below.
_LOOK = """
format=$1; shift
while [ $# -gt 1 ]; do
    upper=$1; below=$2; shift 2
    cd "$upper" || exit 1
    find . -xdev ! -type d -print0 && printf '\\0' || exit 1
    find . -xdev -mindepth 1 -type d -print0 && printf '\\0' || exit 1
    [ -z "$below" ] || find . -xdev -mindepth 1 -type d -print0 | xargs -0 -r sh -c '
        below=$1; format=$2; shift 2
        for path; do
            shift
            if [ ! -d "$below/$path" ] || [ -L "$below/$path" ]; then set -- "$@" "$path"; fi
        done
        [ $# = 0 ] || exec stat -c "$format" "$@"' sh "$below" "$format" || exit 1
    printf '\\0'
done
"""

_NOT_OPAQUE = {"SCHILY.xattr.trusted.overlay.opaque": "n"}


@record
class Layer:
    """What a stage has left: the volume it wrote into, and the view of what was below, if anything was."""

    upper: Volume
    below: Volume | None


@record
class Written:
    """What stands in a layer: other things than directories (also the marks of what was deleted), and directories.

    ``new`` are the directories of which nothing was below.
    """

    files: frozenset[bytes] = frozenset()
    directories: frozenset[bytes] = frozenset()
    new: Mapping[bytes, Entry] = field(default_factory=dict)


def look(helpers: Helpers, run: str, layers: Sequence[Layer]) -> list[Written]:
    """Return what stands in each layer."""
    arguments: list[str] = [FORMAT]
    mounts: list[Mount] = []
    for number, layer in enumerate(layers):
        upper, below = f"/upper{number}", f"/below{number}"
        mounts.append(layer.upper.mount(upper, read_only=True))
        if layer.below:
            mounts.append(layer.below.mount(below, read_only=True))
        arguments += [upper, below if layer.below else ""]
    parts = iter(helpers.run(run, _LOOK, arguments, mounts=mounts).split(b"\0"))
    return [Written(files=_names(parts), directories=_names(parts), new=parse(next(parts))) for _ in layers]


def join(helpers: Helpers, run: str, layers: Sequence[Layer], written: Sequence[Written]) -> None:
    """Make directories that several of these layers made one directory; ``layers`` are lowest first."""
    lower: set[bytes] = set()
    for layer, found in zip(layers, written, strict=True):
        common = sorted(lower & found.new.keys())
        if common:
            members = [(_not_opaque(path, found.new[path]), b"") for path in common]
            with helpers.container(run, (layer.upper.mount(TO),)) as container:
                helpers.put(container, TO, archive(members))
        lower |= found.directories


def _not_opaque(path: bytes, entry: Entry) -> tarfile.TarInfo:
    """Return a directory as it is, with the mark; the archive API sets it with the engine's own rights."""
    marked = member(path, entry)
    marked.pax_headers = dict(_NOT_OPAQUE)
    return marked


def _names(parts: Iterator[bytes]) -> frozenset[bytes]:
    """Take names up to the empty one."""
    return frozenset(name[2:] for name in iter(lambda: next(parts), b""))
