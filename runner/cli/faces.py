"""Which face a run has, and what is said beside it."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from runner.cli.console import say
from runner.cli.events import EventFace
from runner.cli.options import OutputFormat
from runner.cli.plain import PlainFace, stamp
from runner.cli.printer import Face
from runner.cli.quiet import QuietFace
from runner.clock import SystemClock
from runner.logs.files import LogBook
from runner.plan.model import Plan

_DUMB = "dumb"


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a run is to look. ``quiet``, ``timestamps`` and ``color`` are for people: events stay as they are."""

    output: OutputFormat
    quiet: bool = False
    timestamps: bool = False
    color: bool = True

    def say(self, *lines: str) -> None:
        """Write lines for people: to stdout only where nothing else is expected there."""
        lead = f"{stamp(SystemClock().now())} " if self.timestamps else ""
        shown = [] if self.quiet else [lead + line for text in lines for line in text.splitlines()]
        if shown:
            say("\n".join(shown), err=self.output is not OutputFormat.TEXT)


@dataclass(frozen=True)
class Shown:
    """The face of a run, and where what is said beside it goes; ``say`` may be called by a signal handler."""

    face: Face
    say: Callable[[str], None] | None = None


@contextmanager
def showing(look: Look, plan: Plan, logs: LogBook, begun: datetime | None = None) -> Iterator[Shown]:
    """Give a run the face that is asked for: on a terminal a tree, unless it can only show lines.

    ``begun`` is when the run did, if that was before.
    """
    text = look.output is OutputFormat.TEXT
    stream = sys.stdout if text else sys.stderr
    terminal, stamps = stream.isatty(), look.timestamps
    plain = PlainFace(stream.buffer, terminal=terminal, color=look.color, timestamps=stamps, begun=begun)
    if look.output is OutputFormat.EVENTS:
        yield Shown(EventFace(sys.stdout.buffer))
    elif look.quiet:
        yield Shown(QuietFace(plain, logs))
    elif not text or stamps or not terminal or os.environ.get("TERM") == _DUMB:
        yield Shown(plain)
    else:
        from runner.cli.live.face import LiveFace  # noqa: PLC0415 - rich takes long to import

        live = LiveFace(sys.stdout.buffer, plan, color=look.color, encoding=sys.stdout.encoding)
        try:
            yield Shown(live, live.say)
        finally:
            live.close()
