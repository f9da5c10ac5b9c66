"""Which face a run has, and what is said beside it."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from runner.cli.look import Look
from runner.cli.options import OutputFormat
from runner.cli.plain import PlainFace
from runner.cli.printer import Face
from runner.logs.files import LogBook
from runner.plan.model import Plan

_DUMB = "dumb"


@dataclass(frozen=True)
class Shown:
    """The face of a run, and where what is said beside it goes; ``say`` may be called by a signal handler.

    ``child`` makes the face of an async stage: of its logs, with what stands before its names.
    """

    face: Face
    child: Callable[[LogBook, str], Face]
    say: Callable[[str], None] | None = None


class _Said:
    """Takes lines as ``plain.Sink``, and says each of them."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def write(self, data: bytes) -> None:
        """Say lines."""
        for line in data.decode("utf-8", "replace").splitlines():
            self._say(line)

    def flush(self) -> None:
        """Do nothing: what is said is seen soon."""


@contextmanager
def showing(look: Look, plan: Plan, logs: LogBook, begun: datetime | None = None) -> Iterator[Shown]:
    """Give a run the face that is asked for: on a terminal a tree, unless it can only show lines.

    ``begun`` is when the run did, if that was before.
    """
    text = look.output is OutputFormat.TEXT
    stream = sys.stdout if text else sys.stderr
    terminal, stamps = stream.isatty(), look.timestamps
    make = partial(PlainFace, terminal=terminal, color=look.color, timestamps=stamps)
    plain = make(stream.buffer, begun=begun)
    if look.output is OutputFormat.EVENTS:
        from runner.cli.events import EventFace  # noqa: PLC0415 - most look in one way

        face = EventFace(sys.stdout.buffer)
        yield Shown(face, lambda _logs, _prefix: face)
    elif look.quiet:
        from runner.cli.quiet import QuietFace  # noqa: PLC0415 - as above

        yield Shown(QuietFace(plain, logs), lambda logs, prefix: QuietFace(make(stream.buffer, prefix=prefix), logs))
    elif not text or stamps or not terminal or os.environ.get("TERM") == _DUMB:
        yield Shown(plain, lambda _, prefix: make(stream.buffer, prefix=prefix))
    else:
        from runner.cli.live.face import LiveFace  # noqa: PLC0415 - rich takes long to import

        live = LiveFace(sys.stdout.buffer, plan, color=look.color, encoding=sys.stdout.encoding)
        try:
            yield Shown(live, lambda _, prefix: make(_Said(live.say), prefix=prefix), live.say)
        finally:
            live.close()
