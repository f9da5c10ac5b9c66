"""The plain face of a run: every line of every step with its prefix, and a line for whatever happens."""

from typing import BinaryIO

from runner.engine.events import Changed, Event, Notice, Pulling
from runner.engine.journal import Entry
from runner.logs.follow import Block
from runner.logs.lines import decode, safe
from runner.naming import SERVICES, Address
from runner.plan.status import Status


class PlainFace:
    """Writes lines to a stream; on a terminal, without what could move its cursor."""

    def __init__(self, stream: BinaryIO, *, terminal: bool) -> None:
        self._stream = stream
        self._terminal = terminal

    def lines(self, address: Address, block: Block) -> None:
        """Write lines as ``stage/step | line``."""
        data = safe(decode(block.data)).encode() if self._terminal else block.data
        prefix = self._encoded(f"{address.path} | ")
        self._stream.write(prefix + data[:-1].replace(b"\n", b"\n" + prefix) + b"\n")

    def event(self, event: Event) -> None:
        """Write an event, if it means something to people."""
        line = describe(event)
        if line:
            self._stream.write(self._encoded(line) + b"\n")

    def flush(self) -> None:
        """Let everything be seen."""
        self._stream.flush()

    def _encoded(self, text: str) -> bytes:
        """Return a text of ours, in which there may be words of others: names, or what an engine answered."""
        return (safe(text) if self._terminal else text).encode("utf-8", "replace")


def describe(event: Event) -> str:
    """Return an event as a line for people; empty for what needs none."""
    match event:
        case Changed(entry):
            return _describe_entry(entry)
        case Notice(text, address):
            return f"note: {address.path + ': ' if address else ''}{text}"
        case Pulling(progress) if progress.total:
            return f"pulling {progress.image}: {progress.current:,} of {progress.total:,} bytes"
        case _:
            return ""


def _describe_entry(entry: Entry) -> str:
    address, status = entry.address, entry.status
    reason = f": {entry.reason}" if entry.reason else ""
    if not address.stage:
        return "" if status is Status.RUNNING else f"run {address.run}: {status} in {entry.at:.1f} s{reason}"
    expected = status in (Status.RUNNING, Status.CANCELLED) and address.stage == SERVICES
    if not address.step or expected:
        return ""
    attempt = f" (attempt {address.attempts})" if (address.round, address.attempt) != (1, 1) else ""
    code = f" (exit code {entry.exit_code})" if status is Status.FAILURE else ""
    return f"{address.path}: {status}{attempt}{code}{reason}"
