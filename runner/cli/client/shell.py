"""A shell on the daemon's engine, at this terminal: bytes both ways over a WebSocket."""

import json
import os
import select
import signal
from contextlib import suppress
from typing import Final
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect, unix_connect

from runner.cli.client.answers import error_of, told_error
from runner.cli.client.connection import path_of, translated
from runner.cli.client.endpoint import Endpoint
from runner.cli.client.signals import leaving
from runner.cli.raw_terminal import RawTerminal, raw
from runner.engine.job import Task
from runner.errors import DaemonUnavailableError

_LOOK_SECONDS: Final = 0.1
_PIECE_BYTES: Final = 1 << 16
_NORMAL: Final = 1000
_CLOSING: Final = (signal.SIGTERM, signal.SIGHUP)


def open_shell(endpoint: Endpoint, run: str, stage: str, step: str) -> None:
    """Have a shell like a step's until it ends; with an empty ``step``, the daemon decides which.

    Raises:
        DaemonUnavailableError: no daemon answers, or it goes in the middle.
        RunnerError: what the daemon says instead.
    """
    with _connected(endpoint, f"{path_of('runs', run, 'shell')}?{urlencode({'stage': stage, 'step': step})}") as wire:
        session = _Session(wire)
        with leaving(session.leave, *_CLOSING), raw(lambda: session.over) as terminal:
            session.go(terminal)
    session.check(str(endpoint))


def _connected(endpoint: Endpoint, target: str) -> ClientConnection:
    where = str(endpoint)
    headers = {"Authorization": f"Bearer {endpoint.token}"} if endpoint.token else {}
    try:
        with translated(where):
            if endpoint.socket is not None:
                return unix_connect(str(endpoint.socket), f"ws://localhost{target}", compression=None)
            address = f"ws{endpoint.url.removeprefix('http')}{target}"
            return connect(address, additional_headers=headers, compression=None, proxy=None)
    except InvalidStatus as error:
        raise error_of(error.response.status_code, bytes(error.response.body or b""), where) from error
    except InvalidHandshake as error:
        raise DaemonUnavailableError(f"{where}: no shell: {error}", hint="does something else listen there?") from error


class _Session:
    """One shell. Its output is shown by a thread of its own, keys are sent by whoever calls ``go``."""

    def __init__(self, wire: ClientConnection) -> None:
        self._wire = wire
        self._said = ""
        self.over = False

    def leave(self) -> None:
        """Let it end; may be called by a signal handler."""
        self.over = True

    def go(self, terminal: RawTerminal) -> None:
        """Pass bytes until the shell ends, or nobody sits there any more."""
        showing = Task("shell", lambda: self._show(terminal))
        size = (0, 0)
        with suppress(ConnectionClosed):
            while not terminal.closed():
                if (now := terminal.size()) != size:
                    size = now
                    self._wire.send(json.dumps({"rows": size[0], "columns": size[1]}))
                if not select.select([terminal], [], [], _LOOK_SECONDS)[0]:
                    continue
                keys = _read(terminal)
                if not keys:
                    break
                self._wire.send(keys)
        self._wire.close()
        showing.finish()

    def check(self, where: str) -> None:
        """Raise what the daemon has said instead of a shell, or that it has gone."""
        if self._said:
            raise told_error(json.loads(self._said))
        if self._wire.close_code not in (_NORMAL, None):
            raise DaemonUnavailableError(f"{where}: the connection to the shell broke")

    def _show(self, terminal: RawTerminal) -> None:
        try:
            for message in self._wire:
                if isinstance(message, str):
                    self._said = message
                else:
                    terminal.write(message)
        except ConnectionClosed:
            return  # its code says why
        finally:
            self.over = True


def _read(terminal: RawTerminal) -> bytes:
    try:
        return os.read(terminal.fileno(), _PIECE_BYTES)
    except OSError:
        return b""  # it has gone
