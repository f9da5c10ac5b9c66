"""A shell in a step's image over a WebSocket: binary frames are bytes of the terminal, a text frame is its size.

An error comes as a text frame with the body that ``api.errors`` gives it, before the connection is closed.
"""

import asyncio
import json
import socket
from collections.abc import Callable
from concurrent import futures
from contextlib import closing, suppress
from typing import Annotated, Final

from anyio import CapacityLimiter, to_thread
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from runner import diagnostics
from runner.api.errors import document
from runner.engine.backend import Terminal
from runner.errors import BusyError, RunnerError, UsageError
from runner.records import record

MOST: Final = 20
"""How many shells may be open at a time."""

_NORMAL: Final = 1000
_FAILED: Final = 1011
_AHEAD_BYTES: Final = 1 << 20
"""How much may be typed that the shell has not read."""

_LOOK_SECONDS: Final = 0.5
_Cells = Annotated[int, Field(ge=0, le=65535)]


@record
class Window:
    """The size of a terminal, in cells."""

    rows: _Cells
    columns: _Cells


_WINDOW: Final = TypeAdapter[Window | None](Window | None, config=ConfigDict(extra="forbid", strict=True))


class WebTerminal:
    """Where a person sits who is at the other end of a WebSocket; ``Terminal`` for the thread that has the shell."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._loop = asyncio.get_running_loop()
        self._keys, self._typed = socket.socketpair()
        self._size = (0, 0)
        self._closed = False

    def fileno(self) -> int:
        """Return the descriptor to read keys from."""
        return self._keys.fileno()

    def write(self, data: bytes) -> None:
        """Show bytes; returns when the client has room for more, or has gone."""
        if self.closed():
            return
        sent = asyncio.run_coroutine_threadsafe(self._show(data), self._loop)
        while not (self.closed() or sent.done()):
            futures.wait([sent], _LOOK_SECONDS)
        if not sent.cancel():
            sent.result()

    def size(self) -> tuple[int, int]:
        """Return rows and columns as the client has told them."""
        return self._size

    def closed(self) -> bool:
        """Whether the client has gone."""
        return self._closed

    async def listen(self) -> None:
        """Take what the client sends until it goes.

        Raises:
            UsageError: it sends what means nothing, or too much.
        """
        _, keys = await asyncio.open_connection(sock=self._typed)
        try:
            while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
                if text := message.get("text"):
                    self._size = _size(text)
                keys.write(message.get("bytes") or b"")
                if keys.transport.get_write_buffer_size() > _AHEAD_BYTES:
                    raise UsageError("the shell does not read what is typed", hint="type less ahead of it")
        finally:
            self.leave()
            keys.transport.abort()

    def leave(self) -> None:
        """Let the shell end."""
        self._closed = True

    def close(self) -> None:
        """Give back the descriptor; the shell has ended."""
        self._keys.close()

    async def tell(self, text: str) -> None:
        """Send a text frame, if the client is still there."""
        with suppress(WebSocketDisconnect, RuntimeError):  # the second is how Starlette says that it has been closed
            await self._websocket.send_text(text)

    async def _show(self, data: bytes) -> None:
        try:
            await self._websocket.send_bytes(data)
        except (WebSocketDisconnect, RuntimeError):  # as above
            self.leave()


class Shells:
    """All shells that clients of one daemon have open, of which there may be ``most``: each has a thread."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._threads = CapacityLimiter(most)

    async def serve(self, websocket: WebSocket, run: Callable[[Terminal], None]) -> None:
        """Connect a client with a shell; ``run`` returns when it ends, or soon after the terminal is closed."""
        await websocket.accept()
        terminal, code = WebTerminal(websocket), _NORMAL
        listening = asyncio.create_task(terminal.listen())
        try:
            await self._join(terminal, listening, run)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the client is told here or not at all
            if not isinstance(error, RunnerError):
                diagnostics.failed("a shell has failed")
            code = _FAILED
            await terminal.tell(json.dumps(document(error)))
        finally:
            listening.cancel()
        with suppress(WebSocketDisconnect, RuntimeError):  # it has gone before us
            await websocket.close(code)

    async def _join(
        self, terminal: WebTerminal, listening: asyncio.Task[None], run: Callable[[Terminal], None]
    ) -> None:
        shell = asyncio.create_task(self._in_thread(terminal, run))
        try:
            await asyncio.wait([shell, listening], return_when=asyncio.FIRST_COMPLETED)
        finally:
            terminal.leave()
        await shell
        if listening.done():
            listening.result()

    async def _in_thread(self, terminal: WebTerminal, run: Callable[[Terminal], None]) -> None:
        """Have the shell run; the thread itself gives back what it reads from, since it may outlive this task."""

        def work() -> None:
            with closing(terminal):
                run(terminal)

        if self._threads.available_tokens < 1:
            terminal.close()
            raise BusyError(f"{self._most} shells are open already", hint="close one of them")
        await to_thread.run_sync(work, limiter=self._threads)


def _size(text: str) -> tuple[int, int]:
    try:
        window = _WINDOW.validate_json(text)
    except ValidationError as error:
        raise UsageError("this is no size of a terminal", hint='for example {"rows": 24, "columns": 80}') from error
    return (window.rows, window.columns) if window else (0, 0)
