"""Driving a plan in tests: what a life of a run does is recorded, and can be awaited."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from runner import naming
from runner.backends.fake import FakeBackend
from runner.backends.standing import World
from runner.clock import Clock
from runner.engine.backend import Backend
from runner.engine.children import Children
from runner.engine.events import Changed, Event, Notice, Observer, Printing
from runner.engine.job import Job, LookAround, Task
from runner.engine.journal import Entry, Journal, Memory
from runner.engine.ledger import Ledger
from runner.engine.origins import unfold
from runner.engine.run import Driver
from runner.engine.specs import Release
from runner.engine.state import RunState, Standing
from runner.naming import SERVICES, Address
from runner.plan.model import Plan
from runner.plan.status import Status
from tests.support.hooked import DEADLINE

RUN = "0badcafe"
SCALE = 0.02


def at(path: str, *, round: int = 1, attempt: int = 1) -> Address:  # noqa: A002 - the field's name
    """Return the address of ``stage`` or ``stage/step``."""
    stage, _, step = path.partition("/")
    return Address(RUN, stage, step, round=round, attempt=attempt)


def at_service(name: str) -> Address:
    """Return the address of a service."""
    return Address(RUN, SERVICES, name)


class ManualClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> datetime:
        """Return the time of day."""
        return datetime.fromtimestamp(self.time, UTC)

    def monotonic(self) -> float:
        """Return seconds."""
        return self.time


@dataclass
class Recorder:
    """An ``Output`` that keeps what it gets, and refuses what comes after its end."""

    chunks: list[tuple[int, bytes]] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    closed: bool = False

    def write(self, stream: int, data: bytes) -> None:
        """Keep a piece."""
        assert not self.closed, f"written after close: {data!r}"
        self.chunks.append((stream, data))

    def anew(self) -> None:
        """Forget what came before: it comes again."""
        self.chunks.clear()

    def gap(self, reason: str) -> None:
        """Keep a gap."""
        self.gaps.append(reason)

    def close(self) -> None:
        """Note the end."""
        self.closed = True

    @property
    def text(self) -> str:
        """All that was written."""
        return b"".join(data for _, data in self.chunks).decode()


class Recorders:
    """``Logs`` in memory. A log that is opened again goes on where it stood."""

    def __init__(self) -> None:
        self.found: dict[str, Recorder] = {}
        self.hidden: list[str] = []

    def open(self, name: str) -> Recorder:
        """Return the log of that name."""
        recorder = self.found.setdefault(name, Recorder())
        recorder.closed = False
        return recorder

    def holds(self, name: str) -> bool:
        """Whether anything has been written to a log."""
        return name in self.found and bool(self.found[name].chunks)

    def hide(self, value: str) -> bool:
        """Remember a secret; what has less than four characters is too short."""
        self.hidden.append(value)
        return len(value) >= 4


class VaryingBackend(FakeBackend):
    """A fake whose steps may do something else in a later attempt or round."""

    def __init__(self, world: World, environments: Mapping[Address, Mapping[str, str]]) -> None:
        super().__init__(world)
        self._environments = environments

    def release(self, address: Address, release: Release) -> None:
        """Let a container run as its address says, else as its environment does."""
        more = self._environments.get(address, {})
        super().release(address, Release(environment={**release.environment, **more}))


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a life of a run came to."""

    run: Standing
    state: RunState
    entries: tuple[Entry, ...]
    events: tuple[Event, ...]
    outputs: Mapping[str, Recorder]
    hidden: tuple[str, ...]

    def standing(self, path: str) -> Standing:
        """Return how the last round of a stage, or the last attempt of ``stage/step``, stands."""
        return self.state.standing(self.last(path))

    def last(self, path: str) -> Address:
        """Return the address of the last round or attempt."""
        stage, _, step = path.partition("/")
        address = self.state.stage(stage)
        return self.state.step(address, step) if step else address

    def status(self, path: str) -> Status:
        """Return the status of a stage or step."""
        return self.standing(path).status

    def reason(self, path: str) -> str:
        """Return why."""
        return self.standing(path).reason

    @property
    def statuses(self) -> dict[str, str]:
        """The status of every step, by ``stage/step``."""
        return {
            f"{stage.name}/{step.name}": self.status(f"{stage.name}/{step.name}").value
            for stage in self.state.plan.stages
            for step in stage.steps
        }

    @property
    def stages(self) -> dict[str, str]:
        """The status of every stage."""
        return {stage.name: self.status(stage.name).value for stage in self.state.plan.stages}

    @property
    def order(self) -> list[str]:
        """The steps, services included, in the order in which they were begun; one item for each attempt."""
        return [e.address.path for e in self.entries if e.address.step and e.status is Status.RUNNING]

    @property
    def notices(self) -> list[str]:
        """What people were told beside the statuses."""
        return [event.text for event in self.events if isinstance(event, Notice)]

    def output(self, address: Address) -> Recorder:
        """Return what an attempt printed."""
        return self.outputs[naming.log(address)]


