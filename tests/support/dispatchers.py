"""The dispatchers that ``tests/contract/test_dispatcher.py`` runs against, and what they dispatch there."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from runner.dispatch.base import Agent, Dispatcher, Queue
from runner.dispatch.local import LocalDispatcher
from runner.errors import InfrastructureError
from runner.store.sql.runs import Waiting
from tests.support.hooked import DEADLINE


class Stored:
    """A store of runs in memory."""

    def __init__(self) -> None:
        self.runs: dict[str, Waiting] = {}
        self.status: dict[str, str] = {}
        self._lock = threading.Lock()

    def add(
        self, run: str, *, queue: str = "default", priority: int = 0, pipeline: str = "", begun: bool = False
    ) -> str:
        with self._lock:
            number = len(self.runs) + 1
            self.runs[run] = Waiting(id=run, queue=queue, priority=priority, pipeline=pipeline, number=number)
            self.status[run] = "running" if begun else "pending"
        return run

    def cancel(self, run: str) -> None:
        with self._lock:
            self.runs[run] = replace(self.runs[run], cancelled=True)

    def enter(self, run: str, status: str) -> None:
        with self._lock:
            self.status[run] = status

    def waiting(self, each: int) -> Sequence[Waiting]:
        """Return all that wait; more than is asked for does no harm."""
        with self._lock:
            statuses = {run.id: self.status[run.id] for run in self.runs.values()}
            paused = [run for run in self.runs.values() if run.cancelled and statuses[run.id] == "paused"]
            return [*(run for run in self.runs.values() if statuses[run.id] == "pending"), *paused]

    def begun(self) -> Sequence[Waiting]:
        with self._lock:
            return [run for run in self.runs.values() if self.status[run.id] == "running"]


class Puppet:
    """An agent whose runs go on until a test ends them, or has them pause when it does (``pausing``).

    ``failures`` says how often a run fails to be driven.
    """

    def __init__(self, stored: Stored) -> None:
        self.begun: list[str] = []
        self.cancelled: list[tuple[str, bool]] = []
        self.failures: dict[str, int] = {}
        self.pausing: set[str] = set()
        self.most = 0
        self._stored = stored
        self._now: list[str] = []
        self._free: set[str] = set()
        self._news = threading.Condition()

    def drive(self, run: str) -> None:
        self._stored.enter(run, "running")
        with self._news:
            self.begun.append(run)
            self._now.append(run)
            self.most = max(self.most, len(self._now))
            self._news.notify_all()
            fails = self.failures.get(run, 0)
            if fails:
                self.failures[run] = fails - 1
            else:
                cancelled = self._stored.runs[run].cancelled
                assert cancelled or self._news.wait_for(lambda: run in self._free, DEADLINE), f"{run} is never ended"
            self._now.remove(run)
        if fails:
            raise InfrastructureError("the store is locked")
        self._stored.enter(run, "paused" if run in self.pausing else "success")

    def cancel(self, run: str, *, force: bool) -> None:
        with self._news:
            self.cancelled.append((run, force))

    def end(self, *runs: str) -> None:
        with self._news:
            self._free.update(runs)
            self._news.notify_all()

    def until(self, condition: Callable[[], bool]) -> None:
        with self._news:
            assert self._news.wait_for(condition, DEADLINE), self.begun


Make = Callable[[Queue, Agent, Mapping[str, int]], Dispatcher]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of dispatcher."""

    name: str
    make: Make


KINDS = (Kind(name="local", make=LocalDispatcher),)
