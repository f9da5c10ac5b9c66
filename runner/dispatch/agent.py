"""The agent of a daemon: drives its runs on one engine, and lets whoever wants follow them."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from runner import diagnostics, naming
from runner.clock import Clock
from runner.dispatch.driving import Diary, Drive
from runner.dispatch.ending import endings
from runner.dispatch.feed import Events, Feed, retold
from runner.dispatch.learned import Learned
from runner.dispatch.orders import StoredOrder
from runner.dispatch.trees import Trees
from runner.engine.backend import Backend
from runner.engine.children import Children, Requests
from runner.engine.events import Changed, Event, Notice, Observer
from runner.engine.specs import RunSpec
from runner.engine.state import RunState
from runner.errors import InfrastructureError, OrderError, RunnerError, UnwantedError
from runner.naming import Address
from runner.pipelinectl.saved import Saved, Saves
from runner.plan.model import Plan
from runner.plan.status import Status
from runner.records import record
from runner.store.runs import RunFolder
from runner.store.sealing import Vault
from runner.store.sql.database import Database
from runner.store.sql.journal import SqlJournal
from runner.store.sql.runs import NewRun, RunRecord, Runs
from runner.store.sql.tables import Cancel


@record
class Means:
    """What the runs of a daemon are stored in and driven with. Times in seconds; ``folders`` holds one for each run.

    ``prestart`` is as in ``Job``.
    """

    database: Database
    vault: Vault
    backend: Backend
    trees: Trees
    folders: Path
    grace: float
    prestart: bool
    keep_failed: float
    clock: Clock

    @property
    def runs(self) -> Runs:
        """All runs."""
        return Runs(self.database, self.clock)

    def journal(self, run: str) -> SqlJournal:
        """Return the journal of a run."""
        return SqlJournal(self.database, run, self.clock)

    def new_run(self, run: str, order: StoredOrder) -> NewRun:
        """Return an order as a run to be added, its secrets sealed; whose it is, is for the caller to say."""
        return NewRun(id=run, ordered=order.document(), sealed=self.vault.seal(order.hidden(), _purpose(run)))

    def let_go(self, run: str) -> None:
        """Give up what only a rerun of a run or a look into it would need."""
        self.trees.give_back(run)
        shutil.rmtree(self.folder(run).saved, ignore_errors=True)  # a folder that is not there is as good

    def folder(self, run: str) -> RunFolder:
        """Return the folder of a run."""
        return RunFolder(self.folders / run)

    def order(self, run: str) -> StoredOrder:
        """Return what was ordered.

        Raises:
            NotFoundError: there is no such run.
            OrderError: it is damaged, of another version, or the vault cannot open its secrets.
            StoreError: the store cannot be read.
        """
        found = self.runs.order_of(run)
        try:
            return StoredOrder.read(found.ordered, self.vault.reveal(found.sealed, _purpose(run)))
        except InfrastructureError as error:
            raise OrderError(f"run {run}: {error.message}", hint=error.hint) from error


def _purpose(run: str) -> str:
    """Return what a vault seals the secrets of a run for."""
    return f"run:{run}"


class Live:
    """A run that has not ended, for whoever drives or follows it.

    It ``rests`` when it is paused: nothing more is told by this one, even if somebody resumes the run.
    """

    def __init__(self, means: Means, record: RunRecord) -> None:
        self.order = means.order(record.id)
        self.diary = _diary(means, record.id, self.order)
        entries = means.journal(record.id).read()
        begun = {entry.address for entry in entries if entry.address.step and entry.status is Status.RUNNING}
        self.diary.logs.recall(naming.log(address) for address in sorted(begun))
        self.events = Events(self.diary.logs.changes, retold(entries, means.runs.notices(record.id)))
        self._means = means
        self._run = record.id
        self._at = max((entry.at for entry in entries), default=0.0)
        self._drive: Drive | None = None
        self._asked: Cancel = record.cancel
        self._lock = threading.Lock()
        self.rests = record.status is Status.PAUSED and self.wanted
        if record.status.ended or self.rests:
            self.events.close()

    @property
    def wanted(self) -> bool:
        """Whether nobody has asked for its end."""
        return self._asked is Cancel.NOT

    def take(self, drive: Drive) -> None:
        """Have a drive end when somebody asks for that, or has done so."""
        with self._lock:
            self._drive = drive
            if not self.wanted:
                drive.cancel(force=self._asked is Cancel.FORCED)

    def cancel(self, *, force: bool) -> None:
        """Let the run end before its time."""
        with self._lock:
            self._asked = Cancel.FORCED if force or self._asked is Cancel.FORCED else Cancel.POLITE
            if self._drive is not None:
                self._drive.cancel(force=force)

    def observe(self, event: Event) -> None:
        """Take note of an event; what would be forgotten otherwise is stored."""
        match event:
            case Changed(entry):
                self._at = max(self._at, entry.at)
                self.rests = self.rests or (entry.status is Status.PAUSED and not entry.address.stage)
            case Notice():
                try:
                    self._means.runs.tell(self._run, self._at, event)
                except RunnerError as error:
                    diagnostics.warn("a notice cannot be kept", run=self._run, error=error.explained)
            case _:
                pass
        self.events.observe(event)


def _diary(means: Means, run: str, order: StoredOrder) -> Diary:
    """Return the logs of a run; in them is masked what it was given, and what its steps have told earlier drivers."""
    folder, given = means.folder(run), order.confidential
    known = frozenset(value.encode("utf-8", "surrogateescape") for value in given.values())
    learned = Learned(folder.path / "learned", means.vault, run, known)
    diary = Diary(folder, given, learned.add)
    for secret in learned.read():
        diary.mask.hide(secret)
    return diary


@dataclass
class _Place:
    """Where a run stands that ``count`` of them have."""

    live: Live | None = None
    count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Registry:
    """The runs that somebody drives or follows, each once. One that nobody does is forgotten."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._places: dict[str, _Place] = {}
        self._lock = threading.Lock()

    @contextmanager
    def held(self, run: str) -> Iterator[Live]:
        """Have a run until the end of the block.

        Raises:
            NotFoundError: there is none of that id.
            InfrastructureError: the store cannot be read.
        """
        with self._lock:
            place = self._places.setdefault(run, _Place())
            place.count += 1
        try:
            with place.lock:  # a large journal holds up nobody else's run
                if place.live is None or place.live.rests:
                    place.live = Live(self._means, self._means.runs.get(run))
                live = place.live
            yield live
        finally:
            with self._lock:
                place.count -= 1
                if not place.count:
                    del self._places[run]

    def find(self, run: str) -> Live | None:
        """Return a run, if somebody has it."""
        with self._lock:
            place = self._places.get(run)
        return place.live if place else None


