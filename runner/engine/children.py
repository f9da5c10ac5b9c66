"""Async stages: what steps ask for through ``trigger-task`` is taken up, each request once, and starts a run."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from runner.clock import Deadline
from runner.engine.backend import Backend
from runner.engine.events import Notice, Observer
from runner.engine.job import Task
from runner.engine.report import ChildReport
from runner.errors import (
    EngineTimeoutError,
    EngineUnavailableError,
    InfrastructureError,
    JournalError,
    UsageError,
)
from runner.pipelinectl.payload import Request, read_request
from runner.records import record

_LOOK_SECONDS: Final = 0.5
"""How often it is looked whether a step has asked for something."""

_PATIENCE_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.2


@record
class Child:
    """A run that a step has started."""

    stage: str
    id: str


_PASSING: Final = (EngineUnavailableError, EngineTimeoutError)
"""What is in the way of reading requests now, and not for ever."""


class Children(Protocol):
    """Starts the runs that one run asks for, and knows them. For use from any thread."""

    def start(self, request: Request) -> Child | None:
        """Start the run that a request asks for; None if it has been started already.

        When it returns, no crash makes it forgotten.

        Raises:
            UsageError: no such run can be.
            InfrastructureError: it cannot be started now.
        """

    def all(self) -> Sequence[ChildReport]:
        """Return those that were started, also by earlier drivers, as they were asked for, and how they stand."""


class Requests:
    """Takes up the requests of a run while it is driven; the file is the truth, whoever has read it before."""

    def __init__(self, run: str, backend: Backend, tell: Observer, children: Children) -> None:
        self._run = run
        self._backend = backend
        self._tell = tell
        self._children = children
        self._open: list[Request] = []
        self._taken: set[str] = set()
        self._told = ""
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._task: Task | None = None

    def begin(self) -> None:
        """Take up what there is, and whatever comes; the run is open."""
        self._look(anew=True)
        self._task = Task("async stages", self._watch)

    def leave(self) -> None:
        """Look no more, since this driver goes on no longer."""
        self._over.set()
        if self._task is not None:
            self._task.wait()

    def finish(self) -> None:
        """Take up what is left, before the run is removed, and say what was started.

        Raises:
            JournalError: something cannot be started, and that has lasted; it must not be removed.
        """
        self._over.set()
        if self._task is not None:
            self._task.finish()
        patience = Deadline(_PATIENCE_SECONDS)
        while (trouble := self._look(anew=True)) is not None:
            if patience.passed and (self._open or isinstance(trouble, _PASSING)):
                raise JournalError(f"an async stage cannot be started: {trouble.message}", hint=trouble.hint)
            if patience.passed:
                break  # nobody can read them, and another driver could not either
            time.sleep(_PAUSE_SECONDS)
        self._list()

    def _list(self) -> None:
        try:
            children = self._children.all()
        except InfrastructureError as error:
            self._tell(Notice(f"async stages cannot be listed: {error.explained}"))
            return
        for child in children:
            self._tell(Notice(f"async stage {child['stage']}: {child['status']} (runner show {child['id']})"))

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self._look()

    def _look(self, *, anew: bool = False) -> InfrastructureError | None:
        """Take up what is new; return what is in the way of that, which is told once."""
        with self._lock:
            trouble: InfrastructureError | None = None
            try:
                self._note(self._backend.requests(self._run, anew=anew))
            except InfrastructureError as error:
                trouble = error
            for request in tuple(self._open):
                trouble = self._take(request) or trouble
        if trouble is not None and trouble.message != self._told:
            self._told = trouble.message
            self._tell(Notice(f"async stages wait: {trouble.explained}"))
        return trouble

    def _note(self, found: Mapping[str, bytes]) -> None:
        """Take note of requests, in the order in which they were made; a file that is none is told."""
        fresh: list[Request] = []
        for name, content in found.items():
            if name not in self._taken:
                self._taken.add(name)
                try:
                    fresh.append(read_request(name, content))
                except UsageError as error:
                    self._tell(Notice(f"a request for an async stage cannot be read: {error.message}"))
        self._open += sorted(fresh, key=lambda request: request.moment)

    def _take(self, request: Request) -> InfrastructureError | None:
        try:
            child = self._children.start(request)
        except UsageError as error:
            self._tell(Notice(f"a request for an async stage cannot be met: {error.message}"))
        except InfrastructureError as error:
            return error
        else:
            if child is not None:
                self._tell(Notice(f"async stage {child.stage} begins as run {child.id}"))
        self._open.remove(request)
        return None
