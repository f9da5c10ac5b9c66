"""A run as server-sent events: each ``data:`` is an item as ``dispatch.wire`` writes it.

At last comes ``event: end`` with the report of the run, so that nobody need ask a daemon that may be gone by then. What
fails in the middle comes as ``event: error`` with the body that ``api.errors`` gives it. A comment every 15 s shows
that the connection lives. A stream that ends without ``end`` or ``error`` was cut.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from threading import Lock
from typing import Final

from anyio import CancelScope, CapacityLimiter, to_thread
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from runner import diagnostics
from runner.api.errors import document
from runner.dispatch import wire
from runner.dispatch.feed import Feed, Item
from runner.engine.report import Report
from runner.errors import BusyError, InfrastructureError

KEEPALIVE: Final = 15.0
MEDIA_TYPE: Final = "text/event-stream"

_PIECE_BYTES: Final = 64 * 1024
"""At most so much and one block of lines is made ready at a time, and kept for a reader who does not take it."""

_READERS: Final = 4
_BETWEEN: Final = 0.02
_EACH: Final = 0.001
"""Bounds of a pause: it grows as long as there is news each time, and what comes after a silence is sent soon."""

_ALIVE: Final = b": alive\n\n"


class Followers:
    """All who follow runs of one daemon, of whom there may be ``most``.

    The files are read by a few threads in turn, so that a slow disk stops nothing but followers.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self.readers = CapacityLimiter(_READERS)
        self.count = 0
        """How many there are now."""
        self.leaving = False
        """Whether the daemon goes: whoever has got all that there is gets no more, also of runs that go on."""
        self._bells: list[Callable[[], None]] = []

    def pause(self, last: float) -> float:
        """For how long each leaves news alone that has done so for ``last`` seconds, or 0 if there was none since.

        All together look a thousand times a second at most.
        """
        shortest = _EACH * self.count
        return max(shortest, min(2 * last, _BETWEEN))

    def leave(self) -> None:
        """Let all come to an end; from any thread."""
        self.leaving = True
        with self._lock:
            for ring in self._bells:
                ring()

    @contextmanager
    def one(self, ring: Callable[[], None]) -> Iterator[None]:
        """Count one more until the end of the block, for whom ``ring`` means to look; raises BusyError."""
        with self._lock:
            if self.count >= self._most:
                raise BusyError(
                    f"{self._most} clients follow runs already", hint="try again later, or ask for the logs"
                )
            self.count += 1
            self._bells.append(ring)
        try:
            yield
        finally:
            with self._lock:
                self.count -= 1
                self._bells.remove(ring)


class Following(StreamingResponse):
    """The answer to one follower. As it reads files, nobody waits for a slow one.

    ``report`` is called when the run has ended, in another thread.
    """

    def __init__(self, feed: AbstractContextManager[Feed], report: Callable[[], Report], followers: Followers) -> None:
        super().__init__((), media_type=MEDIA_TYPE)
        self._feed = feed
        self._report = report
        self._followers = followers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the run has ended, the reader has gone, or the daemon goes.

        Raises:
            BusyError: too many follow; and what opening the feed raises, before anything is sent.
        """
        bell = _Bell()
        with self._followers.one(bell.ring):
            async with self._opened() as feed:
                with feed.changes.heard(bell.ring):
                    self.body_iterator = _told(feed, self._report, bell, self._followers)
                    await super().__call__(scope, receive, send)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Feed]:
        """Open the feed and close it in threads that are there already: hundreds of readers may go at a time."""
        readers = self._followers.readers
        feed = await to_thread.run_sync(self._feed.__enter__, limiter=readers)
        try:
            yield feed
        finally:
            with CancelScope(shield=True):
                await to_thread.run_sync(self._feed.__exit__, None, None, None, limiter=readers)


class _Bell:
    """Tells an event loop that there is news; however often that is, the loop is woken once until ``reset``."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._rung = False

    @property
    def rung(self) -> bool:
        """Whether there is news since ``reset``."""
        return self._rung

    def ring(self) -> None:
        """Tell it; from any thread."""
        if not self._rung:
            self._rung = True
            with suppress(RuntimeError):  # the loop has ended, and with it whoever would hear
                self._loop.call_soon_threadsafe(self._news.set)

    def reset(self) -> None:
        """Begin anew; what has changed before is seen by whoever looks after this."""
        self._news.clear()
        self._rung = False

    async def wait(self, seconds: float) -> bool:
        """Wait until there is news, for some seconds at most; return whether there is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        return self._news.is_set()


async def _told(feed: Feed, report: Callable[[], Report], bell: _Bell, followers: Followers) -> AsyncIterator[bytes]:
    pause = 0.0
    try:
        while True:
            bell.reset()
            leaving = followers.leaving  # asked before the poll, which finds every run that had ended by then
            async for piece in _pieces(feed.poll(), followers.readers):
                yield piece
                yield b""  # is sent when the piece is: nothing more is read for whoever does not take it
            if feed.over:
                yield await to_thread.run_sync(_end, report, limiter=followers.readers)
                return
            if leaving:
                return
            pause = followers.pause(pause)
            await asyncio.sleep(pause)
            pause = pause if bell.rung else 0.0
            while not await bell.wait(KEEPALIVE):
                yield _ALIVE
    except Exception as error:  # noqa: BLE001 -- whatever it is, the answer has begun, and this is how it can tell
        diagnostics.failed("a run cannot be followed any further")
        yield _event(json.dumps(document(_explained(error))), b"event: error\n")


async def _pieces(items: Iterator[Item], readers: CapacityLimiter) -> AsyncIterator[bytes]:
    while piece := await to_thread.run_sync(_piece, items, limiter=readers):
        yield piece
        del piece


def _piece(items: Iterator[Item]) -> bytes:
    """Return the next items, as many as make a piece; nothing when there are none."""
    told, size = [], 0
    for item in items:
        told.append(_event(json.dumps(wire.document(item))))
        size += len(told[-1])
        if size >= _PIECE_BYTES:
            break
    return b"".join(told)


def _end(report: Callable[[], Report]) -> bytes:
    return _event(json.dumps(report()), b"event: end\n")


def _event(data: str, kind: bytes = b"") -> bytes:
    return b"%sdata: %s\n\n" % (kind, data.encode())


def _explained(error: Exception) -> Exception:
    """Return an error whose words are for clients, where there is one."""
    if isinstance(error, OSError):
        return InfrastructureError(f"a log cannot be read: {error.strerror or error}")
    return error
