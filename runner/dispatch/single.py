"""What ``exec`` does: one run in this process, on the engine that this machine's environment names."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runner.dispatch.childless import Childless
from runner.dispatch.driving import Diary, Drive
from runner.dispatch.orders import Order
from runner.dispatch.place import Local
from runner.engine.events import Changed, Event, Notice, Observer
from runner.engine.job import Keep, LookAround, Task
from runner.engine.origins import unfold
from runner.engine.report import Report
from runner.engine.specs import SourceMode
from runner.errors import InfrastructureError, JournalError
from runner.naming import new_run_id
from runner.plan.status import Status
from runner.store import instances
from runner.store.runs import Kinship, RunStore
from runner.workspace.watch import Fingerprint

if TYPE_CHECKING:
    from runner.dispatch.apart import Detached
    from runner.dispatch.family import Family, Means, Showing

_NAMED = 5
"""How many changed files a notice names."""

_SWEEP_AFTER_SECONDS = 0.5
"""When it is looked what dead runs have left, if no stage has ended by then: the engine has one to start before."""
_BEHIND_SECONDS = 0.02
"""How long that stands back behind the end of a stage: by then the engine is at work on the end of a short run."""


class LocalRun(Drive):
    """One run of this process, and what is done around it for whoever sits at a terminal.

    Its place may have ``reserved`` an id for it.

    Its async stages are its ``family``, and ``shown`` is what these are shown by; without, each goes on in a process of
    its own, and nobody waits for it.
    """

    def __init__(
        self,
        place: Local,
        order: Order,
        shown: "Showing | None",
        kinship: Kinship | None = None,
        *,
        reserved: str = "",
    ) -> None:
        self._place = place
        self._wish = replace(order, plan=unfold(order.plan))
        run = reserved or new_run_id()
        folder = RunStore(place.settings.state).create(run, self._wish.plan, place.instance, kinship)
        stored = self._wish.stored()
        folder.keep_order(stored.document())
        self._kept = folder
        self.family = _family(place, order, shown)
        super().__init__(
            self._wish,
            folder=folder,
            diary=Diary(folder, order.confidential),
            journal=folder.journal,
            backend=place.backend,
            grace=place.settings.grace,
            prestart=place.settings.prestart,
            children=self.family.of(folder.id, stored),
        )

    def cancel(self, *, force: bool = False) -> None:
        """End the run, and its async stages, before their time; safe in a signal handler."""
        super().cancel(force=force)
        self.family.cancel(force=force)

    def drive(self, observer: Observer, on_failure: LookAround | None = None) -> Report:
        """Run it to its end, as ``Drive``; remove what dead runs have left, and tell what became of files.

        Raises:
            InfrastructureError: it cannot begin.
            JournalError: the journal cannot be written; as nobody would take the run up, nothing of it is left.
        """
        tell = partial(self._tell, observer)
        if self._wish.keep is not Keep.NEVER:
            instances.keep(self._place.instance)
        source = self._wish.source
        watch = _Watch(source.path, self._wish.export) if source and source.mode is SourceMode.LAYER else None
        idle = threading.Event()
        sweeping = Task("sweep", lambda: self._sweep(tell, idle))

        def observe(event: Event) -> None:
            observer(event)
            if isinstance(event, Changed) and event.entry.status.ended and not event.entry.address.step:
                idle.set()

        document: Report | None = None
        try:
            document = super().drive(observe, on_failure)
        except JournalError:
            self._remove(tell)
            raise
        finally:
            if document is None:
                self.family.cancel()
                self.family.wait()
            idle.set()
            sweeping.finish()
        self._keep_values(tell)
        if watch is not None and (text := watch.edited()):
            tell(text)
        if self.artifacts.is_dir() and any(step.artifacts for stage in self.plan.stages for step in stage.steps):
            tell(f"artifacts are in {self.artifacts}")
        return document

    def _keep_values(self, tell: Callable[[str], None]) -> None:
        """Keep what steps have left, for ``runner show``; secrets have been taken out of it."""
        if not self._wish.values:
            return
        try:
            self._kept.keep_values(json.dumps(self.values))
        except InfrastructureError as error:
            tell(f"what its steps have returned is not kept: {error.message}")

    def _tell(self, observer: Observer, text: str) -> None:
        observer(Notice(self.redact(text)))

    def _remove(self, tell: Callable[[str], None]) -> None:
        try:
            self._place.backend.close_run(self._wish.job(self.id).spec, keep=self._wish.keep.after(Status.ERROR))
        except InfrastructureError as error:
            tell(f"not everything could be removed: {error.message}")

    def _sweep(self, tell: Callable[[str], None], idle: threading.Event) -> None:
        idle.wait(_SWEEP_AFTER_SECONDS)
        time.sleep(_BEHIND_SECONDS)
        from runner.dispatch.clean import clean  # noqa: PLC0415 - in a thread of its own nobody waits for it

        try:
            cleaned = clean(self._place.engine, self._place.instance, kept=False)
        except InfrastructureError as error:
            tell(f"could not remove what dead runs left: {error.message}")
            return
        if cleaned.removed:
            runs = sorted({remnant.run for remnant in cleaned.removed})
            tell(f"removed what the dead run{'s' if len(runs) > 1 else ''} {', '.join(runs)} had left")
        for remnant in cleaned.left:
            tell(f"{remnant.kind} {remnant.name}, left by a dead run, cannot be removed")


def _family(place: Local, order: Order, shown: "Showing | None") -> "Family | Detached | Childless":
    """Return the async stages of a run. Most have none, and do not wait for what such are driven with."""
    if not order.plan.async_stages:
        return Childless()
    from runner.dispatch.apart import Detached  # noqa: PLC0415 - see above
    from runner.dispatch.family import Family  # noqa: PLC0415 - see above

    means = means_of(place, order.keep)
    return Family(means, shown) if shown else Detached(means.store, order.keep)


def means_of(place: Local, keep: Keep) -> "Means":
    """Return what the async stages of this process are kept in and driven with.

    Raises:
        UsageError: the settings name logins that cannot be read.
    """
    from runner.dispatch.family import Means  # noqa: PLC0415 - as above
    from runner.dispatch.trees import Trees  # noqa: PLC0415 - as above

    return Means(
        store=RunStore(place.settings.state),
        instance=place.instance,
        backend=place.backend,
        trees=Trees.of(place.settings.mirrors, place.settings.git),
        grace=place.settings.grace,
        prestart=place.settings.prestart,
        keep=keep,
    )


class _Watch:
    """Notices that the user edits the source while a run stands on it; ``export`` is what the run itself writes."""

    def __init__(self, root: Path, export: Path | None) -> None:
        self._root = root.resolve()
        self._export = export.resolve() if export else None
        self._before: Fingerprint | None = None
        self._task = Task("fingerprint", self._look)

    def _look(self) -> None:
        self._before = Fingerprint.take(self._root)

    def edited(self) -> str:
        """Return what changed, in words; empty when nothing did."""
        self._task.finish()
        found = Fingerprint.take(self._root).changed(self._before) if self._before else []
        changed = [path for path in found if self._export not in (self._root / path).parents]
        if not changed:
            return ""
        named = ", ".join(changed[:_NAMED]) + (f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else "")
        return f"files of the source changed during the run, so steps may have seen either version: {named}"
