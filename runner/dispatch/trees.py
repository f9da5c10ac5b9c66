"""What runs of a daemon work on: each has its tree from when it is driven until nobody needs its workspaces any more.

A tree of a repository is leased, so that it stays as it is; a lease ends with its process, and is taken again.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from runner.dispatch.orders import Tree
from runner.engine.backend import Source
from runner.workspace.git.sources import Sources


def _always() -> bool:
    return True


class Trees:
    """Those of all runs, by the ids of these; for use from any thread."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self._leases: dict[str, tuple[ExitStack, Source]] = {}
        self._lock = threading.Lock()

    def take(self, run: str, tree: Tree, wanted: Callable[[], bool] = _always) -> Source | None:
        """Return what a run works on, None where that is nothing; the same until ``give_back``.

        Raises:
            WorkspaceError: the repository cannot be fetched.
            UnwantedError: ``wanted`` has said no.
        """
        if tree.repository is None:
            return Source(path=Path(tree.directory)) if tree.directory else None
        with self._lock:
            if run in self._leases:
                return self._leases[run][1]
        stack = ExitStack()
        fetched = stack.enter_context(self.sources.fetched(tree.repository, wanted=wanted))
        source = Source(path=fetched.path)
        with self._lock:
            self._leases[run] = stack, source
        return source

    def give_back(self, run: str) -> None:
        """Let others have the tree of a run; one that has none is left in peace."""
        with self._lock:
            stack, _ = self._leases.pop(run, (ExitStack(), None))
        stack.close()
