"""One run driven in this process, from wherever its journal says that it stands: what ``exec`` and the daemon share."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from runner.dispatch.orders import Order
from runner.engine.backend import Backend
from runner.engine.events import Observer
from runner.engine.job import LookAround
from runner.engine.journal import Journal
from runner.engine.report import Report, report
from runner.engine.run import Driver
from runner.engine.state import RunState
from runner.logs.files import LogBook
from runner.logs.mask import Mask
from runner.pipelinectl.values import Store, Values, values_of
from runner.store.runs import RunFolder

if TYPE_CHECKING:
    from runner.engine.children import Children


class Diary:
    """The logs of a run, to be followed from the start; its secrets are taken out of them, and of all else it tells.

    ``given`` are secrets by name; ``learned`` is called with those that its steps tell.
    """

    def __init__(
        self, folder: RunFolder, given: Mapping[str, str], learned: Callable[[bytes], None] | None = None
    ) -> None:
        self.mask = Mask(learned)
        self.logs = LogBook(folder.logs, self.mask)
        self.redact = self.mask.redact
        """Returns a text as it may be shown: without the secrets."""
        self.unmasked = tuple(name for name, value in given.items() if not self.logs.hide(value))
        """The secrets that are too short to be masked."""


class Drive:
    """One run and its driver. The plan of its order is unfolded.

    ``before_end`` is called when all has been done and what is left is known, before the end is written, or a pause.
    ``children`` is that of ``Driver``.
    """

    def __init__(  # noqa: PLR0913 - the parts of a run, each given once by name
        self,
        order: Order,
        *,
        folder: RunFolder,
        diary: Diary,
        journal: Journal,
        backend: Backend,
        grace: float,
        prestart: bool,
        before_end: Callable[["Drive"], None] | None = None,
        children: "Children | None" = None,
    ) -> None:
        self.id = folder.id
        self.plan = order.plan
        """What is driven, stored and reported."""
        self.logs = diary.logs
        self.redact = diary.redact
        self.unmasked = diary.unmasked
        self.artifacts = order.artifacts or folder.artifacts
        self._order = order
        self._folder = folder
        self._journal = journal
        self._backend = backend
        self._grace = grace
        self._prestart = prestart
        self._before_end = before_end
        self._children = children
        self._driver: Driver | None = None
        self._cancelled = self._forced = False

    @property
    def cancelled(self) -> bool:
        """Whether it is to end before its time."""
        return self._cancelled

    @property
    def kept(self) -> bool:
        """Whether its volumes are still there."""
        return self._driver is not None and self._driver.kept

    @property
    def paused(self) -> bool:
        """Whether it has not ended, but waits to be resumed."""
        return self._driver is not None and self._driver.paused

    @property
    def values(self) -> Values:
        """What the steps have left, if that was ordered, and as far as it could be read at the end."""
        return values_of(self._driver.store if self._driver else Store(), self.redact)

    def drive(self, observer: Observer, on_failure: LookAround | None = None) -> Report:
        """Run it to its end or to a pause; call once. ``on_failure`` is that of ``Driver``.

        Raises:
            InfrastructureError: not even the journal can be kept.
            SupersededError: somebody else drives it now.
        """
        saves = self._folder.saved if self._order.saved else None
        self._driver = Driver(
            job=self._order.job(
                self.id, grace=self._grace, prestart=self._prestart, artifacts=self.artifacts, saves=saves
            ),
            journal=self._journal,
            backend=self._backend,
            logs=self.logs,
            observer=observer,
            redact=self.redact,
            on_failure=on_failure,
            before_end=self._end,
            children=self._children,
        )
        if self._cancelled:
            self._driver.cancel(force=self._forced)
        try:
            self._driver.drive()
        finally:
            self.logs.close()
        return report(RunState(self.id, self.plan, self._journal.read()), self.values)

    def cancel(self, *, force: bool = False) -> None:
        """End the run before its time; safe in a signal handler, also before ``drive``."""
        self._cancelled, self._forced = True, self._forced or force
        if self._driver is not None:
            self._driver.cancel(force=force)

    def _end(self) -> None:
        if self._before_end is not None:
            self._before_end(self)
