"""The thread that shows a run while it goes.

It reads logs from their files, so however slowly somebody reads what it shows, no step waits.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from runner.engine.events import Event, Printing
from runner.engine.job import Task
from runner.logs.files import LogBook
from runner.logs.follow import Block, Follower
from runner.naming import Address

_PARTIAL_SECONDS = 0.5
"""How long a line may lie unfinished before it is shown as it is."""
_LOOK_SECONDS = 0.1
"""How often whoever waits for a pause looks whether it can still come."""


class Face(Protocol):
    """How a run looks."""

    def lines(self, address: Address, block: Block) -> None:
        """Show complete lines of an attempt."""

    def event(self, event: Event) -> None:
        """Show an event."""

    def flush(self) -> None:
        """Let everything be seen."""

    def suspended(self) -> AbstractContextManager[None]:
        """Leave the terminal to something else until the end of the block, in which nothing is shown."""


@dataclass(frozen=True)
class _Pause:
    """A time in which nothing is shown."""

    begun: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


class Printer:
    """Shows a run through a face. ``observe`` is the engine's observer; it only takes note.

    ``closed`` is called when nothing can be shown any more: whoever reads has gone away, or the disk is full.
    """

    def __init__(self, logs: LogBook, face: Face, closed: Callable[[], None]) -> None:
        self._logs = logs
        self._follower = Follower(logs)
        self._face = face
        self._closed = closed
        self._events: deque[Event] = deque()
        self._pauses: deque[_Pause] = deque()
        self._shown = 0
        self._addresses: dict[str, Address] = {}
        self._over = False
        self.failure: OSError | None = None
        """Why nothing can be shown any more."""
        self._task = Task("printer", self._run)

    def observe(self, event: Event) -> None:
        """Take note of an event, from any thread."""
        self._events.append(event)
        self._logs.changes.bump()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Show all that there is, then nothing until the end of the block; from any thread but the printer's.

        Nothing is waited for when nothing can be shown any more.
        """
        pause = _Pause()
        self._pauses.append(pause)
        self._logs.changes.bump()
        while self._task.alive and not pause.begun.wait(_LOOK_SECONDS):
            pass
        try:
            yield
        finally:
            pause.over.set()

    def finish(self) -> None:
        """Show what is left, and end."""
        self._over = True
        self._logs.changes.bump()
        self._task.finish()

    def _run(self) -> None:
        try:
            while not self._over:
                news = self._follower.wait(_PARTIAL_SECONDS)
                self._show(partial=not news)
                while self._pauses:
                    self._rest(self._pauses.popleft())
            self._show(partial=True)
        except OSError as error:
            self.failure = error
            self._closed()
        except BaseException:
            self._closed()  # `finish` raises it, when the run has ended
            raise
        finally:
            self._follower.close()

    def _rest(self, pause: _Pause) -> None:
        self._show(partial=True)
        with self._face.suspended():
            pause.begun.set()
            pause.over.wait()

    def _show(self, *, partial: bool) -> None:
        # What a step printed was written before the event of its end, so it is shown before it; and after that of its
        # start, since lines come in the order in which they arrived.
        due = self._shown + len(self._events)
        for block in self._follower.poll(partial=partial):
            while block.log not in self._addresses:
                self._show_event()
            self._face.lines(self._addresses[block.log], block)
        while self._shown < due:
            self._show_event()
        self._face.flush()

    def _show_event(self) -> None:
        event = self._events.popleft()
        self._shown += 1
        if isinstance(event, Printing):
            self._addresses[event.log] = event.address
        self._face.event(event)
