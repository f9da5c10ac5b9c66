"""The working trees of a repository, each in a slot that is leased to runs, or turned into another commit's tree."""

import fcntl
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Final

from runner.records import record
from runner.workspace.git.locks import take
from runner.workspace.git.spec import Found, SourceSpec

_TREE: Final = "tree"
_KEY: Final = "key"
_LOCK: Final = "lock"
_IDLE = 2
"""How many trees that nobody uses stay."""


@record
class Key:
    """What stands in a tree; as ``Found``, and whether its submodules are there."""

    commit: str
    ref: str
    default: str
    whole: bool
    submodules: bool

    def serves(self, spec: SourceSpec) -> bool:
        """Say whether it is what is wanted, as far as that can be told without asking the server."""
        return (
            spec.exact
            and self.commit == spec.commit
            and self.ref == spec.name
            and self.submodules == spec.submodules
            and (self.whole or not spec.history)
        )


@record
class Slot:
    """A place for one tree. ``lock`` is the open file whose lock says who uses it."""

    directory: Path
    lock: int

    @property
    def tree(self) -> Path:
        """Where the tree is."""
        return self.directory / _TREE

    def key(self) -> Key | None:
        """Return what stands in it; None if that was never finished."""
        return _key(self.directory)

    def release(self) -> None:
        """Let others have it."""
        os.close(self.lock)

    def share(self) -> None:
        """Let others use its tree, too, which stays as it is.

        It is never free meanwhile, as it would be for whoever released it to lease it again. Or would be not: a child
        of another thread that has not come to its ``exec`` holds every lock of this process for a moment.

        Raises:
            OSError: that cannot be done.
        """
        fcntl.flock(self.lock, fcntl.LOCK_SH)

    def begin(self) -> None:
        """Note that the tree is not to be used until it is finished.

        Raises:
            OSError: it cannot be noted.
        """
        (self.directory / _KEY).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the tree.

        Raises:
            OSError: it cannot be removed.
        """
        self.begin()
        if self.tree.exists():
            shutil.rmtree(self.tree)

    def finish(self, key: Key) -> None:
        """Note what stands in it now.

        Raises:
            OSError: it cannot be noted.
        """
        new = self.directory / f"{_KEY}.new"
        new.write_text(json.dumps(asdict(key)), encoding="utf-8")
        new.rename(self.directory / _KEY)


def key_of(found: Found, spec: SourceSpec) -> Key:
    """Return what a tree is for."""
    return Key(commit=found.commit, ref=found.ref, default=found.default, whole=found.whole, submodules=spec.submodules)


class Slots:
    """The slots of one repository, below ``directory``. ``claim`` is for one process at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def lease(self, key: Key) -> Slot | None:
        """Share the tree that is this, if there is one, until the slot is released.

        Raises:
            OSError: the slots cannot be read.
        """
        slot = next((slot for found in self._numbered() if (slot := _leased(found, key))), None)
        if slot is not None:
            os.utime(slot.directory)
        return slot

    def serving(self, spec: SourceSpec) -> Key | None:
        """Return what stands in a tree that is wanted; None if there is none."""
        keys = (_key(directory) for directory in self._numbered())
        return next((key for key in keys if key is not None and key.serves(spec)), None)

    def claim(self) -> Slot:
        """Return a slot that nobody uses, for oneself until it is released or shared: one with a tree, if there is one.

        Raises:
            OSError: it cannot be made.
        """
        directories = sorted(self._numbered(), key=lambda directory: _key(directory) is None)
        number = 1 + max((int(directory.name) for directory in directories), default=0)
        for directory in (*directories, self._directory / str(number)):
            lock = take(directory / _LOCK)
            if lock is not None:
                return Slot(directory=directory, lock=lock)
        raise FileExistsError(f"{self._directory / str(number)}: is locked by somebody else")

    def trim(self) -> None:
        """Remove trees that nobody uses, except the few that were used last.

        Raises:
            OSError: one cannot be removed.
        """
        finished = [directory for directory in self._numbered() if _key(directory) is not None]
        finished.sort(key=lambda directory: directory.stat().st_mtime, reverse=True)
        idle = 0
        for directory in finished:
            lock = take(directory / _LOCK)
            if lock is not None:
                idle += 1
                if idle > _IDLE:
                    Slot(directory=directory, lock=lock).clear()
                os.close(lock)

    def _numbered(self) -> list[Path]:
        if not self._directory.is_dir():
            return []
        return sorted(self._directory.iterdir(), key=lambda path: int(path.name))


def _leased(directory: Path, key: Key) -> Slot | None:
    if _key(directory) != key:
        return None
    lock = take(directory / _LOCK, shared=True)
    if lock is None:
        return None
    if _key(directory) == key:
        return Slot(directory=directory, lock=lock)
    os.close(lock)
    return None


def _key(directory: Path) -> Key | None:
    try:
        return Key(**json.loads((directory / _KEY).read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None  # it was never finished, or by another version
