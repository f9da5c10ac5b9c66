"""Making the working tree of a commit, with a ``.git`` that works wherever the tree is mounted."""

import shutil
from typing import Final

from runner.workspace.git.process import Git
from runner.workspace.git.repository import Repository
from runner.workspace.git.slots import Slot
from runner.workspace.git.spec import HEADS, Found

_REMOTE: Final = "refs/remotes/origin/"
_ATTRIBUTES: Final = ":(glob)**/.gitattributes"


def turn(slot: Slot, repository: Repository, found: Found) -> None:
    """Turn what stands in a slot into the tree of another commit; only files that differ are written.

    What was never finished is made anew, and so is a tree with other attributes of files: git would write those that
    have the same content as before only where they differ, though they may have other line ends now.

    Raises:
        GitError: the objects of the commit cannot be read.
        OSError: the tree cannot be written.
    """
    kept, index = slot.directory / "index", slot.tree / ".git" / "index"
    key = slot.key()
    if key is None or key.submodules or not index.is_file():
        slot.clear()
        plant(repository.git(slot.tree, slot.lock), repository, found)
        return
    slot.begin()
    index.replace(kept)
    shutil.rmtree(slot.tree / ".git")
    git = repository.git(slot.tree, slot.lock)
    _make(git, repository, found)
    kept.replace(index)
    if git.succeeds("diff-index", "--cached", "--quiet", found.commit, "--", _ATTRIBUTES):
        _check_out(git, found)
    else:
        slot.clear()
        plant(git, repository, found)


def plant(git: Git, repository: Repository, found: Found) -> None:
    """Make a tree in the directory of ``git``, which is empty or not there.

    Raises:
        GitError: the objects of the commit cannot be read.
        OSError: the tree cannot be written.
    """
    git.directory.mkdir(exist_ok=True)
    git.directory.chmod(0o755)
    _make(git, repository, found)
    _check_out(git, found)


def _make(git: Git, repository: Repository, found: Found) -> None:
    git("init", "--quiet", "--template=", ".")
    repository.give(found, git.directory)
    for name, value in _configured(repository, found):
        git("config", name, value)


def _check_out(git: Git, found: Found) -> None:
    git("read-tree", "--reset", "-u", found.commit)
    for name, value in _refs(found):
        git("update-ref", "--no-deref", name, value)
    if found.ref.startswith(HEADS):
        git("symbolic-ref", "HEAD", found.ref)
        if found.ref == found.default:
            git("symbolic-ref", f"{_REMOTE}HEAD", _remote(found.ref))


def _refs(found: Found) -> list[tuple[str, str]]:
    if found.ref.startswith(HEADS):
        return [(found.ref, found.commit), (_remote(found.ref), found.commit)]
    named = [(found.ref, found.tag or found.commit)] if found.ref else []
    return [("HEAD", found.commit), *named]


def _configured(repository: Repository, found: Found) -> list[tuple[str, str]]:
    remote = [
        ("remote.origin.url", repository.location.url),
        ("remote.origin.fetch", f"+{HEADS}*:{_REMOTE}*"),
    ]
    if not found.ref.startswith(HEADS):
        return remote
    branch = f"branch.{found.ref.removeprefix(HEADS)}"
    return [*remote, (f"{branch}.remote", "origin"), (f"{branch}.merge", found.ref)]


def _remote(ref: str) -> str:
    return _REMOTE + ref.removeprefix(HEADS)