class LocalAgent:
    """Implements ``base.Agent`` in this process. ``children`` returns what starts the async stages of a run."""

    def __init__(self, means: Means, children: Callable[[str], Children]) -> None:
        self._means = means
        self._children = children
        self._registry = Registry(means)

    def reclaim(self, run: str) -> None:
        """Take the tree of a run that goes on, is paused or kept, before another makes that of another commit of it.

        No server is asked, which may take long: what is not there any more is had when it is needed.
        """
        try:
            self._means.trees.take(run, self._means.order(run).tree, lambda: False)
        except RunnerError as error:
            diagnostics.warn("the tree of a run is not there any more", run=run, error=error.explained)

    def drive(self, run: str) -> None:
        """Drive a run until it has ended or is paused."""
        try:
            self._drive_held(run)
        except OrderError as error:
            self._conclude(run, Plan(dialect="", stages=()), Status.ERROR, error.explained)

    def _drive_held(self, run: str) -> None:
        with self._registry.held(run) as live:
            record = self._means.runs.get(run)
            if live.rests:  # it was paused at this moment
                return
            if record.status.ended:  # an earlier driver could not come to its own end
                if record.kept_until is None:
                    self._means.let_go(run)
                live.events.close()
                return
            if record.cancel is not Cancel.NOT:
                live.cancel(force=record.cancel is Cancel.FORCED)
            with diagnostics.redact_by(live.diary.redact):
                failure = self._failure(record, live)
            if failure is not None:
                raise failure
            live.events.close()

    def cancel(self, run: str, *, force: bool) -> None:
        """Let a run that is being driven end before its time."""
        live = self._registry.find(run)
        if live is not None:
            live.cancel(force=force)

    @contextmanager
    def feed(self, run: str) -> Iterator[Feed]:
        """Tell a run from its beginning on, until it has ended or is paused.

        Raises:
            NotFoundError: there is none of that id.
            InfrastructureError: the store cannot be read.
        """
        with self._registry.held(run) as live:
            feed = Feed(live.events, live.diary.logs)
            try:
                yield feed
            finally:
                feed.close()

    def _failure(self, record: RunRecord, live: Live) -> RunnerError | None:
        """Drive a run; return what is in the way of that now, and may be gone later."""
        try:
            try:
                self._drive(record, live)
            except RunnerError:
                raise
            except Exception as error:  # noqa: BLE001 - trying again would not help
                diagnostics.failed("a run cannot be driven", run=record.id)
                self._end(live, record.id, Status.ERROR, f"an error of the runner itself: {error!r}")
        except RunnerError as error:
            diagnostics.warn("a run cannot be driven on", run=record.id, error=error.explained)
            return error
        return None

    def _drive(self, record: RunRecord, live: Live) -> None:
        run = record.id
        begun = record.status is not Status.PENDING
        if record.status is not Status.RUNNING and record.cancel is not Cancel.NOT:
            when = "while it was paused" if begun else "before it began"
            self._end(live, run, Status.CANCELLED, f"it was cancelled {when}")
            return
        folder = self._means.folder(run)
        try:
            place, exact = self._means.trees.take(run, live.order.tree, lambda: live.wanted)
            restored = Saves(folder.saved).read(Address(run)) if live.order.restored else Saved()
            order = live.order.order(place, restored, record.started)
        except UnwantedError:
            self._end(live, run, Status.CANCELLED, "it was cancelled" + ("" if begun else " before it began"))
            return
        except RunnerError as error:
            self._end(live, run, Status.ERROR, error.explained)
            return
        if exact != live.order.tree:  # a branch is another commit tomorrow, when somebody reruns this
            live.order = replace(live.order, tree=exact)
            self._means.runs.reorder(run, live.order.document())
        drive = Drive(
            order,
            folder=folder,
            diary=live.diary,
            journal=self._means.journal(run),
            backend=self._means.backend,
            grace=self._means.grace,
            prestart=self._means.prestart,
            before_end=self._settle,
            children=self._children(run),
        )
        live.take(drive)
        if record.status is Status.PENDING:  # later drivers need not tell it again
            for name in drive.unmasked:
                live.observe(Notice(f"secret {name} is too short to be masked in logs"))
        drive.drive(live.observe)
        if not drive.kept:
            self._means.let_go(run)

    def _settle(self, drive: Drive) -> None:
        """Store what a run has left, before it is over for everybody else, or paused."""
        run = drive.id
        self._means.runs.set_result(run, json.dumps(drive.values))
        if drive.kept and not drive.paused:
            self._means.runs.keep(run, self._means.clock.now() + timedelta(seconds=self._means.keep_failed))

    def _end(self, live: Live, run: str, outcome: Status, reason: str) -> None:
        """End a run that cannot be driven, and tell whoever follows it."""
        self._conclude(run, live.order.plan, outcome, live.diary.redact(reason), live.observe)

    def _conclude(self, run: str, plan: Plan, outcome: Status, reason: str, tell: Observer = lambda _: None) -> None:
        """Write the end of a run that cannot be driven: of what an earlier life has begun nothing stays.

        But what its steps have asked for until then is started.
        """
        journal = self._means.journal(run)
        writer, entries = journal.take(), journal.read()
        spec = RunSpec(id=run, home=plan.home, workdir=plan.workdir)
        if plan.async_stages and RunState(run, plan, entries).begun():
            self._means.backend.open_run(spec)  # without its source: nothing of it is to run
            Requests(run, self._means.backend, tell, self._children(run)).finish()
        self._means.backend.close_run(spec, keep=False)
        self._means.runs.release(run)
        self._means.let_go(run)
        for entry in endings(RunState(run, plan, entries), outcome, reason):
            writer.append(entry)
            tell(Changed(entry))
