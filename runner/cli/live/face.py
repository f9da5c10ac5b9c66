"""The face of a run on a terminal."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import BinaryIO

from rich.console import Console
from rich.text import Text

from runner.cli.live.log import Log
from runner.cli.live.model import Model
from runner.cli.live.region import Region
from runner.cli.live.render import epilogue, frame
from runner.cli.live.words import BAD, Signs
from runner.cli.wording import Wording
from runner.clock import Clock, SystemClock
from runner.engine.events import Changed, Event, Notice, Pulling
from runner.logs.follow import Block
from runner.naming import Address
from runner.plan.model import Plan
from runner.plan.status import Status

REDRAW_SECONDS = 0.1
_MANY = 64 * 1024
"""So many characters are written at once, whether the region is due or not."""
_USUAL = os.terminal_size((80, 24))


def size_of(stream: BinaryIO) -> os.terminal_size:
    """Return the size of the terminal behind a stream; that of most where it is not known."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except OSError:
        return _USUAL
    return size if size.columns and size.lines else _USUAL


class LiveFace:
    """Lines scroll up, and under them stands the tree of stages and steps.

    ``lines``, ``event`` and ``flush`` are for one thread, the printer's; all else may be called from any. ``color`` is
    whether anything may be coloured, what steps print too. ``size``, ``clock`` and ``pause`` are for tests.
    """

    def __init__(  # noqa: PLR0913 - what a terminal can do, and how time passes
        self,
        stream: BinaryIO,
        plan: Plan,
        *,
        color: bool = True,
        encoding: str = "utf-8",
        size: Callable[[], os.terminal_size] | None = None,
        clock: Clock | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._signs = Signs.of(encoding)
        self._model = Model(plan)
        self._wording = Wording()
        self._log = Log(plan, self._signs, color=color)
        self._region = Region(stream, encoding)
        self._size = size or (lambda: size_of(stream))
        self._clock = clock or SystemClock()
        self._pause = pause
        # Its size plays no part: lines are cut before they reach it.
        self._console = Console(
            file=StringIO(),
            force_terminal=True,
            color_system="standard" if color else None,
            no_color=not color,
            legacy_windows=False,
        )
        self._lock = threading.Lock()
        self._above: list[str] = []
        self._length = 0
        self._said: deque[str] = deque()
        self._news = False
        self._due = self._clock.monotonic()

    def lines(self, address: Address, block: Block) -> None:
        """Show lines, at once when they are many."""
        text = self._log.format(address, block)
        self._add(text)
        if self._length >= _MANY:
            with self._lock:
                self._write(redraw=self._clock.monotonic() >= self._due)

    def event(self, event: Event) -> None:
        """Take an event into the tree, and show its words where the tree does not say it all."""
        self._model.apply(event, self._clock.monotonic())
        self._news = True
        words = self._wording.describe(event)
        if isinstance(event, Changed) and event.entry.branches is not None:
            self._log.learn(self._model.plan)
        match event:
            case Pulling():
                pass
            case Changed(entry) if not entry.address.stage and self._model.over:
                self._add(self._ansi(epilogue(self._model.view(self._clock.monotonic()), self._signs, self._width())))
                self._add(self._log.words(words, "bold red" if entry.status in BAD else "bold"))
            case Changed(entry) if words and entry.status is not Status.RUNNING:
                self._add(self._log.words(words, "red" if entry.status in BAD else "dim"))
            case Notice():
                self._add(self._log.words(words, "yellow"))
            case _:
                pass

    def flush(self) -> None:
        """Let everything be seen, at most ``REDRAW_SECONDS`` after the last time: there may be more until then."""
        wait = self._due - self._clock.monotonic()
        if wait > 0 and not self._model.over:
            if not (self._news or self._above or self._said):
                return
            self._pause(wait)
        with self._lock:
            self._write(redraw=True)

    def say(self, text: str) -> None:
        """Show a line of ours with the next ``flush``; also from a signal handler, which may not wait for a lock."""
        self._said.append(text)

    def suspend(self) -> None:
        """Clear the region and hold everything until ``resume``: something else has the terminal."""
        self._lock.acquire()
        try:
            self._region.close()
        except BaseException:
            self._lock.release()
            raise

    def resume(self) -> None:
        """Go on after ``suspend``."""
        self._lock.release()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Suspend until the end of the block."""
        self.suspend()
        try:
            yield
        finally:
            self.resume()

    def close(self) -> None:
        """Write what is left, remove the region and give the cursor back; to be called however the run ends."""
        with self._lock:
            if not self._region.gone:
                self._write(redraw=False)
                self._region.close()

    def _add(self, text: str) -> None:
        self._above.append(text)
        self._length += len(text)

    def _write(self, *, redraw: bool) -> None:
        """Write what is to stand above the region, and draw it anew unless the run is over."""
        while self._said:
            self._add(self._log.words(self._said.popleft(), "yellow"))
        text = "".join(self._above)
        self._above.clear()
        self._length = 0
        if redraw and not self._model.over:
            now = self._clock.monotonic()
            size = self._size()
            shown = frame(self._model.view(now), self._signs, size.columns, size.lines)
            self._region.write(text, self._ansi(shown).splitlines())
            self._due = now + REDRAW_SECONDS
            self._news = False
        else:
            self._region.write(text)
            if self._model.over:
                self._region.close()

    def _ansi(self, lines: list[Text]) -> str:
        with self._console.capture() as captured:
            for line in lines:
                self._console.print(line, soft_wrap=True, highlight=False)
        return captured.get()

    def _width(self) -> int:
        return self._size().columns
