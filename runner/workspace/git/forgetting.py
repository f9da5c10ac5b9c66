"""Removing what is kept of repositories that nobody has asked for in a long time."""

import os
import shutil
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from runner.workspace.git.locks import take

_LOCKS: Final = ("trees.lock", "tip.lock", "whole.lock", "trees/*/lock")
_GOING: Final = ".going-"


def forget(mirrors: Path, unused: float) -> int:
    """Remove repositories that were last used so many seconds ago, or more, and that nobody uses; return how many.

    Raises:
        OSError: one cannot be removed.
    """
    if not mirrors.is_dir():
        return 0
    latest = time.time() - unused
    found = [directory for directory in mirrors.iterdir() if not directory.name.startswith(_GOING)]
    gone = [directory for directory in found if directory.stat().st_mtime <= latest and _set_aside(directory)]
    for directory in mirrors.glob(f"{_GOING}*"):  # also what one who died on the way has left
        shutil.rmtree(directory)
    return len(gone)


def _set_aside(directory: Path) -> bool:
    """Take its name from a repository, unless somebody uses it: whoever asks for it from now on begins anew."""
    with ExitStack() as stack:
        for pattern in _LOCKS:
            for path in directory.glob(pattern):
                lock = take(path)
                if lock is None:
                    return False
                stack.callback(os.close, lock)
        directory.rename(directory.with_name(_GOING + directory.name))
    return True
