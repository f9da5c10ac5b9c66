"""The face of a run for programs: one JSON object a line (``--output events``).

Each has ``event``: ``status`` (an address enters a status), ``log`` (complete lines of a step), ``pull``, ``notice``.
"""

import json
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO

from runner.engine.events import Changed, Event, Notice, Pulling
from runner.logs.follow import Block
from runner.logs.lines import decode
from runner.naming import Address
from runner.plan.status import Status

_Json = str | int | float | None


class EventFace:
    """Writes events as JSON lines."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def lines(self, address: Address, block: Block) -> None:
        """Write lines as one event."""
        text, stream = decode(block.data), block.stream.name.lower()
        self._write({"event": "log", **_address(address), "stream": stream, "text": text})

    def event(self, event: Event) -> None:
        """Write an event."""
        match event:
            case Changed(entry) if entry.status is not Status.PENDING:
                what: dict[str, _Json] = {
                    "status": entry.status,
                    "exit_code": entry.exit_code,
                    "reason": entry.reason,
                    "at": round(entry.at, 3),
                }
                self._write({"event": "status", **_address(entry.address), **what})
            case Notice(text, address):
                self._write({"event": "notice", **(_address(address) if address else {}), "text": text})
            case Pulling(progress):
                done: dict[str, _Json] = {"current": progress.current, "total": progress.total}
                self._write({"event": "pull", "image": progress.image, "text": progress.text, **done})
            case _:
                pass  # what a step prints shows that it does

    def flush(self) -> None:
        """Let everything be seen."""
        self._stream.flush()

    def suspended(self) -> AbstractContextManager[None]:
        """Do nothing: lines that stand are in nobody's way."""
        return nullcontext()

    def _write(self, document: dict[str, _Json]) -> None:
        self._stream.write(json.dumps(document).encode() + b"\n")


def _address(address: Address) -> dict[str, _Json]:
    return {
        "run": address.run,
        "stage": address.stage,
        "step": address.step,
        "round": address.round,
        "attempt": address.attempt,
    }
