"""What leaves a run while it is driven: the only way its progress reaches a terminal, a file or an API."""

from collections.abc import Callable
from dataclasses import dataclass, replace

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


def redacted(event: Event, redact: Callable[[str], str]) -> Event:
    """Return an event whose texts have gone through ``redact``; those of names stay as they are."""
    match event:
        case Changed(entry):
            return Changed(replace(entry, reason=redact(entry.reason)))
        case Notice(text, address):
            return Notice(redact(text), address)
        case Pulling(progress):
            return Pulling(replace(progress, image=redact(progress.image), text=redact(progress.text)))
        case Printing():
            return event
