"""The async stages of ``exec``: runs of this process beside the one that was asked for, each in a thread of its own."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Protocol

from runner.dispatch.driving import Diary, Drive
from runner.dispatch.ending import endings
from runner.dispatch.offspring import completed, offspring
from runner.dispatch.orders import Order, StoredOrder
from runner.dispatch.trees import Trees
from runner.engine.backend import Backend
from runner.engine.children import Child
from runner.engine.events import Changed, Notice, Observer
from runner.engine.job import Keep, Task, default_parallel
from runner.engine.report import ChildReport
from runner.engine.specs import RunSpec
from runner.engine.state import RunState
from runner.errors import InfrastructureError, RunnerError, UnwantedError
from runner.naming import Instance
from runner.pipelinectl.payload import Request
from runner.pipelinectl.saved import Saved
from runner.plan.status import Status
from runner.records import record
from runner.store.runs import Kinship, RunFolder, RunStore


@record
class Means:
    """What the runs of this process are kept in and driven with; ``grace`` in seconds, ``prestart`` as in ``Job``."""

    store: RunStore
    instance: Instance
    backend: Backend
    trees: Trees
    grace: float
    prestart: bool
    keep: Keep = Keep.NEVER


class Member:
    """An async stage as it runs, for any thread. ``parent`` is the run whose step has asked for it."""

    def __init__(self, family: "Family", parent: str, child: Child, order: StoredOrder, folder: RunFolder) -> None:
        self.parent = parent
        self.stage = child.stage
        self.id = child.id
        self.plan = order.plan
        self.status = Status.PENDING
        self._family = family
        self._order = order
        self._folder = folder
        self._diary = Diary(folder, order.confidential)
        self.logs = self._diary.logs
        self._drive: Drive | None = None
        self._cancelled = self._forced = False
        self._lock = threading.RLock()  # a signal handler may interrupt the thread that holds it

    @property
    def number(self) -> int:
        """Which of the family's runs of this stage it is, from 1, as they were asked for."""
        return [member.id for member in self._family.members() if member.stage == self.stage].index(self.id) + 1

    @property
    def report(self) -> ChildReport:
        """How it stands."""
        return {"stage": self.stage, "id": self.id, "status": self.status}

    def run(self, observer: Observer) -> None:
        """Run it to its end; what is in the way of that becomes its end."""
        trees = self._family.means.trees
        try:
            place, exact = trees.take(self.id, self._order.tree, lambda: not self._cancelled)
            self._order = replace(self._order, tree=exact)
            self._folder.keep_order(self._order.document())
            order = self._order.order(place, Saved())
            order = replace(order, keep=self._family.means.keep, saved=False, resumable=False, values=False)
            with self._lock:
                self._drive = self._driver(order)
                if self._cancelled:
                    self._drive.cancel(force=self._forced)
            self.status = Status(self._drive.drive(observer)["run"]["status"])
        except UnwantedError:
            self._conclude(Status.CANCELLED, "it was cancelled", observer)
        except RunnerError as error:
            self._conclude(Status.ERROR, self._diary.redact(error.explained), observer)
        finally:
            trees.give_back(self.id)

    def cancel(self, *, force: bool = False) -> None:
        """End it before its time."""
        with self._lock:
            self._cancelled, self._forced = True, self._forced or force
            if self._drive is not None:
                self._drive.cancel(force=force)

    def _driver(self, order: Order) -> Drive:
        means = self._family.means
        return Drive(
            order,
            folder=self._folder,
            diary=self._diary,
            journal=self._folder.journal,
            backend=means.backend,
            grace=means.grace,
            prestart=means.prestart,
            children=self._family.of(self.id, self._order),
        )

    def _conclude(self, outcome: Status, reason: str, observer: Observer) -> None:
        """Write the end of one that its driver has left; where not even that can be, it is told."""
        self.status = outcome
        if self._drive is not None:
            self._remove(observer)
        journal = self._folder.journal
        try:
            writer = journal.take()
            for entry in endings(RunState(self.id, self.plan, journal.read()), outcome, reason):
                writer.append(entry)
                observer(Changed(entry))
        except RunnerError as error:
            observer(Notice(f"the end of run {self.id} cannot be written: {error.explained}"))
        self.logs.close()

    def _remove(self, observer: Observer) -> None:
        spec = RunSpec(id=self.id, home=self.plan.home, workdir=self.plan.workdir)
        try:
            self._family.means.backend.close_run(spec, keep=False)
        except InfrastructureError as error:
            observer(Notice(f"not everything of run {self.id} could be removed: {error.message}"))


