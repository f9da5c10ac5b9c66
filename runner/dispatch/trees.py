"""What runs work on: each has its trees from when it is driven until nobody needs its workspaces any more.

A tree of a repository is leased, so that it stays as it is; a lease ends with its process, and is taken again.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from runner.dispatch.orders import Clone, Place, Tree
from runner.engine.specs import Placed, Source
from runner.settings import GitSettings
from runner.workspace.git.sources import Sources
from runner.workspace.git.spec import SourceSpec


def _always() -> bool:
    return True


class Trees:
    """Those of all runs, by the ids of these; for use from any thread.

    ``sources`` fetches repositories, ``here`` those whose address is a path of this machine: only the directory of a
    run is one (``Tree``).
    """

    @classmethod
    def of(cls, mirrors: Path, settings: GitSettings) -> "Trees":
        """Return those that are kept below ``mirrors``.

        Raises:
            UsageError: the settings name logins that cannot be read.
        """
        here = replace(settings, protocols=("file",))
        return cls(Sources(mirrors, settings), Sources(mirrors, here))

    def __init__(self, sources: Sources, here: Sources) -> None:
        self.sources = sources
        self._here = here
        self._leases: dict[str, tuple[ExitStack, Place, Tree]] = {}
        self._lock = threading.Lock()

    def take(self, run: str, tree: Tree, wanted: Callable[[], bool] = _always) -> tuple[Place, Tree]:
        """Return what a run works on, and how exactly the same is had again; the same until ``give_back``.

        Raises:
            UsageError: an address is none that git may be given.
            WorkspaceError: a repository cannot be fetched.
            UnwantedError: ``wanted`` has said no.
        """
        with self._lock:
            if run in self._leases:
                return self._leases[run][1:]
        with ExitStack() as stack:
            place, exact = self._fetched(stack, tree, wanted)
            with self._lock:
                self._leases[run] = stack.pop_all(), place, exact
        return place, exact

    def give_back(self, run: str) -> None:
        """Let others have the trees of a run; one that has none is left in peace."""
        with self._lock:
            lease = self._leases.pop(run, None)
        if lease is not None:
            lease[0].close()

    def _fetched(self, stack: ExitStack, tree: Tree, wanted: Callable[[], bool]) -> tuple[Place, Tree]:
        source, exact = (Source(path=Path(tree.directory)) if tree.directory else None), tree
        if tree.repository is not None:
            path, spec = self._one(stack, tree.repository, wanted)
            source, exact = Source(path=path), replace(tree, repository=spec)
        placed: list[Placed] = []
        clones: list[Clone] = []
        for clone in tree.beside:
            path, spec = self._one(stack, clone.source, wanted)
            placed.append(Placed(path=path, target=clone.target))
            clones.append(replace(clone, source=spec))
        return Place(source=source, beside=tuple(placed)), replace(exact, beside=tuple(clones))

    def _one(self, stack: ExitStack, spec: SourceSpec, wanted: Callable[[], bool]) -> tuple[Path, SourceSpec]:
        sources = self._here if spec.url.startswith("/") else self.sources
        fetched = stack.enter_context(sources.fetched(spec, wanted=wanted))
        return fetched.path, replace(spec, commit=fetched.commit, ref=fetched.ref)
