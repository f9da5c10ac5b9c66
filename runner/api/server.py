"""Serves the app on the daemon's socket, and over TCP where it is told to, from a thread of its own."""

import asyncio
import logging
import os
import socket
import stat
from pathlib import Path
from threading import Thread
from typing import Any, Final

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from runner import diagnostics
from runner.api.access import address_of
from runner.api.follow import Followers
from runner.clock import Deadline
from runner.errors import ConflictError, InfrastructureError, UsageError

HEAD_SECONDS: Final = 10.0
"""How long a client may take to send the head of a request."""

_IDLE_SECONDS: Final = 30
_START_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 5
_FRAME_BYTES: Final = 1 << 20
_LOOK_SECONDS: Final = 0.005
_LONGEST_PATH: Final = 107
_UNFINISHED: Final = "ASGI callable returned without completing"


class Server:
    """The daemon's ear. Signals are none of its business."""

    def __init__(self, app: FastAPI, path: Path, listen: str | None = None) -> None:
        """Bind ``path``, for its owner alone, and ``listen`` (``HOST:PORT``); nothing is answered before ``start``.

        ``app`` is one that ``make_app`` has made.
        A socket that a dead daemon has left is replaced; whoever calls holds the lock of the data directory.

        Raises:
            UsageError: an address is none, or the path is too long or is something else.
            ConflictError: somebody listens there.
            InfrastructureError: the machine does not let us.
        """
        self._path = path
        self._sockets = [_bound(path)]
        self.address: tuple[str, int] | None = None
        """Where it listens on TCP."""
        if listen is not None:
            try:
                self._sockets.append(_listening(listen))
            except BaseException:
                self._close()
                raise
            self.address = self._sockets[1].getsockname()[:2]
        self._followers: Followers = app.state.followers
        self._uvicorn = _Stoppable(_config(app))
        self._thread = Thread(target=self._serve, name="http", daemon=True)

    @property
    def started(self) -> bool:
        """Whether requests are answered."""
        return self._thread.is_alive() and self._uvicorn.started

    def start(self) -> None:
        """Answer from now on; returns when it does.

        Raises:
            InfrastructureError: it does not.
        """
        _forward_logs()
        self._thread.start()
        deadline = Deadline(_START_SECONDS)
        while not self._uvicorn.started:
            if deadline.passed or not self._thread.is_alive():
                self.stop()
                raise InfrastructureError("the API does not start")
            self._thread.join(_LOOK_SECONDS)

    def stop(self) -> None:
        """Answer no more: what is being answered has 5 s to end, and is cut then; may be called twice.

        Whoever follows gets what there is up to now: of a run that has ended, its end.
        """
        self._followers.leave()
        self._uvicorn.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._close()

    def _serve(self) -> None:
        try:
            self._uvicorn.run(self._sockets)
        except BaseException:  # noqa: BLE001 -- the last that hears of it, whatever it is
            diagnostics.failed("the API has failed")

    def _close(self) -> None:
        self._path.unlink(missing_ok=True)
        for each in self._sockets:
            each.close()


class _Stoppable(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop as the library does; then cut those who have not taken what they were sent, which it leaves open."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # that is when they are closed


class Patient(H11Protocol):
    """A connection that is closed when the head of a request does not come in time, however it drips."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)  # type: ignore[arg-type] # uvicorn narrows what asyncio declares
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._rest()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._rest()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._late)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self.conn.their_state is h11.IDLE:
            self.transport.abort()


class _Forward(logging.Handler):
    """Brings what the server's library has to say to our own log."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0] if record.exc_info else None
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            return  # a request that was cut as we stop
        if record.getMessage().startswith(_UNFINISHED):
            return  # a shell that was refused, or what has been noted where it failed
        diagnostics.warn("the HTTP server", says=record.getMessage(), exc_info=record.exc_info)


def _config(app: FastAPI) -> uvicorn.Config:
    settings: dict[str, Any] = {"log_config": None, "access_log": False, "server_header": False, "proxy_headers": False}
    return uvicorn.Config(
        app,
        loop="asyncio",
        http=Patient,
        ws="websockets-sansio",
        ws_max_size=_FRAME_BYTES,
        ws_per_message_deflate=False,
        lifespan="off",
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        **settings,
    )


def _forward_logs() -> None:
    for name in ("uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        if not any(isinstance(each, _Forward) for each in logger.handlers):
            logger.addHandler(_Forward(logging.ERROR))
            logger.propagate = False


def _bound(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise UsageError(f"{path}: too long for a socket", hint="choose a shorter RUNNER_DATA_DIR")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _clear(path)
        bound = socket.socket(socket.AF_UNIX)
        os.fchmod(bound.fileno(), 0o600)  # the file gets it when it is made: at no time can others connect
        bound.bind(str(path))
    except OSError as error:
        raise InfrastructureError(f"cannot listen on {path}: {error.strerror}") from error
    return bound


def _clear(path: Path) -> None:
    """Remove what a dead daemon has left."""
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise UsageError(f"{path}: is there already and is no socket", hint="remove it")
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise ConflictError(f"{path}: somebody listens there already", hint="stop the other daemon")
    path.unlink()


def _listening(listen: str) -> socket.socket:
    host, port = address_of(listen)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise InfrastructureError(f"cannot listen on {listen}: {error.strerror}") from error
