"""The contract between the engine and whatever remembers, and the journal that remembers in memory.

A *journal* is the list of what was intended and what happened in one run. These rules hold for every implementation,
and ``tests/contract/test_journal.py`` runs them against each:

*Intent before effect.* The engine appends ``running`` before it asks the backend for anything (``pending`` where a
step is only made ready before its turn), so an effect without an entry cannot exist; an entry without its effect can,
and is found out by asking the backend.

*Facts are for ever.* An address whose last entry has ended (``Status.ended``) gets no further entry.

*Epochs.* ``take`` returns a writer with a new epoch. From then on every older writer raises ``SupersededError`` and
writes nothing, so two drivers never drive one run.

*Durability.* When ``append`` returns, the entry survives the death of this process. A torn last entry (the machine
died in the middle) is as if it had never been written.

*Order.* ``read`` returns the entries in the order in which they were appended, of all epochs.
"""

import threading
from dataclasses import dataclass
from typing import Protocol

from runner.errors import SupersededError
from runner.naming import Address
from runner.plan.status import Status


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An address enters a status. ``running`` and ``pending`` are intents, everything else a fact.

    ``at`` counts seconds from the start of the run. ``exit_code`` is that of a step's process, if it had one;
    ``reason`` says why, in words, wherever the status alone does not.
    """

    address: Address
    status: Status
    at: float
    exit_code: int | None = None
    reason: str = ""


class Writer(Protocol):
    """The one pen of a run, as long as nobody takes a newer one."""

    @property
    def epoch(self) -> int:
        """The number of this driver, from 1."""

    def append(self, entry: Entry) -> None:
        """Add an entry, durably.

        Raises:
            SupersededError: a newer writer has been taken.
            InfrastructureError: it cannot be written.
        """


class Journal(Protocol):
    """Remembers one run."""

    def take(self) -> Writer:
        """Become the driver: return a writer whose epoch is above all earlier ones."""

    def read(self) -> tuple[Entry, ...]:
        """Return all entries."""


class Memory:
    """A journal that lives as long as this object."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
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
            if epoch != self._epoch:
                raise superseded(epoch, self._epoch)
            self._entries.append(entry)


@dataclass(frozen=True)
class _MemoryWriter:
    journal: Memory
    epoch: int

    def append(self, entry: Entry) -> None:
        self.journal.add(entry, self.epoch)


def superseded(mine: int, newest: int) -> SupersededError:
    """Return the error of a writer that has been replaced."""
    return SupersededError(f"driver {mine} of this run has been replaced by driver {newest}; it writes nothing more")
