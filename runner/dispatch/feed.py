"""A run as it is told to whoever watches: its events and the lines of its steps in one order, from the beginning."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runner import naming
from runner.engine.events import Changed, Event, Notice, Printing, Pulling
from runner.engine.journal import Entry
from runner.logs.files import Changes, LogBook
from runner.logs.follow import Block, Follower
from runner.naming import Address
from runner.plan.status import Status


@dataclass(frozen=True)
class Lines:
    """Complete lines of an attempt."""

    address: Address
    block: Block


Item = Event | Lines


class Events:
    """The events of a run in their order, for any number of readers; of downloads only what is newest.

    ``changes`` are those of the run's logs: whoever waits for these hears of events, too.
    """

    def __init__(self, changes: Changes, first: Sequence[Event] = ()) -> None:
        self._changes = changes
        self._events: list[Event | None] = list(first)
        self._pulling: dict[str, int] = {}
        self._lock = threading.Lock()
        self.closed = False

    @property
    def count(self) -> int:
        """How many there have been."""
        return len(self._events)

    def observe(self, event: Event) -> None:
        """Take note of an event, from any thread."""
        with self._lock:
            if isinstance(event, Pulling):
                before = self._pulling.get(event.progress.image)
                self._pulling[event.progress.image] = len(self._events)
                if before is not None:
                    self._events[before] = None
            self._events.append(event)
        self._changes.bump()

    def at(self, position: int) -> Event | None:
        """Return the event of that number, from 0; None for one that a newer one has replaced."""
        return self._events[position]

    def close(self) -> None:
        """Say that nothing more comes."""
        self.closed = True
        self._changes.bump()


class Feed:
    """One reader's way through a run, for one thread.

    Whoever reads alternates ``wait`` and ``poll``; as it reads files, nobody waits for a slow one.
    """

    def __init__(self, events: Events, logs: LogBook) -> None:
        self._events = events
        self._logs = logs
        self._follower = Follower(logs)
        self._position = 0
        self._addresses: dict[str, Address] = {}
        self._held: list[Event] = []
        self._giving = ""
        self._over = False

    @property
    def changes(self) -> Changes:
        """What tells that ``poll`` may have something new."""
        return self._logs.changes

    @property
    def over(self) -> bool:
        """Whether everything has been given, and nothing more comes."""
        return self._over

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until there may be something that ``poll`` has not given, or for ``timeout`` seconds."""
        return self._follower.wait(timeout)

    def poll(self, *, partial: bool = False) -> Iterator[Item]:
        """Yield what is there; raises OSError when a log is gone. ``partial`` as in ``Follower.poll``.

        What a step printed comes before the event of its end, and after that of its start, since lines come in the
        order in which they arrived. A step may have succeeded before its last lines are here: then that, and what comes
        after it in its stage, is held until they are.
        """
        closed = self._events.closed
        due = self._events.count
        for block in self._follower.poll(partial=partial):
            if block.log != self._giving:
                self._giving = block.log
                yield from self._release()
            while block.log not in self._addresses:
                yield from self._next()
            yield Lines(self._addresses[block.log], block)
        self._giving = ""
        yield from self._release(every=closed)
        while self._position < due:
            yield from self._next()
        yield from self._release(every=closed)
        self._over = closed

    def _release(self, *, every: bool = False) -> Iterator[Event]:
        """Yield what was held and need not be any more."""
        held, self._held = self._held, []
        for event in held:
            if not every and self._is_early(event):
                self._held.append(event)
            else:
                yield event

    def _is_early(self, event: Event) -> bool:
        """Whether an event tells of the end of a step of which lines may still come, or comes after one that does."""
        about = _address(event)
        if about is None:
            return False
        if any(about in (held, Address(held.run)) for held in map(_address, self._held) if held):
            return True
        if not isinstance(event, Changed) or event.entry.status is not Status.SUCCESS or not event.entry.address.step:
            return False
        log = naming.log(event.entry.address)
        return log == self._giving or self._follower.follows(log)

    def close(self) -> None:
        """Close the files; the feed cannot be used again."""
        self._follower.close()

    def _next(self) -> Iterator[Event]:
        event = self._events.at(self._position)
        self._position += 1
        if isinstance(event, Printing):
            self._addresses[event.log] = event.address
        if event is not None and self._is_early(event):
            self._held.append(event)
        elif event is not None:
            yield event


def _address(event: Event) -> Address | None:
    """Return what an event tells of: a stage, or its run."""
    match event:
        case Changed(entry):
            return entry.address.of_stage()
        case Printing(address):
            return address.of_stage()
        case Notice(_, address):
            return None if address is None else address.of_stage()
    return None


def retold(entries: Sequence[Entry], notices: Sequence[tuple[float, Notice]]) -> list[Event]:
    """Return the events of a run as its journal and its notices tell them, of which each has its second of the run."""
    told: list[tuple[float, Event]] = []
    for entry in entries:
        told.append((entry.at, Changed(entry)))
        if entry.address.step and entry.status is Status.RUNNING:
            told.append((entry.at, Printing(entry.address, naming.log(entry.address))))
    told += notices
    return [event for _, event in sorted(told, key=lambda each: each[0])]
