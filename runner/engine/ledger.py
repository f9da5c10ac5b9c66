"""The one place where a run's status changes: journal first, then the state, then whoever watches."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from runner.clock import Clock
from runner.engine.events import Changed, Event, Observer, redacted
from runner.engine.journal import Entry, Journal
from runner.engine.state import RunState, Standing
from runner.naming import Address
from runner.plan.model import Plan
from runner.plan.status import Status

T = TypeVar("T")


class Ledger:
    """The state of a run as its driver sees and changes it, from any thread.

    Every text that leaves it, to the journal, into the state or to the observer, has gone through ``redact``.
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
    ) -> None:
        self._writer = journal.take()
        entries = journal.read()
        self._state = RunState(run, plan, entries)
        self._clock = clock
        # A run goes on counting where its last driver stopped, so that durations never shrink.
        passed = max((entry.at for entry in entries), default=0.0)
        self._zero = clock.monotonic() - passed
        self.began = clock.now() - timedelta(seconds=passed)
        """When the run began, in UTC; the time in which nobody drove it does not count."""
        self._observer = observer
        self._redact = redact
        self._lock = threading.RLock()

    def record(self, address: Address, status: Status, *, exit_code: int | None = None, reason: str = "") -> None:
        """Write that an address enters a status.

        Raises:
            SupersededError: another driver has taken over.
            InfrastructureError: the journal cannot be written.
        """
        with self._lock:
            at = self._clock.monotonic() - self._zero
            entry = Entry(address=address, status=status, at=at, exit_code=exit_code, reason=self._redact(reason))
            self._writer.append(entry)
            self._state.apply(entry)
            self._observer(Changed(entry))

    def tell(self, event: Event) -> None:
        """Pass on an event that changes no status."""
        with self._lock:
            self._observer(redacted(event, self._redact))

    def ask(self, question: Callable[[RunState], T]) -> T:
        """Return what ``question`` finds out about a state that does not change meanwhile."""
        with self._lock:
            return question(self._state)

    def standing(self, address: Address) -> Standing:
        """Return how an address stands."""
        return self.ask(lambda state: state.standing(address))

    def stage(self, name: str) -> Address:
        """Return the address of the latest round of a stage."""
        return self.ask(lambda state: state.stage(name))

    def step(self, stage: Address, name: str) -> Address:
        """Return the address of the latest attempt of a step in a round."""
        return self.ask(lambda state: state.step(stage, name))
