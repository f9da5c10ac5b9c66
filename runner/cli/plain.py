"""The plain face of a run: every line of every step with its prefix, and a line for whatever happens."""

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import Protocol

from runner.cli.wording import Wording
from runner.clock import Clock, SystemClock
from runner.engine.events import Changed, Event
from runner.logs.follow import Block
from runner.logs.lines import SGR, decode, safe
from runner.naming import Address


def stamp(time: datetime) -> str:
    """Return a time in UTC as RFC 3339 with milliseconds: ``2026-01-31T12:00:00.000Z``."""
    return f"{time.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


class Sink(Protocol):
    """Where lines go, in UTF-8: each call of ``write`` has whole lines."""

    def write(self, data: bytes, /) -> object:
        """Take lines."""

    def flush(self) -> object:
        """Let them be seen."""


class PlainFace:
    """Writes lines to a stream; on a terminal, without what could move its cursor, and without ``color`` if told.

    With ``timestamps`` each begins with the time at which it arrived, or at which that happened of which it tells.
    ``begun`` is when the run did, if it is shown later than that. ``prefix`` stands before the names of one run, where
    several are shown.
    """

    def __init__(  # noqa: PLR0913 - what is to be seen, and how time passes
        self,
        stream: Sink,
        *,
        terminal: bool,
        color: bool = True,
        timestamps: bool = False,
        clock: Clock | None = None,
        begun: datetime | None = None,
        prefix: str = "",
    ) -> None:
        self._prefix = prefix
        self._stream = stream
        self._terminal = terminal
        self._color = color
        self._timestamps = timestamps
        self._clock = clock or SystemClock()
        self._begun = begun
        self._wording = Wording()

    def lines(self, address: Address, block: Block) -> None:
        """Write lines as ``stage/step | line``."""
        data = self._harmless(block.data) if self._terminal else block.data
        prefix = self._encoded(f"{self._lead(block.time)}{self._prefix}{address.path} | ")
        self._stream.write(prefix + data[:-1].replace(b"\n", b"\n" + prefix) + b"\n")

    def event(self, event: Event) -> None:
        """Write an event, if it means something to people."""
        self.tell(self._wording.describe(event), event)

    def tell(self, words: str, event: Event) -> None:
        """Write words about an event, if there are any."""
        time = self._time(event)
        if words:
            self._stream.write(self._encoded(self._lead(time) + self._prefix + words) + b"\n")

    def flush(self) -> None:
        """Let everything be seen."""
        self._stream.flush()

    def suspended(self) -> AbstractContextManager[None]:
        """Do nothing: lines that stand are in nobody's way."""
        return nullcontext()

    def _time(self, event: Event) -> datetime:
        """Return when an event happened; it may have waited for somebody who reads slowly."""
        now = self._clock.now()
        if not isinstance(event, Changed):
            return now
        since = timedelta(seconds=event.entry.at)
        self._begun = self._begun or now - since
        return self._begun + since

    def _lead(self, time: datetime) -> str:
        return f"{stamp(time)} " if self._timestamps else ""

    def _harmless(self, data: bytes) -> bytes:
        text = safe(decode(data))
        return (text if self._color else SGR.sub("", text)).encode()

    def _encoded(self, text: str) -> bytes:
        """Return a text of ours, in which there may be words of others: names, or what an engine answered."""
        return (safe(text) if self._terminal else text).encode("utf-8", "replace")
