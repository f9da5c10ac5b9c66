"""The plain face of a run: every line of every step with its prefix, and a line for whatever happens."""

from typing import BinaryIO

from runner.cli.wording import Wording
from runner.engine.events import Event
from runner.logs.follow import Block
from runner.logs.lines import decode, safe
from runner.naming import Address


class PlainFace:
    """Writes lines to a stream; on a terminal, without what could move its cursor."""

    def __init__(self, stream: BinaryIO, *, terminal: bool) -> None:
        self._stream = stream
        self._terminal = terminal
        self._wording = Wording()

    def lines(self, address: Address, block: Block) -> None:
        """Write lines as ``stage/step | line``."""
        data = safe(decode(block.data)).encode() if self._terminal else block.data
        prefix = self._encoded(f"{address.path} | ")
        self._stream.write(prefix + data[:-1].replace(b"\n", b"\n" + prefix) + b"\n")

    def event(self, event: Event) -> None:
        """Write an event, if it means something to people."""
        line = self._wording.describe(event)
        if line:
            self._stream.write(self._encoded(line) + b"\n")

    def flush(self) -> None:
        """Let everything be seen."""
        self._stream.flush()

    def _encoded(self, text: str) -> bytes:
        """Return a text of ours, in which there may be words of others: names, or what an engine answered."""
        return (safe(text) if self._terminal else text).encode("utf-8", "replace")
