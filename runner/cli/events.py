"""The face of a run for programs: one JSON object a line (``--output events``), as ``dispatch.wire`` has them."""

import json
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO

from runner.dispatch.feed import Item, Lines
from runner.dispatch.wire import document
from runner.engine.events import Changed, Event, Printing
from runner.logs.follow import Block
from runner.naming import Address
from runner.plan.status import Status


class EventFace:
    """Writes events as JSON lines."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def lines(self, address: Address, block: Block) -> None:
        """Write lines as one event."""
        self._write(Lines(address, block))

    def event(self, event: Event) -> None:
        """Write an event, unless what follows shows it: what a step prints shows that it does."""
        made_ready = isinstance(event, Changed) and event.entry.status is Status.PENDING
        if not made_ready and not isinstance(event, Printing):
            self._write(event)

    def flush(self) -> None:
        """Let everything be seen."""
        self._stream.flush()

    def suspended(self) -> AbstractContextManager[None]:
        """Do nothing: lines that stand are in nobody's way."""
        return nullcontext()

    def _write(self, item: Item) -> None:
        self._stream.write(json.dumps(document(item)).encode() + b"\n")
