"""The dispatcher of one machine: a thread for each run, in the process of the daemon."""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial

from runner import diagnostics
from runner.clock import Clock, Deadline, SystemClock
from runner.dispatch.base import Agent, Queue
from runner.dispatch.queues import chosen
from runner.engine.job import Task
from runner.errors import InfrastructureError
from runner.store.sql.runs import Waiting

_LOOK_SECONDS = 5.0
"""How often it looks at the store unasked: what it was not told of may have changed, such as the space on the disk."""
_AGAIN_SECONDS, _LONGEST_SECONDS = 1.0, 60.0
"""After how long a run is driven again whose driver could go on no longer; the time doubles."""

_CONCLUDING = 8
"""How many runs that were cancelled while they waited are concluded at a time."""


@dataclass
class _Going:
    """A run that has begun. ``tries`` counts its drivers; between two of them it waits for ``again``."""

    run: Waiting
    tries: int = 0
    again: Deadline | None = None
    task: Task | None = field(default=None, repr=False)


class LocalDispatcher:
    """Implements ``base.Dispatcher``. ``limits`` is that of ``chosen``; while ``open_`` says no, nothing begins.

    What was cancelled is concluded also then.
    """

    def __init__(
        self,
        queue: Queue,
        agent: Agent,
        limits: Mapping[str, int],
        *,
        open_: Callable[[], bool] = lambda: True,
        clock: Clock | None = None,
    ) -> None:
        self._queue = queue
        self._agent = agent
        self._limits = limits
        self._open = open_
        self._clock = clock or SystemClock()
        self._going: dict[str, _Going] = {}
        self._draining = self._closed = False
        self._news = threading.Condition()
        self._stale = True
        self._task: Task | None = None

    def serve(self) -> None:
        """Drive what has begun, then what waits as its turn comes.

        Raises:
            InfrastructureError: the store cannot be read.
        """
        with self._news:
            for run in self._queue.begun():
                self._begin(_Going(run))
        self._task = Task("dispatcher", self._run)

    def submit(self, run: str) -> None:  # noqa: ARG002 - others are told of runs one by one
        """Look for runs that may begin or go on."""
        self._look()

    def cancel(self, run: str, *, force: bool) -> None:
        """Cancel a run that is being driven; one that waits is driven at once, so that it is concluded."""
        self._agent.cancel(run, force=force)
        self._look()

    def driven(self) -> Collection[str]:
        """Return the runs that have begun here and have not ended."""
        with self._news:
            return tuple(self._going)

    def drain(self) -> None:
        """Begin no more runs."""
        with self._news:
            self._draining = True

    def settled(self, seconds: float) -> bool:
        """Wait until nothing goes on any more."""
        with self._news:
            return self._news.wait_for(lambda: not self._going, seconds)

    def close(self) -> None:
        """Stop looking for runs."""
        self._closed = True
        self._look()
        if self._task is not None:
            self._task.finish()

    def _look(self) -> None:
        with self._news:
            self._stale = True
            self._news.notify_all()

    def _run(self) -> None:
        while not self._closed:
            try:
                self._fill()
            except InfrastructureError as error:
                diagnostics.warn("the store cannot be asked for runs", error=error.explained)
            except Exception:  # noqa: BLE001 - other runs wait for it, so it goes on, and tries again
                diagnostics.failed("no run can begin")
            with self._news:
                self._news.wait_for(lambda: self._stale, self._patience())

    def _patience(self) -> float:
        waits = [going.again.remaining for going in self._going.values() if going.again is not None]
        return min((wait for wait in waits if wait is not None), default=_LOOK_SECONDS)

    def _fill(self) -> None:
        """Begin what may begin, and drive again what waits for that."""
        with self._news:
            self._stale = False
            due = [going for going in self._going.values() if going.again is not None and going.again.passed]
            for going in due:
                self._begin(going)
        open_ = self._open()
        resumed = self._queue.begun()
        waiting = self._queue.waiting(max(self._limits.values(), default=1))
        with self._news:
            if self._draining:
                return
            for run in resumed:
                if run.id not in self._going:
                    self._begin(_Going(run))
            fresh = [run for run in waiting if run.id not in self._going]
            taken = [each.run for each in self._going.values()]
            room = _CONCLUDING - sum(run.cancelled for run in taken)
            cancelled = [run for run in fresh if run.cancelled][: max(0, room)]
            for run in (*cancelled, *(chosen(fresh, taken, self._limits) if open_ else ())):
                self._begin(_Going(run))

    def _begin(self, going: _Going) -> None:
        run = going.run.id
        self._going[run] = going
        going.again = None
        going.tries += 1
        try:
            going.task = Task(f"run {run}", partial(self._agent.drive, run), done=partial(self._ended, going))
        except RuntimeError as error:  # the machine gives no further thread
            diagnostics.warn("a run cannot be driven now", run=run, error=str(error))
            self._wait(going)

    def _wait(self, going: _Going) -> None:
        seconds = min(_AGAIN_SECONDS * 2 ** (going.tries - 1), _LONGEST_SECONDS)
        going.again = Deadline(seconds, self._clock)

    def _ended(self, going: _Going) -> None:
        with self._news:
            error = going.task.error if going.task is not None else None
            if error is None:
                del self._going[going.run.id]
            else:
                self._wait(going)
            self._stale = True
            self._news.notify_all()
        if error is not None:
            diagnostics.warn("a run is driven again after a while", run=going.run.id, error=str(error))
