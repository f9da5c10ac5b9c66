"""The thread that shows a run while it goes.

It reads logs from their files, so however slowly somebody reads what it shows, no step waits.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from runner.engine.events import Event, Printing
from runner.logs.files import LogBook
from runner.logs.follow import Block, Follower
from runner.naming import Address

_PARTIAL_SECONDS = 0.5
"""How long a line may lie unfinished before it is shown as it is."""


class Face(Protocol):
    """How a run looks."""

    def lines(self, address: Address, block: Block) -> None:
        """Show complete lines of an attempt."""

    def event(self, event: Event) -> None:
        """Show an event."""

    def flush(self) -> None:
        """Let everything be seen."""


class Printer:
    """Shows a run through a face. ``observe`` is the engine's observer; it only takes note.

    ``closed`` is called when whoever reads has gone away.
    """

    def __init__(self, logs: LogBook, face: Face, closed: Callable[[], None]) -> None:
        self._logs = logs
        self._follower = Follower(logs)
        self._face = face
        self._closed = closed
        self._events: deque[Event] = deque()
        self._addresses: dict[str, Address] = {}
        self._over = False
        self.broken = False
        """Whether whoever reads has gone away."""
        self._thread = threading.Thread(name="printer", target=self._run, daemon=True)
        self._thread.start()

    def observe(self, event: Event) -> None:
        """Take note of an event, from any thread."""
        if isinstance(event, Printing):
            self._addresses[event.log] = event.address
        else:
            self._events.append(event)
        self._logs.changes.bump()

    def finish(self) -> None:
        """Show what is left, and end."""
        self._over = True
        self._logs.changes.bump()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._over:
                news = self._follower.wait(_PARTIAL_SECONDS)
                self._show(partial=not news)
            self._show(partial=True)
        except BrokenPipeError:
            self.broken = True
            self._closed()
        finally:
            self._follower.close()

    def _show(self, *, partial: bool) -> None:
        # What a step printed was written before the event of its end, so it is shown before it.
        waiting = len(self._events)
        for block in self._follower.poll(partial=partial):
            self._face.lines(self._addresses[block.log], block)
        for _ in range(waiting):
            self._face.event(self._events.popleft())
        self._face.flush()
