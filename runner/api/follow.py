"""A run as server-sent events: each ``data:`` is an item as ``dispatch.wire`` writes it, at last comes ``event: end``.

What fails in the middle comes as ``event: error`` with the body that ``api.errors`` gives it. A comment every 15 s
shows that the connection lives. A stream that ends without ``end`` or ``error`` was cut.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
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
from runner.errors import BusyError, InfrastructureError

KEEPALIVE: Final = 15.0
MEDIA_TYPE: Final = "text/event-stream"

_PIECE_BYTES: Final = 64 * 1024
"""At most so much and one block of lines is made ready at a time, and kept for a reader who does not take it."""

_READERS: Final = 4
_BETWEEN: Final = 0.02
_EACH: Final = 0.001
_END: Final = b"event: end\ndata: {}\n\n"
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

    @property
    def pause(self) -> float:
        """For how long each leaves news alone: all together look a thousand times a second at most."""
        return max(_BETWEEN, _EACH * self.count)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count one more until the end of the block; raises BusyError."""
        with self._lock:
            if self.count >= self._most:
                raise BusyError(
                    f"{self._most} clients follow runs already", hint="try again later, or ask for the logs"
                )
            self.count += 1
        try:
            yield
        finally:
            with self._lock:
                self.count -= 1


class Following(StreamingResponse):
    """The answer to one follower. As it reads files, nobody waits for a slow one."""

    def __init__(self, feed: AbstractContextManager[Feed], followers: Followers) -> None:
        super().__init__((), media_type=MEDIA_TYPE)
        self._feed = feed
        self._followers = followers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the run has ended, or the reader has gone.

        Raises:
            BusyError: too many follow; and what opening the feed raises, before anything is sent.
        """
        bell = _Bell()
        with self._followers.one():
            async with self._opened() as feed:
                with feed.changes.heard(bell.ring):
                    self.body_iterator = _told(feed, bell, self._followers)
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


async def _told(feed: Feed, bell: _Bell, followers: Followers) -> AsyncIterator[bytes]:
    try:
        while True:
            bell.reset()
            async for piece in _pieces(feed.poll(), followers.readers):
                yield piece
                yield b""  # is sent when the piece is: nothing more is read for whoever does not take it
            if feed.over:
                break
            await asyncio.sleep(followers.pause)
            while not await bell.wait(KEEPALIVE):
                yield _ALIVE
        yield _END
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


def _event(data: str, kind: bytes = b"") -> bytes:
    return b"%sdata: %s\n\n" % (kind, data.encode())


def _explained(error: Exception) -> Exception:
    """Return an error whose words are for clients, where there is one."""
    if isinstance(error, OSError):
        return InfrastructureError(f"a log cannot be read: {error.strerror or error}")
    return error
