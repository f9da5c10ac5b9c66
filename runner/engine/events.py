"""What leaves a run while it is driven: the only way its progress reaches a terminal, a file or an API."""

from collections.abc import Callable
from dataclasses import dataclass

from runner.engine.backend import PullProgress
from runner.engine.journal import Entry
from runner.naming import Address


@dataclass(frozen=True)
class Changed:
    """An address has entered a status; it is in the journal already."""

    entry: Entry


@dataclass(frozen=True)
class Printing:
    """An attempt is about to print; ``log`` is the name of its log in the run's log book."""

    address: Address
    log: str


@dataclass(frozen=True)
class Pulling:
    """An image is on its way."""

    progress: PullProgress


@dataclass(frozen=True)
class Notice:
    """Something a person should know that changes no status."""

    text: str
    address: Address | None = None


Event = Changed | Printing | Pulling | Notice
Observer = Callable[[Event], None]
"""Is called from any thread, perhaps from several at a time; must be quick."""
