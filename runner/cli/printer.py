"""The thread that shows a run while it goes.

It reads logs from their files, so however slowly somebody reads what it shows, no step waits.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from runner.dispatch.feed import Events, Feed, Lines
from runner.engine.events import Event
from runner.engine.job import Task
from runner.logs.files import LogBook
from runner.logs.follow import Block
from runner.naming import Address

_PARTIAL_SECONDS = 0.5
"""How long a line may lie unfinished before it is shown as it is."""
_MANY_BYTES = 4096
_GATHER_SECONDS = 0.02
"""How long what comes after that many bytes is left to gather: a flood is shown in few large pieces, which costs half.

What was shown of less, as the trace of a command before its output, holds up nothing."""
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
        self._events = Events(logs.changes)
        self._feed = Feed(self._events, logs)
        self._face = face
        self._closed = closed
        self._pauses: deque[_Pause] = deque()
        self._over = threading.Event()
        self.failure: OSError | None = None
        """Why nothing can be shown any more."""
        self._task = Task("printer", self._run)

    def observe(self, event: Event) -> None:
        """Take note of an event, from any thread."""
        self._events.observe(event)

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
        self._over.set()
        self._logs.changes.bump()
        self._task.finish()

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                news = self._feed.wait(_PARTIAL_SECONDS)
                shown = self._show(partial=not news)
                while self._pauses:
                    self._rest(self._pauses.popleft())
                if shown > _MANY_BYTES:
                    self._over.wait(_GATHER_SECONDS)
            self._show(partial=True)
        except OSError as error:
            self.failure = error
            self._closed()
        except BaseException:
            self._closed()  # `finish` raises it, when the run has ended
            raise
        finally:
            self._feed.close()

    def _rest(self, pause: _Pause) -> None:
        self._show(partial=True)
        with self._face.suspended():
            pause.begun.set()
            pause.over.wait()

    def _show(self, *, partial: bool) -> int:
        """Show all that there is; return how many bytes of lines that was."""
        shown = 0
        for item in self._feed.poll(partial=partial):
            match item:
                case Lines(address, block):
                    self._face.lines(address, block)
                    shown += len(block.data)
                case event:
                    self._face.event(event)
        self._face.flush()
        return shown
