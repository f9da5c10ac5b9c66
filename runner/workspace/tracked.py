"""Which files of a directory a fresh clone of its repository would hold, too."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from runner.errors import UsageError
from runner.workspace.changes import parents
from runner.workspace.local import refusal
from runner.workspace.pack import walk

_GIT = b".git"
_KINDS = (stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK)  # what git can track; a directory is a submodule
_HINT = "use --source-filter all"


def tracked(root: Path) -> tuple[bytes, ...]:
    """Return what of a directory git tracks and is there: paths below it, directories named before what they hold.

    Files count as they stand in the working tree, also those that are only in the index. Submodules come with the files
    that they track; one that is not checked out, or not known to ``git submodule``, is an empty directory, as in a
    clone. ``.git`` comes along with all it holds, so that steps can ask git, as in gitlab-ci-local
    (``Utils.rsyncTrackedFiles`` leaves out only what ``git ls-files -o`` names); a submodule's, too.

    Raises:
        UsageError: it is in no repository, git tracks nothing in it, or it cannot be read.
    """
    # The first alone does not enter submodules, and the second alone is silent about those that are not checked out.
    listed = {*_listed(root), *_listed(root, "--recurse-submodules")}
    try:
        files = _present(root, listed)
        if not files:
            raise UsageError(f"{root}: git tracks nothing that is there", hint=f"git add what a run needs, or {_HINT}")
        directories = {parent for path in files for parent in parents(path)}
        return tuple(sorted(files | directories | set(_repositories(root, directories))))
    except OSError as error:
        raise UsageError(f"{root}: cannot be read: {error}") from error


def _listed(root: Path, *options: str) -> list[bytes]:
    try:
        import git  # noqa: PLC0415 - it cannot be imported where there is no git command
    except ImportError as error:
        raise UsageError("what git tracks cannot be told without the git command", hint=_HINT) from error
    try:
        listing: bytes = git.Git(root).ls_files("-z", *options, stdout_as_string=False)
    except git.GitCommandError as error:
        raise UsageError(f"{root}: git does not say what it tracks there: {refusal(error)}", hint=_HINT) from error
    return [path for path in listing.split(b"\0") if path]


def _present(root: Path, paths: set[bytes]) -> set[bytes]:
    """Return what is there and not behind a link: git takes for deleted what has a link for a directory around it."""
    directories = {b""}
    present = set()
    for path in sorted(paths.union(*map(parents, paths))):
        mode = _mode(root, path) if path.rpartition(b"/")[0] in directories else 0
        if stat.S_ISDIR(mode):
            directories.add(path)
        if path in paths and stat.S_IFMT(mode) in _KINDS:
            present.add(path)
    return present


def _mode(root: Path, path: bytes) -> int:
    try:
        return os.lstat(os.path.join(os.fsencode(root), path)).st_mode  # noqa: PTH118 - a Path takes no bytes
    except FileNotFoundError:
        return 0


def _repositories(root: Path, directories: Iterable[bytes]) -> Iterator[bytes]:
    for directory in (b"", *directories):
        name = directory + b"/" + _GIT if directory else _GIT
        mode = _mode(root, name)
        if mode:
            yield name
        if stat.S_ISDIR(mode):
            yield from (os.fsencode(path.relative_to(root)) for path in walk(root / os.fsdecode(name)))
