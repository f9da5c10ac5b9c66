"""A driver that dies at its n-th effect, and what must hold when another one takes over.

Every append to the journal and every call that changes the world is an effect. At the n-th one, in whichever thread it
is made, the driver dies: that thread and every other that tries an effect afterwards raises ``Crash``. Where the run is
paused somebody resumes it in the same life, which is an effect as well.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.clock import Deadline
from runner.engine.backend import Output
from runner.engine.children import Child
from runner.engine.job import Job, Keep, Task
from runner.engine.journal import Entry, Journal, Memory, Writer
from runner.engine.origins import unfold
from runner.engine.report import ChildReport
from runner.engine.rerun import inherit
from runner.engine.run import Driver
from runner.engine.state import RunState
from runner.naming import SERVICES, Address
from runner.pipelinectl.payload import Request
from runner.pipelinectl.saved import Saves
from runner.plan.model import Plan
from runner.plan.status import Status
from tests.support.children import Nursery
from tests.support.engine import RUN, Recorders
from tests.support.hooked import DEADLINE, Call, HookedBackend

GRACE = 1.0
_READING = ("conclude", "outputs", "probe", "values", "returns", "requests", "save_files")


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

    def confirm(self) -> None:
        self._mortality.check()
        self._inner.confirm()


class CrashingBackend(HookedBackend):
    """A backend whose caller dies; it also holds the engine to writing its intents first, and notes what steps print.

    That goes to ``texts``, which outlive it.
    """

    def __init__(self, world: World, journal: Journal, mortality: Mortality, texts: dict[Address, str]) -> None:
        super().__init__(FakeBackend(world), before=self._enter, after=self._leave)
        self._world = world
        self._journal = journal
        self._mortality = mortality
        self._texts = texts

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
        if call.verb == "release" and call.address in self._world.containers:
            self._texts[call.address] = self._world.containers[call.address].behaviour.text
        if call.verb not in _READING:
            self._mortality.after()


class CrashingChildren:
    """What starts async stages for somebody who dies: that one is stored is an effect."""

    def __init__(self, inner: Nursery, mortality: Mortality) -> None:
        self._inner = inner
        self._mortality = mortality

    def start(self, request: Request) -> Child | None:
        """Start a run."""
        self._mortality.before()
        child = self._inner.start(request)
        self._mortality.after()
        return child

    def all(self) -> Sequence[ChildReport]:
        """Return those that were started."""
        self._mortality.check()
        return self._inner.all()


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a run stands on through all its lives: its job, what remembers it, and the world it works in.

    ``children`` are the async stages that it has started, ``texts`` what its steps have printed.
    """

    job: Job
    journal: Journal
    world: World
    children: Nursery = field(default_factory=Nursery)
    texts: dict[Address, str] = field(default_factory=dict)

    @property
    def state(self) -> RunState:
        """How the run stands."""
        return RunState(self.job.id, self.job.plan, self.journal.read())


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to: the statuses of run, stages and steps, by ``stage/step (round.attempt)``, and what ran.

    What runs beside the steps is told apart: how it ends has no effect, and may depend on when we looked. ``layers``
    are those that its stages stood on, ``children`` the async stages that it has started, each as often as it did;
    ``branches`` says how many each fork has, ``texts`` what the steps have printed, and so what references meant.
    """

    statuses: dict[str, Status]
    beside: dict[str, Status]
    started: frozenset[str]
    layers: dict[str, tuple[Address, ...]]
    children: tuple[str, ...]
    branches: dict[str, int]
    texts: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class History:
    """A run through all its lives. ``effects`` are those of its last life, ``died`` says which of the others did."""

    ground: Ground
    effects: int
    died: tuple[bool, ...]

    @property
    def world(self) -> World:
        """The world as the run has left it."""
        return self.ground.world

    def outcome(self) -> Outcome:
        """Return what the run came to."""
        job, world, state = self.ground.job, self.world, self.ground.state
        detached = {(stage.name, step.name) for stage in state.plan.stages for step in stage.steps if step.detach}
        statuses: dict[str, Status] = {}
        beside: dict[str, Status] = {}
        for entry in self.ground.journal.read():
            address = entry.address
            aside = address.stage == SERVICES or (address.stage, address.step) in detached
            (beside if aside else statuses)[_name(address)] = entry.status
        return Outcome(
            statuses=statuses,
            beside=beside,
            started=frozenset(_name(address) for address in world.starts if address.run == job.id),
            layers={
                _name(stage): tuple(replace(layer, run="") if layer.run == job.id else layer for layer in layers)
                for stage, layers in world.layers.items()
                if stage.run == job.id
            },
            children=tuple(sorted(self.ground.children.stages)),
            branches=dict(state.branches),
            texts={name: text for address, text in self.ground.texts.items() if (name := _name(address)) in statuses},
        )

    def complaints(self) -> list[str]:
        """Return everything that must never be, and is."""
        state, kept = self.ground.state, self.ground.job.id in self.world.kept
        starts = {a: n for a, n in self.world.starts.items() if n != 1 and not (state.resumed and a.stage == SERVICES)}
        return [
            *leftovers(self.world),
            *(f"{address} was started {number} times" for address, number in starts.items()),
            *(f"{address} still runs in the journal" for address in state.unfinished()),
            *_bad_sequences(self.ground.journal.read()),
            *(["its volumes are kept"] if kept and not self._keeps(state) else []),
            *(["its volumes are gone"] if self._keeps(state) and not kept else []),
        ]

    def _keeps(self, state: RunState) -> bool:
        return self.ground.job.keeps(state.standing(Address(state.run)).status)


def _name(address: Address) -> str:
    return f"{address.path} ({address.attempts})"


def _bad_sequences(entries: Sequence[Entry]) -> list[str]:
    """Return each address that got an entry after its end, or its intent twice without a pause in between."""
    found: list[str] = []
    ended: set[Address] = set()
    for entry in entries:
        if entry.address in ended:
            found.append(f"{entry.address} became {entry.status} after its end")
        if entry.status.ended:
            ended.add(entry.address)
    begun = Counter(entry.address for entry in entries if entry.status is Status.RUNNING)
    begun.subtract(entry.address for entry in entries if entry.status is Status.PAUSED)
    return found + [f"{address} has {n} intents" for address, n in begun.items() if n > 1]


def fresh(plan: Plan, *, scale: float, saves: Path | None = None, prestart: bool = True) -> Ground:
    """Return the ground of a run that has not begun, in a world of its own."""
    job = Job(id=RUN, plan=unfold(plan), grace=GRACE, prestart=prestart, saves=saves, resumable=True)
    return Ground(job=job, journal=Memory(), world=World(scale=scale))


def again(plan: Plan, stage: str, saves: Path, *, scale: float) -> Ground:
    """Return the ground of a rerun that begins at a stage of a run which has failed and was kept."""
    first = fresh(plan, scale=scale, saves=saves / RUN)
    first = replace(first, job=replace(first.job, keep=Keep.FAILED))
    assert not _live(first, Mortality())
    taken = inherit(RunState(RUN, first.job.plan, first.journal.read()), stage, {})
    run, journal = "feedbeef", Memory()
    writer = journal.take()
    for entry in taken.entries(run):
        writer.append(entry)
    restored = taken.values(Saves(saves / RUN).read(taken.stage))
    job = replace(first.job, id=run, saves=saves / run, inherited=taken.layers, restored=restored)
    return Ground(job=job, journal=journal, world=first.world)


def live_through(ground: Ground, points: Sequence[Point], *, cancelled: bool = False) -> History:
    """Drive a run with one life for each point at which it ends, and a last one that does not, or only cancels it."""
    died = tuple(_live(ground, Mortality(point)) for point in points)
    last = Mortality()
    assert not _live(ground, last, cancelled=cancelled)
    return History(ground=ground, effects=last.effects, died=died)


def crash(ground: Ground, point: Point) -> None:
    """Drive a run for the first of its lives."""
    _live(ground, Mortality(point))


def _live(ground: Ground, mortality: Mortality, *, cancelled: bool = False) -> bool:
    """Drive the run in a life of its own; return whether that ended by the crash."""
    before = set(threading.enumerate())
    task = Task("driver", lambda: _drive(ground, mortality, cancelled=cancelled))
    over = threading.Event()
    Task("watch", task.wait, done=over.set)
    assert over.wait(DEADLINE), f"the run hangs at {ground.journal.read()}"
    _bury(before, mortality)
    ground.world.client_dies()
    if task.error is not None and not isinstance(task.error, Crash):
        raise task.error
    return task.error is not None


def _drive(ground: Ground, mortality: Mortality, *, cancelled: bool) -> None:
    """Drive a run to its end; wherever it is paused, have it go on."""
    while True:
        paused = ground.state.standing(Address(ground.job.id)).status is Status.PAUSED
        before = ground.journal.read(), mortality.effects
        driver = Driver(
            job=ground.job,
            journal=CrashingJournal(ground.journal, mortality),
            backend=CrashingBackend(ground.world, ground.journal, mortality, ground.texts),
            logs=Recorders(),
            observer=lambda _: None,
            children=CrashingChildren(ground.children, mortality),
        )
        if cancelled:
            driver.cancel()
        driver.drive()
        if not driver.paused:
            return
        if not paused:
            continue  # by the next driver, which must leave it as it is
        assert (ground.journal.read(), mortality.effects) == before, "a paused run was driven on"
        assert leftovers(ground.world) == (), "something is left of a paused run"
        _resume(ground, mortality)


def _resume(ground: Ground, mortality: Mortality) -> None:
    """Do what ``runner resume`` does."""
    assert ground.job.id in ground.world.kept, "a paused run has nothing to go on with"
    writer, at = CrashingJournal(ground.journal, mortality).take(), ground.state.latest
    writer.append(Entry(address=Address(ground.job.id), status=Status.RUNNING, at=at))


def _bury(before: set[threading.Thread], mortality: Mortality) -> None:
    """Wait until no thread of a life is left; the containers' timers belong to the world and go on."""
    mortality.rouse()
    deadline = Deadline(DEADLINE)
    # Not joined: one that somebody is just starting is listed, too.
    while left := {each for each in threading.enumerate() if not isinstance(each, threading.Timer)} - before:
        assert not deadline.passed, f"{left} survive their driver"
        time.sleep(0.001)
