"""A text as it grows out of files: sent piece by piece, read by a thread, and left alone once nobody takes it."""

from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import suppress

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class Download(StreamingResponse):
    """The answer with a text; what cannot be opened is known before it begins."""

    def __init__(self, text: Iterator[bytes]) -> None:
        super().__init__((), media_type="text/plain; charset=utf-8")
        self._text = text

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it; raises what reading the first piece raises, and cuts the answer at what comes later."""
        try:
            self.body_iterator = self._pieces(await run_in_threadpool(next, self._text, b""))
            await super().__call__(scope, receive, send)
        finally:
            if isinstance(self._text, Generator):  # else its files would stay open until it is collected
                with suppress(ValueError):  # a thread still reads: this was cut as the server stops
                    self._text.close()

    async def _pieces(self, piece: bytes) -> AsyncIterator[bytes]:
        while piece:
            yield piece
            piece = await run_in_threadpool(next, self._text, b"")
