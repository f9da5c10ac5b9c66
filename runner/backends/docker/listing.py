"""Listings of trees, and the changes of one applied to another, both inside helper containers."""

import os
import stat
import tarfile
from collections.abc import Iterable, Sequence

from docker.types import Mount

from runner.backends.docker.helper import COPYING_SECONDS, Helpers, archive, directory
from runner.records import record
from runner.workspace.changes import FORMAT, Changes, Entry, parse

FROM, TO = "/from", "/to"  # where the trees of a copy are mounted

# A file that vanishes while it is listed is no error: the tree may be in use.
_LIST = """
format=$1; shift
for tree; do
    cd "$tree" || exit 1
    find . -xdev -exec stat -c "$format" {} + 2>/dev/null
    printf '\\0'
done
"""

_COPY = "cp -a /from/. /to/"

# Links and files give way where a directory belongs, before anything is removed or written below them.
_BRING = """
cd /to || exit 1
xargs -0 -r sh -c 'for path; do if [ -L "$path" ] || [ ! -d "$path" ]; then rm -f -- "$path"; fi; done' sh \
    < /in/directories || exit 1
xargs -0 -r rm -rf -- < /in/removed || exit 1
xargs -0 -r mkdir -p -- < /in/directories || exit 1
while [ $# -gt 0 ]; do
    cd "$1" || exit 1
    xargs -0 -r sh -c '
        for path; do shift; if [ -e "$path" ] || [ -L "$path" ]; then set -- "$@" "$path"; fi; done
        [ $# = 0 ] || exec cp -a --parents -t "$0" -- "$@"' "/to/$2" < "/in/$3" || exit 1
    shift 3
done
"""


def listings(helpers: Helpers, run: str, trees: Sequence[Mount]) -> list[dict[bytes, Entry]]:
    """Return the listing of each tree, in their order. ``trees`` are mounted at their own targets."""
    targets = [str(tree["Target"]) for tree in trees]
    text = helpers.run(run, _LIST, [FORMAT, *targets], mounts=trees)
    return [parse(part) for part in text.split(b"\0")[:-1]]


def copy(helpers: Helpers, run: str, *, source: Mount, target: Mount) -> None:
    """Copy all of the tree at ``/from`` into the empty one at ``/to``; times keep their seconds."""
    helpers.run(run, _COPY, mounts=(source, target), seconds=COPYING_SECONDS)


@record
class Bringing:
    """Files that are brought from a tree, mounted at ``source``, to the same paths below a directory of another."""

    source: str
    files: Sequence[bytes]
    to: str = "."


def apply(helpers: Helpers, run: str, changes: Changes, *, source: Mount, target: Mount) -> None:
    """Bring the changes, which are to be seen in the tree at ``/from``, into the one at ``/to``.

    What vanished from ``/from`` meanwhile is left out. Directories get the mode, owner and time of the listing.
    """
    if changes.empty:
        return
    directories = [member(path, entry) for path, entry in sorted((*changes.around, *changes.directories))]
    removed = (*changes.deleted, *changes.files)
    bring(helpers, run, directories, removed, [Bringing(source=FROM, files=changes.files)], mounts=(source, target))


def bring(  # noqa: PLR0913 - as the next ones are named at the call
    helpers: Helpers,
    run: str,
    directories: Sequence[tarfile.TarInfo],
    removed: Iterable[bytes],
    brought: Sequence[Bringing],
    *,
    mounts: Sequence[Mount],
    around: Iterable[bytes] = (),
) -> None:
    """Make directories, outer ones first, in the tree at ``/to``, remove what is there, and bring files into it.

    Those ``around`` are made, too, but stay as they are if they are there.
    """
    arguments = [text for number, each in enumerate(brought) for text in (each.source, each.to, str(number))]
    inputs = {
        "directories": _names((*around, *(os.fsencode(each.name) for each in directories))),
        "removed": _names(removed),
        **{str(number): _names(each.files) for number, each in enumerate(brought)},
    }
    with helpers.container(run, mounts, ("sh", "-c", _BRING, "helper", *arguments)) as container:
        helpers.give(container, inputs)
        helpers.finish(container, COPYING_SECONDS)
        helpers.put(container, TO, archive((each, b"") for each in directories))


def member(path: bytes, entry: Entry) -> tarfile.TarInfo:
    """Return the member of a tar that makes a directory as it is listed."""
    return directory(
        os.fsdecode(path), mode=stat.S_IMODE(entry.mode), uid=entry.uid, gid=entry.gid, modified=entry.modified
    )


def _names(paths: Iterable[bytes]) -> bytes:
    return b"".join(b"./" + path + b"\0" for path in paths)
