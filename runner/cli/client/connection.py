"""HTTP to the daemon, over its socket or over TCP, with the standard library alone: commands are to begin soon."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Self
from urllib.parse import quote, urlencode, urlsplit

from runner import __version__
from runner.cli.client.answers import error_of
from runner.cli.client.endpoint import Endpoint
from runner.errors import DaemonUnavailableError, UsageError
from runner.plan.model import Json
from runner.sockets import UnixConnection

PREFIX: Final = "/api/v1"

_CONNECT_SECONDS: Final = 10.0
# A daemon that thinks is waited for, one whose machine has gone is not: asked after 20 s of silence, given up after 15.
_ALIVE: Final = ((socket.TCP_KEEPIDLE, 20), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))


def path_of(*parts: str) -> str:
    """Return the path of a resource; each part may be any text."""
    return "/".join((PREFIX, *(quote(part, safe="", errors="surrogatepass") for part in parts)))


class Answer:
    """An answer that is being read, until it is closed. Reading raises DaemonUnavailableError when it breaks off."""

    def __init__(self, connection: http.client.HTTPConnection, wire: socket.socket, where: str) -> None:
        self._connection = connection
        self._wire = wire
        self._where = where
        self._response = connection.getresponse()
        self.status = self._response.status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._response.close()
        self._connection.close()

    def read(self) -> bytes:
        """Return all that is left."""
        with translated(self._where):
            return self._response.read()

    def lines(self) -> Iterator[bytes]:
        """Yield lines as they come. An answer that breaks off at a line's end looks like one that has ended."""
        while line := self._line():
            yield line

    def pieces(self) -> Iterator[bytes]:
        """Yield bytes as they come, up to the end."""
        while piece := self._piece():
            yield piece

    def shut(self) -> None:
        """Let whoever reads it find its end, now; may be called by a signal handler."""
        try:
            self._wire.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended by itself

    def _line(self) -> bytes:
        with translated(self._where):
            return self._response.readline()

    def _piece(self) -> bytes:
        with translated(self._where):
            return self._response.read1()


class Connection:
    """Asks a daemon; each request has a connection of its own. For any thread.

    ``patience`` is for how many seconds it may say nothing; without it, as long as it is there.
    """

    def __init__(self, endpoint: Endpoint, patience: float | None = None) -> None:
        self.endpoint = endpoint
        self._patience = patience

    def call(self, method: str, path: str, body: Json = None, query: Mapping[str, str] | None = None) -> Json:
        """Send a request, and return the document of the answer; None if it has none.

        Raises:
            DaemonUnavailableError: no daemon answers.
            RunnerError: what the daemon says, as ``answers.error_of``.
        """
        with self.open(method, path, body, query) as answer:
            data = answer.read()
        try:
            found: Json = json.loads(data) if data else None
        except ValueError as error:
            raise DaemonUnavailableError(
                f"{self.endpoint} does not answer as a daemon does", hint="does something else listen there?"
            ) from error
        return found

    def open(self, method: str, path: str, body: Json = None, query: Mapping[str, str] | None = None) -> Answer:
        """Send a request, and return the answer, to be read and closed; raises as ``call``."""
        data = None if body is None else json.dumps(body).encode()
        where = str(self.endpoint)
        connection = self._connection()
        try:
            with translated(where):
                connection.connect()
                wire = connection.sock
                wire.settimeout(self._patience)
                connection.request(method, _target(self.endpoint, path, query), data, self._headers(data))
                answer = Answer(connection, wire, where)
        except BaseException:
            connection.close()
            raise
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            with answer:
                raise error_of(answer.status, answer.read(), where)
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        endpoint = self.endpoint
        if endpoint.socket is not None:
            return UnixConnection(str(endpoint.socket), _CONNECT_SECONDS)
        parts = urlsplit(endpoint.url)
        kind = _TlsConnection if parts.scheme == "https" else _TcpConnection
        return kind(parts.hostname or "", parts.port, timeout=_CONNECT_SECONDS)

    def _headers(self, data: bytes | None) -> dict[str, str]:
        return {
            "User-Agent": f"runner/{__version__}",
            "Connection": "close",
            **({} if data is None else {"Content-Type": "application/json"}),
            **({"Authorization": f"Bearer {self.endpoint.token}"} if self.endpoint.token else {}),
        }


class _TcpConnection(http.client.HTTPConnection):
    """Over TCP."""

    def connect(self) -> None:
        super().connect()
        _keep_alive(self.sock)


class _TlsConnection(http.client.HTTPSConnection):
    """Over TCP, encrypted."""

    def connect(self) -> None:
        super().connect()
        _keep_alive(self.sock)


def _keep_alive(wire: socket.socket) -> None:
    """Notice when the other side's machine has gone."""
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _ALIVE:
        wire.setsockopt(socket.IPPROTO_TCP, option, value)


def _target(endpoint: Endpoint, path: str, query: Mapping[str, str] | None) -> str:
    prefix = urlsplit(endpoint.url).path
    return f"{prefix}{path}" + (f"?{urlencode(query, errors='surrogatepass')}" if query else "")


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Make our own errors of those of sockets and of HTTP."""
    try:
        yield
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise DaemonUnavailableError(f"no daemon listens at {where}", hint=_hint(where)) from error
    except PermissionError as error:
        raise UsageError(f"{where}: this daemon is another user's", hint="ask as that user, or over TCP") from error
    except (OSError, http.client.HTTPException) as error:
        raise DaemonUnavailableError(f"{where}: the daemon does not answer: {_words(error)}") from error


def _hint(where: str) -> str:
    other = "RUNNER_URL" if where.startswith("http") else "RUNNER_DATA_DIR"
    return f"`runner daemon` starts one; {other} names another"


def _words(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
