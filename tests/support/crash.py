"""A driver that dies at its n-th effect, and what must hold when another one takes over.

Every append to the journal and every call that changes the world is an effect. At the n-th one, in whichever thread it
is made, the driver dies: that thread and every other that tries an effect afterwards raises ``Crash``.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runner.backends.fake import FakeBackend, World, leftovers
from runner.engine.backend import Output
from runner.engine.job import Job, Task
from runner.engine.journal import Entry, Journal, Memory, Writer
from runner.engine.origins import unfold
from runner.engine.run import Driver
from runner.engine.state import RunState
from runner.naming import SERVICES, Address
from runner.plan.model import Plan
from runner.plan.status import Status
from tests.support.engine import RUN, Recorders
from tests.support.hooked import DEADLINE, Call, HookedBackend

GRACE = 1.0
_READING = ("conclude", "outputs", "probe")


class Crash(BaseException):
    """The driver is dead."""


@dataclass(frozen=True, order=True)
class Point:
    """The effect at which a driver dies, counted from 1, and whether the effect has still happened."""

    number: int
    after: bool = False


class Mortality:
    """Counts the effects of one life, and ends it at one of them; without a point it never ends it."""

    def __init__(self, point: Point | None = None) -> None:
        self.effects = 0
        self.dead = threading.Event()
        self._point = point
        self._lock = threading.Lock()
        self._mine = threading.local()
        self._wakes: list[Callable[[], None]] = []

    def before(self) -> None:
        """Note that an effect is about to happen."""
        with self._lock:
            if self.dead.is_set():
                raise Crash
            self.effects += 1
            self._mine.last = self._point is not None and self.effects == self._point.number
            if self._mine.last and self._point is not None and not self._point.after:
                self.dead.set()
                raise Crash

    def after(self) -> None:
        """Note that it has happened."""
        if self._mine.last:
            self.dead.set()
        self.check()

    def check(self) -> None:
        """Raise if this life is over."""
        if self.dead.is_set():
            raise Crash

    def remember(self, wake: Callable[[], None]) -> None:
        """Keep what wakes a thread, so that it can be told that it is dead."""
        self._wakes.append(wake)

    def rouse(self) -> None:
        """Wake every thread that waits for a container: a dead process has no threads."""
        for wake in self._wakes:
            wake()


class CrashingJournal:
    """A journal whose writer dies."""

    def __init__(self, inner: Journal, mortality: Mortality) -> None:
        self._inner = inner
        self._mortality = mortality

    def take(self) -> Writer:
        """Become the driver."""
        return _CrashingWriter(self._inner.take(), self._mortality)

    def read(self) -> tuple[Entry, ...]:
        """Return all entries."""
        return self._inner.read()


class _CrashingWriter:
    def __init__(self, inner: Writer, mortality: Mortality) -> None:
        self.epoch = inner.epoch
        self._inner = inner
        self._mortality = mortality

    def append(self, entry: Entry) -> None:
        self._mortality.before()
        self._inner.append(entry)
        self._mortality.after()


class CrashingBackend(HookedBackend):
    """A backend whose caller dies; it also holds the engine to writing its intents first."""

    def __init__(self, world: World, journal: Journal, mortality: Mortality) -> None:
        super().__init__(FakeBackend(world), before=self._enter, after=self._leave)
        self._journal = journal
        self._mortality = mortality

    def follow(self, address: Address, output: Output, wake: Callable[[], None]) -> None:
        """Attach, and remember who is to be woken."""
        self._mortality.remember(wake)
        super().follow(address, output, wake)

    def _enter(self, call: Call) -> None:
        if call.verb in _READING:
            self._mortality.check()
            return
        self._mortality.before()
        if call.verb in ("prepare", "release"):
            last = [entry.status for entry in self._journal.read() if entry.address == call.address][-1:]
            intents = [[Status.RUNNING], [Status.PENDING]] if call.verb == "prepare" else [[Status.RUNNING]]
            assert last in intents, f"{call} without an intent in the journal"

    def _leave(self, call: Call) -> None:
        if call.verb not in _READING:
            self._mortality.after()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to: the statuses of run, stages and steps, by ``stage/step (round.attempt)``, and what ran.

    What runs beside the steps is told apart: how it ends has no effect, and may depend on when we looked.
    """

    statuses: dict[str, Status]
    beside: dict[str, Status]
    started: frozenset[Address]


