"""Who needs the workspaces of a run that has ended and was kept: reruns that stand on them, people who look around."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from runner.errors import ConflictError
from runner.store.sql.runs import Kept, Runs


class Keeping:
    """Decides it for one daemon. ``lock`` is held while something is decided that others must not undermine."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._looked: set[str] = set()
        self.lock = threading.Lock()

    def check(self, run: str) -> None:
        """See that another run can stand on the workspaces of this one; the lock is held.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: they are not kept, or somebody looks around in them, who may change them.
        """
        record = self._runs.get(run)
        if record.kept_until is None or not record.status.ended:
            raise ConflictError(
                f"the workspaces of run {run} are not kept", hint="rerun it as a whole, without a stage"
            )
        if run in self._looked:
            raise ConflictError(f"somebody has a shell in run {run}", hint="leave it first")

    def free(self) -> list[Kept]:
        """Return the kept runs that nobody needs; the lock is held."""
        return [kept for kept in self._runs.kept() if kept.id not in self._looked and not self._runs.holders(kept.id)]

    def looked_into(self) -> frozenset[str]:
        """Return the runs in which somebody looks around."""
        with self.lock:
            return frozenset(self._looked)

    @contextmanager
    def looking(self, run: str) -> Iterator[None]:
        """Have the workspaces of a run for oneself, until the end of the block.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: they are not kept, or somebody else needs them.
        """
        with self.lock:
            self.check(run)
            if holders := self._runs.holders(run):
                raise ConflictError(f"run {holders[0]} stands on the workspaces of run {run}", hint="wait for its end")
            self._looked.add(run)
        try:
            yield
        finally:
            with self.lock:
                self._looked.discard(run)
