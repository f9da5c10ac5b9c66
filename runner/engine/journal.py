"""The contract between the engine and whatever remembers, and the journal that remembers in memory.

A *journal* is the list of what was intended and what happened in one run. These rules hold for every implementation,
and ``tests/contract/test_journal.py`` runs them against each:

*Intent before effect.* The engine appends ``running`` before it asks the backend for anything (``pending`` where a
step is only made ready before its turn), so an effect without an entry cannot exist; an entry without its effect can,
and is found out by asking the backend.

*Facts are for ever.* An address whose last entry has ended (``Status.ended``) gets no further entry. Before, it goes
from ``pending`` to ``pending`` (made ready once more, after a crash), ``running`` or an end; from ``running`` to
``paused`` or an end; from ``paused`` to ``running`` or an end. It can begin with anything. Any other is a fault of
the engine: ``append`` raises ``TransitionError``, and writes nothing.

*Epochs.* ``take`` returns a writer with a new epoch. From then on every older writer raises ``SupersededError`` and
writes nothing, so two drivers never drive one run.

*Durability.* When ``append`` returns, the entry survives the death of this process. A torn last entry (the machine
died in the middle) is as if it had never been written.

*Order.* ``read`` returns the entries in the order in which they were appended, of all epochs.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from runner.errors import SupersededError, TransitionError
from runner.naming import Address
from runner.plan.status import Status
from runner.records import record


@record
class Entry:
    """An address enters a status. ``running`` and ``pending`` are intents, everything else a fact.

    ``at`` counts seconds from the start of the run. ``exit_code`` is that of a step's process, if it had one;
    ``reason`` says why, in words, wherever the status alone does not. ``branches`` says that a fork is done as
    such: from now on so many branches take its place (``plan.forks``).
    """

    address: Address
    status: Status
    at: float
    exit_code: int | None = None
    reason: str = ""
    branches: int | None = None


class Writer(Protocol):
    """The one pen of a run, as long as nobody takes a newer one."""

    @property
    def epoch(self) -> int:
        """The number of this driver, from 1."""

    def append(self, entry: Entry) -> None:
        """Add an entry, durably.

        Raises:
            SupersededError: a newer writer has been taken.
            TransitionError: the entry cannot follow on the last one of its address.
            InfrastructureError: it cannot be written.
        """

    def confirm(self) -> None:
        """Do nothing, as long as this is the newest writer.

        Raises:
            SupersededError: a newer writer has been taken.
            InfrastructureError: the journal cannot be read.
        """


class Journal(Protocol):
    """Remembers one run."""

    def take(self) -> Writer:
        """Become the driver: return a writer whose epoch is above all earlier ones."""

    def read(self) -> tuple[Entry, ...]:
        """Return all entries."""


class Course:
    """How every address of a run stands, and what it may enter next; for one thread at a time."""

    _NEXT: Final = {
        Status.PENDING: (Status.PENDING, Status.RUNNING),
        Status.RUNNING: (Status.PAUSED,),
        Status.PAUSED: (Status.RUNNING,),
    }

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._last = {entry.address: entry.status for entry in entries}

    def check(self, entry: Entry) -> None:
        """Raise TransitionError unless the address may enter the status now."""
        before = self._last.get(entry.address)
        if before is None or entry.status in self._NEXT.get(before, ()) or (entry.status.ended and not before.ended):
            return
        raise TransitionError(
            f"{entry.address} is {before} and cannot become {entry.status}: a fault of the runner itself"
        )

    def apply(self, entry: Entry) -> None:
        """Note what has been written."""
        self._last[entry.address] = entry.status


class Memory:
    """A journal that lives as long as this object."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._course = Course()
        self._epoch = 0
        self._lock = threading.Lock()

    def take(self) -> "Writer":
        """Become the driver."""
        with self._lock:
            self._epoch += 1
            return _MemoryWriter(self, self._epoch)

    def read(self) -> tuple[Entry, ...]:
        """Return all entries."""
        with self._lock:
            return tuple(self._entries)

    def add(self, entry: Entry, epoch: int) -> None:
        """Append on behalf of a writer of that epoch."""
        with self._lock:
            self._check(epoch)
            self._course.check(entry)
            self._entries.append(entry)
            self._course.apply(entry)

    def confirm(self, epoch: int) -> None:
        """Raise SupersededError if there is a newer writer than the one of that epoch."""
        with self._lock:
            self._check(epoch)

    def _check(self, epoch: int) -> None:
        if epoch != self._epoch:
            raise superseded(epoch, self._epoch)


@dataclass(frozen=True)
class _MemoryWriter:
    journal: Memory
    epoch: int

    def append(self, entry: Entry) -> None:
        self.journal.add(entry, self.epoch)

    def confirm(self) -> None:
        self.journal.confirm(self.epoch)


def superseded(mine: int, newest: int) -> SupersededError:
    """Return the error of a writer that has been replaced."""
    return SupersededError(f"driver {mine} of this run has been replaced by driver {newest}; it writes nothing more")
