"""A bare repository of ours that has what was fetched of another one, for all who want it again."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from runner.workspace.git.process import Git
from runner.workspace.git.spec import Found

_EVERYTHING: Final = ("heads/", "tags/")
_ALL: Final = "refs/all/"
_TIP: Final = "refs/tip/one"
_KEEP: Final = "refs/keep/"
_PARENTS: Final = "--depth=2"  # a commit, and what it changed
_HISTORY: Final = "--update-shallow"  # all that the other one has, should it have no more itself
_PACKS = 50
"""How many packs may lie there before they are made into one."""
_LASTING = 20
"""How many of the commits that were asked for are then in it, the last ones."""

_LEFT_BY_THE_DEAD: Final = ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*", "objects/pack/*.lock")
_LINKED: Final = (".pack", ".rev", ".idx")  # in this order: git believes that a pack is there once it sees the index


class Mirror:
    """The repository in ``git.directory`` for one at ``url``; whoever uses it holds its lock.

    With ``whole`` it has all history of what was fetched, else of each commit that was asked for only its parents.
    """

    def __init__(self, git: Git, url: str, *, whole: bool) -> None:
        self._git = git
        self._url = url
        self._whole = whole
        self._directory = git.directory

    def open(self) -> None:
        """Make it, if it is not there, and remove what a git that was killed has left.

        Raises:
            GitError: it cannot be made, or is damaged.
            OSError: as above.
        """
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for pattern in _LEFT_BY_THE_DEAD:
            for path in self._directory.glob(pattern):
                path.unlink(missing_ok=True)
        if not (self._directory / "HEAD").is_file():
            self._git("init", "--quiet", "--bare", "--template=", ".")

    def sound(self) -> bool:
        """Look whether all that it has can be read, which takes long.

        Raises:
            GitError: too long.
        """
        return self._git.succeeds("rev-parse", "--git-dir") and self._git.succeeds("fsck", "--full", "--no-dangling")

    def remove(self) -> None:
        """Remove it, for it to be made anew.

        Raises:
            OSError: it cannot be removed.
        """
        shutil.rmtree(self._directory)

    def has(self, commit: str) -> bool:
        """Say whether a commit is there, and what it must have with it.

        Raises:
            GitError: it took too long.
        """
        return commit not in self._shallow() and self._git.succeeds("cat-file", "-e", f"{_KEEP}{commit}^{{commit}}")

    def fetch(self, name: str) -> None:
        """Fetch a commit, or the object of a tag, by its hash.

        Raises:
            GitError: the server does not give it.
        """
        self._fetch(f"+{name}:{_KEEP}{name}")

    def fetch_ref(self, ref: str) -> str:
        """Fetch what stands under a whole name, with all history; return the pattern of the refs that it has here.

        Raises:
            GitError: the server does not give it.
        """
        self._fetch(f"+{ref}:{_TIP}")
        return _TIP

    def fetch_all(self) -> str:
        """Fetch all branches and tags, with all history; return the pattern of the refs that they have here.

        Raises:
            GitError: the server does not give them.
        """
        self._fetch(*(f"+refs/{kind}*:{_ALL}{kind}*" for kind in _EVERYTHING), prune=True)
        return _ALL

    def keep(self, commit: str) -> None:
        """Note that a commit that is there was asked for.

        Raises:
            GitError: it is not there.
        """
        self._git("update-ref", "--no-deref", f"{_KEEP}{commit}", commit)

    def held(self, prefix: str, pattern: str) -> tuple[str, ...]:
        """Return the commits whose hashes begin so and which are in the history of these refs.

        Raises:
            GitError: it took too long.
        """
        there = self._git("rev-parse", f"--disambiguate={prefix}").split()
        return tuple(each for each in there if self._contained(each, pattern))

    def commit_of(self, name: str) -> str:
        """Return the commit that a hash, of a tag too, leads to.

        Raises:
            GitError: it leads to none.
        """
        return self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")

    def give(self, found: Found, tree: Path) -> None:
        """Put what a ``.git`` must have of a commit into that of a tree, which shares the files of objects with us.

        Raises:
            GitError: it cannot be put there.
            OSError: as above.
        """
        self._pack()
        source, target = (directory / "objects" / "pack" for directory in (self._directory, tree / ".git"))
        for suffix in _LINKED:
            for path in source.glob(f"*{suffix}"):
                _link(path, target / path.name)
        if not self._whole:
            cut = [parent for parent in self._parents(found.commit) if self._parents(parent)]
            _write_lines(tree / ".git" / "shallow", cut)

    def _parents(self, commit: str) -> list[str]:
        """Return the parents that a commit names, whether they are there or not."""
        head, _, _ = self._git("cat-file", "commit", commit).partition("\n\n")
        return [line.removeprefix("parent ") for line in head.split("\n") if line.startswith("parent ")]

    def _fetch(self, *refspecs: str, prune: bool = False) -> None:
        options = ["--no-tags", "--no-write-fetch-head", "--force", "--progress"]
        options += ["--prune"] if prune else []
        options += [_HISTORY if self._whole else _PARENTS]
        self._git("fetch", *options, "--", self._url, *refspecs, network=True)

    def _shallow(self) -> frozenset[str]:
        """Return the commits whose parents are not there."""
        file = self._directory / "shallow"
        return frozenset(file.read_text(encoding="ascii").split()) if file.is_file() else frozenset()

    def _contained(self, commit: str, pattern: str) -> bool:
        if not self._git.succeeds("cat-file", "-e", f"{commit}^{{commit}}") or commit != self.commit_of(commit):
            return False
        return bool(self._git("for-each-ref", "--count=1", "--format=x", f"--contains={commit}", pattern))

    def _pack(self) -> None:
        """Make one pack of many, with what the last of them were fetched for."""
        if len(list((self._directory / "objects" / "pack").glob("*.pack"))) <= _PACKS:
            return
        kept = sorted((self._directory / _KEEP).iterdir(), key=lambda path: path.stat().st_mtime)
        for path in kept[:-_LASTING]:
            path.unlink()
        self._git("repack", "-a", "-d", "--quiet")


def _link(path: Path, target: Path) -> None:
    if not target.exists():
        try:
            os.link(path, target)
        except OSError:  # a file system without hard links, or with too many of this one
            shutil.copy2(path, target)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    if text:
        path.write_text(text, encoding="ascii")
    else:
        path.unlink(missing_ok=True)
