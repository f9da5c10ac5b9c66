"""The one place where a run's status changes: journal first, then the state, then whoever watches."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from runner.clock import Clock, Deadline
from runner.engine.events import Changed, Event, Observer, redacted
from runner.engine.journal import Entry, Journal
from runner.engine.state import RunState, Standing
from runner.errors import InfrastructureError, JournalError, TransitionError
from runner.naming import Address
from runner.plan.model import Plan
from runner.plan.status import Status

T = TypeVar("T")

_PATIENCE_SECONDS = 5.0
"""For how long an entry is tried again that cannot be written: a disk or a database may be back in a moment."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


class Ledger:
    """The state of a run as its driver sees and changes it, from any thread.

    Every text that leaves it, to the journal, into the state or to the observer, has gone through ``redact``. Where it
    is not known when the run ``began``, the time in which nobody drove it does not count.
    """

    def __init__(  # noqa: PLR0913 - what a change of status passes through
        self,
        run: str,
        plan: Plan,
        journal: Journal,
        clock: Clock,
        observer: Observer,
        *,
        redact: Callable[[str], str] = str,
        inherited: Mapping[str, Address] | None = None,
        began: datetime | None = None,
    ) -> None:
        self._journal = journal
        self._writer = journal.take()
        self._broken: JournalError | None = None
        entries = journal.read()
        self._state = RunState(run, plan, entries, inherited)
        self._clock = clock
        # Durations never shrink. Without a time of day a run goes on counting where its last driver stopped.
        passed = max((entry.at for entry in entries), default=0.0)
        if began is not None:
            passed = max(passed, (clock.now() - began).total_seconds())
        self._zero = clock.monotonic() - passed
        self.began = clock.now() - timedelta(seconds=passed)
        """When the run began, in UTC."""
        self._observer = observer
        self._redact = redact
        self._lock = threading.RLock()

    def record(
        self,
        address: Address,
        status: Status,
        *,
        exit_code: int | None = None,
        reason: str = "",
        branches: int | None = None,
    ) -> None:
        """Write that an address enters a status; whoever else wants something of the ledger waits meanwhile.

        Raises:
            SupersededError: another driver has taken over.
            JournalError: it cannot be written, and that has lasted; from now on nothing else can.
            TransitionError: it cannot follow on what was written before.
        """
        with self._lock:
            at = self._clock.monotonic() - self._zero
            why = self._redact(reason)
            entry = Entry(address=address, status=status, at=at, exit_code=exit_code, reason=why, branches=branches)
            self._write(entry)
            self._state.apply(entry)
            self._observer(Changed(entry))

    def confirm(self) -> None:
        """See to it that nobody else drives the run, before something is ended or removed.

        Where the journal cannot be read, nobody knows better: what is to be removed is not left for that.

        Raises:
            SupersededError: another driver has taken over.
            JournalError: an entry could not be written.
        """
        with self._lock, suppress(InfrastructureError):
            self._check()
            self._writer.confirm()

    def _write(self, entry: Entry) -> None:
        """Write an entry, also where that does not work at once."""
        self._check()
        patience, pause, tried = Deadline(_PATIENCE_SECONDS), _FIRST_PAUSE, False
        while True:
            try:
                if not (tried and self._written(entry)):
                    self._writer.append(entry)
            except TransitionError:
                raise
            except InfrastructureError as error:
                if patience.passed:
                    self._broken = JournalError(error.message, hint=error.hint)
                    raise self._broken from error
            else:
                return
            tried = True
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _written(self, entry: Entry) -> bool:
        """Whether an entry that could not be written is there all the same: a database may fail after it has."""
        last = next((each for each in reversed(self._journal.read()) if each.address == entry.address), None)
        if last is None or replace(last, at=entry.at) != entry:
            return False
        self._writer.confirm()
        return True

    def _check(self) -> None:
        if self._broken is not None:
            raise JournalError(self._broken.message, hint=self._broken.hint)

    def tell(self, event: Event) -> None:
        """Pass on an event that changes no status."""
        with self._lock:
            self._observer(redacted(event, self._redact))

    def ask(self, question: Callable[[RunState], T]) -> T:
        """Return what ``question`` finds out about a state that does not change meanwhile."""
        with self._lock:
            return question(self._state)

    @property
    def plan(self) -> Plan:
        """The plan as it is now, with the branches of the forks whose values are known."""
        return self.ask(lambda state: state.plan)

    def standing(self, address: Address) -> Standing:
        """Return how an address stands."""
        return self.ask(lambda state: state.standing(address))

    def stage(self, name: str) -> Address:
        """Return the address of the latest round of a stage."""
        return self.ask(lambda state: state.stage(name))

    def step(self, stage: Address, name: str) -> Address:
        """Return the address of the latest attempt of a step in a round."""
        return self.ask(lambda state: state.step(stage, name))
