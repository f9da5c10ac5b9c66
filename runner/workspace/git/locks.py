"""Locks between processes: files that the kernel unlocks when whoever holds them has died."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.workspace.git.process import Watch

_PAUSE = 0.05  # seconds between two tries


@contextmanager
def locked(path: Path, watch: Watch) -> Iterator[int]:
    """Hold a lock that one process has at a time; yield the open file, with which a child holds it, too.

    Raises:
        UnwantedError: nobody waits for it any more.
        GitError: others hold it for too long.
        OSError: the file cannot be made.
    """
    while (file := take(path)) is None:
        watch.sleep(_PAUSE)
    try:
        yield file
    finally:
        os.close(file)


def take(path: Path, *, shared: bool = False) -> int | None:
    """Take a lock, if that can be done at once: alone, or with all who share it. It is held until the file is closed.

    Raises:
        OSError: the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if _lock(file, shared=shared) and _stands(path, file):
        return file
    os.close(file)
    return None


def _lock(file: int, *, shared: bool) -> bool:
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _stands(path: Path, file: int) -> bool:
    """Say whether the file is still the one of that name: who held the lock before may have removed it."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
