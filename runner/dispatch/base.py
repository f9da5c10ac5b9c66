"""The contract between a daemon and whatever decides who drives which run, and when.

The store is the truth: a run is in it before a dispatcher hears of it. These rules hold for every implementation, and
``tests/contract/test_dispatcher.py`` runs them against each:

*Once.* A run is driven by one agent at a time, and until it has ended or is paused: when ``Agent.drive`` raises, it is
called again after a while, by this agent or another.

*First what has begun.* What the store says has begun when serving starts is driven at once, whatever the limits. So is
a run that was paused and goes on.

*Limits.* Of a queue no more runs are begun than its limit says. Of those that wait the higher priority goes first, then
the pipeline of which fewer go on, then the one that came first. Cancelled ones take no turn: they are concluded.

*Cancelling* a run reaches the agent that drives it. The store knows of it before, so that no crash makes it forgotten.

*Draining.* After ``drain`` nothing begins any more; what goes on goes on.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from runner.store.sql.runs import Waiting


class Queue(Protocol):
    """What a dispatcher asks the store."""

    def waiting(self, each: int) -> Sequence[Waiting]:
        """Return the cancelled runs that nobody drives, and of each queue and pipeline the first ``each`` that wait."""

    def begun(self) -> Sequence[Waiting]:
        """Return the runs that have begun, have not ended and are not paused."""


class Agent(Protocol):
    """What drives runs in a process."""

    def drive(self, run: str) -> None:
        """Drive a run until it has ended or is paused, in the thread of the caller."""

    def cancel(self, run: str, *, force: bool) -> None:
        """Let a run that is being driven end before its time."""


class Dispatcher(Protocol):
    """Decides who drives which run, and when. Its methods may be called from any thread."""

    def serve(self) -> None:
        """Begin to have runs driven; returns at once."""

    def submit(self, run: str) -> None:
        """Hear of a run that has been stored, or goes on."""

    def cancel(self, run: str, *, force: bool) -> None:
        """Hear of a run that is to end; the store knows it."""

    def driven(self) -> Collection[str]:
        """Return the runs that are being driven now."""

    def drain(self) -> None:
        """Begin no more runs."""

    def settled(self, seconds: float) -> bool:
        """Wait until nothing is driven any more, but not longer than this; return whether that has come."""

    def close(self) -> None:
        """Stop looking for runs; what is driven is left to itself."""
