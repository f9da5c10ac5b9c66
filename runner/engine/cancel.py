"""How anything that runs is made to end: one ladder for cancel, timeout, shutdown and abort.

TERM, then after a grace KILL, then after a last wait the attempt is given up.
"""

import queue
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from runner.clock import Clock, Deadline
from runner.engine.backend import Backend, Ending, Signal
from runner.errors import AbandonedError, InfrastructureError
from runner.naming import Address
from runner.plan.status import Status
from runner.records import record

KILL_SECONDS = 15.0
"""How long an attempt may take to die after KILL, its last output included."""


@record
class Stop:
    """Why something is to end before its time: the status it gets, and the seconds it has to end itself."""

    status: Status
    reason: str
    grace: float


@dataclass(frozen=True)
class Wake:
    """A container may have ended."""


@dataclass(frozen=True)
class Leave:
    """The driver goes on no longer: whoever waits goes, and touches nothing."""


Inbox = queue.SimpleQueue[Stop | Wake | Leave]
"""What wakes the thread that drives a stage. Its ``put`` is safe even in a signal handler."""


@dataclass(frozen=True)
class Limit:
    """A deadline, and what it means when it has passed."""

    deadline: Deadline
    stop: Stop


class Ladder:
    """Which rung one attempt has reached on its way from running to dead, and how long it stays there."""

    def __init__(self, clock: Clock, limits: tuple[Limit, ...]) -> None:
        self.stop: Stop | None = None
        self._clock = clock
        self._limits = limits
        self._sent: Signal | None = None
        self._wait = Deadline(None, clock)

    @property
    def remaining(self) -> float | None:
        """Seconds until the next rung, if nothing happens; None for ever."""
        waits = [limit.deadline.remaining for limit in self._limits] if self.stop is None else [self._wait.remaining]
        return min((wait for wait in waits if wait is not None), default=None)

    def climb(self, asked: Stop | None) -> Signal | None:
        """Return the signal of the next rung, or None when there is none left.

        ``asked`` is a stop that has just arrived, None that the time of this rung is over. The first stop decides
        the status; a later one without grace kills at once.
        """
        if self._sent is Signal.KILL:
            return Signal.KILL if asked else None
        self.stop = self.stop or asked or self._passed()
        grace = (asked or self.stop).grace
        if self._sent is Signal.TERM and asked and grace > 0:
            return Signal.TERM
        polite = self._sent is None and grace > 0
        self._sent = Signal.TERM if polite else Signal.KILL
        self._wait = Deadline(grace if polite else KILL_SECONDS, self._clock)
        return self._sent

    def _passed(self) -> Stop:
        return min(self._limits, key=lambda limit: limit.deadline.remaining or 0.0).stop


def await_ending(
    backend: Backend, address: Address, inbox: Inbox, ladder: Ladder, confirm: Callable[[], None]
) -> tuple[Ending, Stop | None]:
    """Wait until an attempt has ended by itself or been made to end.

    Returns how it ended, and the stop that made it end, if one did: an attempt that had ended before the stop arrived
    keeps its own ending. ``confirm`` is called before each signal, as ``Ledger.confirm``.

    Raises:
        AbandonedError: this driver goes on no longer, and the attempt is another one's.
    """
    while True:
        try:
            message: Stop | Wake | Leave | None = inbox.get(timeout=ladder.remaining)
        except queue.Empty:
            message = None
        if isinstance(message, Leave):
            raise AbandonedError("this driver of the run goes on no longer")
        ending = backend.conclude(address)
        if ending is not None:
            return ending, ladder.stop
        if isinstance(message, Wake):
            continue
        rung = ladder.climb(message)
        if rung is None:
            return Ending(exit_code=None, reason="it did not die when killed"), ladder.stop
        confirm()
        # A signal that does not arrive is not the end of the ladder: the next rung comes when its time does.
        with suppress(InfrastructureError):
            backend.signal(address, rung)