Showing = Callable[[Member], AbstractContextManager[Observer]]
"""Shows an async stage until the end of the block."""


class Family:
    """All async stages that descend from one run of this process. ``shown`` is entered in the thread of each.

    As many of them run at a time as stages of a run do; the others wait.
    """

    def __init__(self, means: Means, shown: Showing) -> None:
        self.means = means
        self._shown = shown
        self._members: list[Member] = []
        self._tasks: list[Task] = []
        self._places = threading.BoundedSemaphore(default_parallel())
        self._cancelled: bool | None = None
        self._lock = threading.Lock()

    def of(self, run: str, order: StoredOrder) -> "ChildrenOf":
        """Return what starts the async stages of a run with this order."""
        return ChildrenOf(self, run, order)

    def members(self) -> tuple[Member, ...]:
        """Return those that have been started, in that order."""
        with self._lock:
            return tuple(self._members)

    def of_run(self, run: str) -> Sequence[ChildReport]:
        """Return those that a run has started, and how they stand."""
        return [member.report for member in self.members() if member.parent == run]

    def reports(self) -> list[ChildReport]:
        """Return how all of them stand."""
        return [member.report for member in self.members()]

    def adopt(self, run: str, child: Child, order: StoredOrder) -> bool:
        """Start one that a run asks for, unless there is one of its id already; return whether it is new.

        Raises:
            InfrastructureError: it cannot be kept.
        """
        with self._lock:
            if any(member.id == child.id for member in self._members):
                return False
            folder = self.means.store.create(
                child.id, order.plan, self.means.instance, Kinship(parent=run, child=child.stage)
            )
            try:
                folder.keep_order(order.document())
            except InfrastructureError:
                folder.remove()  # it is tried again, under the same name
                raise
            member = Member(self, run, child, order, folder)
            self._members.append(member)
            self._tasks.append(Task(f"async stage {child.id}", partial(self._run, member)))
            if self._cancelled is not None:
                member.cancel(force=self._cancelled)
        return True

    def cancel(self, *, force: bool = False) -> None:
        """End all of them before their time."""
        self._cancelled = force or bool(self._cancelled)
        for member in tuple(self._members):  # without the lock: this may be a signal handler
            member.cancel(force=force)

    def wait(self) -> None:
        """Wait until all have ended, and those that they start."""
        waited = 0
        while waited < len(self._tasks):
            self._tasks[waited].finish()
            waited += 1

    def _run(self, member: Member) -> None:
        with self._places, self._shown(member) as observer:
            member.run(observer)


class Adopting(Protocol):
    """What starts async stages, and knows them."""

    def adopt(self, run: str, child: Child, order: StoredOrder) -> bool:
        """Start one that a run asks for, unless there is one of its id already; return whether it is new.

        Raises:
            InfrastructureError: it cannot be kept.
        """

    def of_run(self, run: str) -> Sequence[ChildReport]:
        """Return those that a run has started, and how they stand."""


class ChildrenOf:
    """Implements ``engine.children.Children`` for one run of this process."""

    def __init__(self, family: Adopting, run: str, order: StoredOrder) -> None:
        self._family = family
        self._run = run
        self._order = order

    def start(self, request: Request) -> Child | None:
        """Start the run that a request asks for."""
        child = Child(stage=request.payload.stage, id=request.id)
        order = offspring(self._order, completed(request.payload, self._order, self._run))
        return child if self._family.adopt(self._run, child, order) else None

    def all(self) -> Sequence[ChildReport]:
        """Return those that this run has started, and how they stand."""
        return self._family.of_run(self._run)
