"""The submodules of a tree: fetched as the repository around them is, with no more trust in what it says of them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from runner.records import record
from runner.workspace.git.process import Git

_LINK: Final = "160000"
_FILE: Final = ".gitmodules"
_WANTED: Final = r"^submodule\..*\.(path|url)$"


@record
class Submodule:
    """A repository inside of another: ``url`` as the outer one has it, ``path`` in its tree."""

    path: str
    url: str
    commit: str


def submodules(git: Git, commit: str) -> Iterator[Submodule]:
    """Find the submodules of the tree in ``git.directory``; one without an address is an empty directory, as for git.

    Raises:
        GitError: what the commit says of them cannot be read.
    """
    links = dict(_links(git("ls-files", "--stage", "-z")))
    if not links or not git.succeeds("cat-file", "-e", f"{commit}:{_FILE}"):
        return
    # From the commit: the file in the tree may be a link to anything.
    listing = git("config", "-z", f"--blob={commit}:{_FILE}", "--get-regexp", _WANTED)
    told: dict[str, dict[str, str]] = {}
    for entry in filter(None, listing.split("\0")):
        key, _, value = entry.partition("\n")
        name, _, what = key.rpartition(".")
        told.setdefault(name, {})[what] = value
    for each in told.values():
        path, url = each.get("path", "").rstrip("/"), each.get("url", "")
        if path in links and url:
            yield Submodule(path=path, url=url, commit=links.pop(path))


def is_below(tree: Path, path: str) -> bool:
    """Say whether a path of a tree is a directory that no link leads to."""
    place = tree
    for part in path.split("/"):
        place /= part
        if part in ("", ".", "..", ".git") or not stat.S_ISDIR(os.lstat(place).st_mode):
            return False
    return True


def _links(listing: str) -> Iterator[tuple[str, str]]:
    for entry in filter(None, listing.split("\0")):
        told, _, path = entry.partition("\t")
        mode, commit, _ = told.split(" ")
        if mode == _LINK:
            yield path, commit