class Life:
    """One driver of a run, in a thread of its own."""

    def __init__(  # noqa: PLR0913 - the parts of a life, each by name and all but the plan optional
        self,
        plan: Plan,
        *,
        backend: Backend | None = None,
        world: World | None = None,
        journal: Journal | None = None,
        observer: Observer | None = None,
        run: str = RUN,
        clock: Clock | None = None,
        on_failure: LookAround | None = None,
        children: Children | None = None,
        **job: Any,  # noqa: ANN401 - the fields of `Job`, which checks them
    ) -> None:
        self.plan = unfold(plan)
        self.run = run
        self.journal = journal or Memory()
        self.events: list[Event] = []
        self.logs = Recorders()
        self._observer = observer
        self._news = threading.Condition()
        job.setdefault("grace", 1.0)
        self.driver = Driver(
            job=Job(id=run, plan=self.plan, **job),
            journal=self.journal,
            backend=backend or FakeBackend(world or World(scale=SCALE)),
            logs=self.logs,
            observer=self._observe,
            clock=clock,
            on_failure=on_failure,
            children=children,
        )
        self._standing: Standing | None = None
        self._task: Task | None = None

    def start(self) -> "Life":
        """Begin to drive."""
        self._task = Task("driver", self._drive)
        return self

    def until(self, seen: Callable[[Event], bool]) -> None:
        """Wait until an event has been seen."""
        with self._news:
            assert self._news.wait_for(lambda: any(map(seen, self.events)), DEADLINE), "it never came"

    def until_printing(self, address: Address) -> None:
        """Wait until an attempt is about to start."""
        self.until(lambda event: isinstance(event, Printing) and event.address == address)

    def until_status(self, address: Address, status: Status) -> None:
        """Wait until an address has entered a status."""
        self.until(
            lambda event: isinstance(event, Changed) and (event.entry.address, event.entry.status) == (address, status)
        )

    def finish(self) -> Result:
        """Wait for the end, raise what the driver raised, else return what it came to."""
        assert self._task is not None
        waiting = threading.Event()
        Task("finish", self._task.wait, done=waiting.set)
        assert waiting.wait(DEADLINE), f"the run does not end; it stands at {self.journal.read()}"
        self._task.finish()
        assert self._standing is not None
        return self.result(self._standing)

    def result(self, standing: Standing) -> Result:
        """Return what has come of the run so far."""
        entries = self.journal.read()
        return Result(
            run=standing,
            state=RunState(self.run, self.plan, entries),
            entries=entries,
            events=tuple(self.events),
            outputs=self.logs.found,
            hidden=tuple(self.logs.hidden),
        )

    def _drive(self) -> None:
        self._standing = self.driver.drive()

    def _observe(self, event: Event) -> None:
        with self._news:
            self.events.append(event)
            self._news.notify_all()
        if self._observer is not None:
            self._observer(event)


def drive(plan: Plan, **options: Any) -> Result:  # noqa: ANN401 - the options of `Life`
    """Drive a plan to its end."""
    return Life(plan, **options).start().finish()


def ledger_of(plan: Plan, entries: tuple[Entry, ...] = (), observer: Observer | None = None) -> Ledger:
    """Return a ledger of a run that has come so far."""
    journal = Memory()
    writer = journal.take()
    for entry in entries:
        writer.append(entry)
    return Ledger(RUN, plan, journal, ManualClock(), observer or (lambda _: None))
