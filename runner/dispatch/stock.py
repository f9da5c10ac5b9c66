"""Ids for the runs to come. Some have a sandbox already: nobody who submits a run waits for one, which takes 300 ms."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from runner.engine.backend import Backend
from runner.engine.specs import RunSpec
from runner.errors import InfrastructureError
from runner.naming import new_run_id
from runner.plan.model import Plan

_PAUSE_SECONDS: Final = 0.35
"""How long the stock waits before it is filled again: the run that has just begun needs the machine more.

By then its first step prints. Any longer, and the next run would come in between where each is asked for when the one
before has ended.
"""


class Stock:
    """For one daemon, for use from any thread. ``size`` is how many ids have a sandbox, as long as nobody takes one."""

    def __init__(self, backend: Backend, size: int) -> None:
        self._backend = backend
        self._size = size
        self._ids: list[str] = []
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._closed = False

    def fill(self) -> None:
        """Begin to make what is missing; runs that have taken theirs and still wait to begin count, too."""
        with self._lock:
            self._timer = None
            if self._closed:
                return
        for _ in range(self._size - len(self._backend.reserved())):
            run = new_run_id()
            self._backend.reserve(run)
            self._put(run)

    @contextmanager
    def id_for(self, plan: Plan) -> Iterator[str]:
        """Have an id for a run of this plan, which is stored by the end of the block, or does not begin."""
        taken = None if plan.reaches_by_name else self._take()
        try:
            yield taken or new_run_id()
        except BaseException:
            if taken is not None:
                self._put(taken)
            raise

    def close(self) -> None:
        """Remove what nobody has taken."""
        with self._lock:
            self._closed = True
            left, self._ids = self._ids, []
            if self._timer is not None:
                self._timer.cancel()
        for run in left:
            drop(self._backend, run)

    def _take(self) -> str | None:
        with self._lock:
            if self._size and self._timer is None and not self._closed:
                self._timer = threading.Timer(_PAUSE_SECONDS, self.fill)
                self._timer.daemon = True
                self._timer.start()
            return self._ids.pop() if self._ids else None

    def _put(self, run: str) -> None:
        """Have an id in stock, unless that was closed meanwhile."""
        with self._lock:
            kept = not self._closed
            if kept:
                self._ids.append(run)
        if not kept:
            drop(self._backend, run)


def drop(backend: Backend, run: str) -> None:
    """Remove what was reserved for a run that is not to be."""
    with suppress(InfrastructureError):  # the next process of this kind removes what it does not know
        backend.close_run(RunSpec(id=run, home="", workdir=""), keep=False)