@dataclass(frozen=True, kw_only=True)
class History:
    """A run through all its lives. ``effects`` are those of its last life, ``died`` says which of the others did."""

    world: World
    journal: Memory
    effects: int
    died: tuple[bool, ...]

    def outcome(self, plan: Plan) -> Outcome:
        """Return what the run came to."""
        detached = {(stage.name, step.name) for stage in plan.stages for step in stage.steps if step.detach}
        statuses: dict[str, Status] = {}
        beside: dict[str, Status] = {}
        for entry in self.journal.read():
            address = entry.address
            aside = address.stage == SERVICES or (address.stage, address.step) in detached
            (beside if aside else statuses)[str(address)] = entry.status
        return Outcome(statuses=statuses, beside=beside, started=frozenset(self.world.starts))

    def complaints(self, plan: Plan) -> list[str]:
        """Return everything that must never be, and is."""
        entries = self.journal.read()
        return [
            *leftovers(self.world),
            *(f"{a} was started {n} times" for a, n in self.world.starts.items() if n != 1),
            *(f"{a} still runs in the journal" for a in RunState(RUN, plan, entries).unfinished()),
            *_bad_sequences(entries),
        ]


def _bad_sequences(entries: Sequence[Entry]) -> list[str]:
    """Return each address that got an entry after its end, or its intent twice."""
    found: list[str] = []
    ended: set[Address] = set()
    for entry in entries:
        if entry.address in ended:
            found.append(f"{entry.address} became {entry.status} after its end")
        if entry.status.ended:
            ended.add(entry.address)
    begun = Counter(entry.address for entry in entries if entry.status is Status.RUNNING)
    return found + [f"{address} has {n} intents" for address, n in begun.items() if n > 1]


def live_through(plan: Plan, points: Sequence[Point], *, scale: float) -> History:
    """Drive a plan with one life for each point at which it ends, and a last one that does not."""
    world, journal = World(scale=scale), Memory()
    plan = unfold(plan)
    died = tuple(_live(plan, world, journal, Mortality(point)) for point in points)
    last = Mortality()
    assert not _live(plan, world, journal, last)
    return History(world=world, journal=journal, effects=last.effects, died=died)


def _live(plan: Plan, world: World, journal: Memory, mortality: Mortality) -> bool:
    """Drive the run in a life of its own; return whether that ended by the crash."""
    before = set(threading.enumerate())
    driver = Driver(
        job=Job(id=RUN, plan=plan, grace=GRACE),
        journal=CrashingJournal(journal, mortality),
        backend=CrashingBackend(world, journal, mortality),
        logs=Recorders(),
        observer=lambda _: None,
    )
    task = Task("driver", lambda: _drive(driver))
    over = threading.Event()
    Task("watch", task.wait, done=over.set)
    assert over.wait(DEADLINE), f"the run hangs at {journal.read()}"
    _bury(before, mortality)
    world.client_dies()
    if task.error is not None and not isinstance(task.error, Crash):
        raise task.error
    return task.error is not None


def _drive(driver: Driver) -> None:
    driver.drive()


def _bury(before: set[threading.Thread], mortality: Mortality) -> None:
    """Wait until no thread of a life is left; the containers' timers belong to the world and go on."""
    mortality.rouse()
    for thread in set(threading.enumerate()) - before:
        if not isinstance(thread, threading.Timer):
            thread.join(DEADLINE)
            assert not thread.is_alive(), f"{thread.name} survives its driver"
