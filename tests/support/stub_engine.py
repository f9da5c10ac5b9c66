"""An engine that says what a test tells it to: an HTTP server on loopback, for the SDK to talk to."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from runner.backends.docker.client import Engine

Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One connection of the SDK."""

    protocol_version = "HTTP/1.1"
    stub: "StubEngine"
    body: bytes = b""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("?")[0].removeprefix("/v1.41")
        self.stub.requests.append(f"{self.command} {self.path.removeprefix('/v1.41')}")
        self.stub.headers.append(dict(self.headers))
        behaviours = self.stub.script.get(path, [refuse(404, f"no such thing: {path}")])
        behaviour = behaviours[0] if len(behaviours) == 1 else behaviours.pop(0)
        behaviour(self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class calls it so
        """Say nothing on stderr."""


@dataclass
class StubEngine:
    """``script`` has the answers for each path, one a request; the last one stays."""

    address: str = ""
    script: dict[str, list[Behaviour]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)

    def engine(self) -> Engine:
        """Return our side of it."""
        return Engine(self.address)

    def pulls(self) -> int:
        """Return how often an image was asked for."""
        return sum(request.startswith("POST /images/create") for request in self.requests)


def answer(body: object) -> Behaviour:
    """Answer 200 with JSON."""
    return _whole(200, body)


def refuse(status: int, words: str) -> Behaviour:
    """Answer with an error, as the engine words it."""
    return _whole(status, {"message": words})


def _whole(status: int, body: object) -> Behaviour:
    def behave(handler: Handler) -> None:
        data = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(data)

    return behave


def header(name: str, value: str) -> Behaviour:
    """Answer 200 with a header and no body."""

    def behave(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return behave


def silence(handler: Handler) -> None:
    """Say nothing until the client hangs up."""
    handler.connection.settimeout(30)
    try:
        handler.rfile.read(1)
    except OSError:
        return
    handler.stub.hung_up.set()
    handler.close_connection = True


def stream(*messages: object, gap: float = 0.0, end: Behaviour | None = None) -> Behaviour:
    """Stream messages ``gap`` seconds apart, each a chunk of its own; then end, or behave like ``end``."""

    def behave(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        try:
            for message in messages:
                data = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\r\n"
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                threading.Event().wait(gap)
            if end is None:
                handler.wfile.write(b"0\r\n\r\n")
            else:
                end(handler)
        except OSError:
            handler.stub.hung_up.set()
            handler.close_connection = True

    return behave


def cut(handler: Handler) -> None:
    """Break the connection."""
    handler.close_connection = True
    handler.connection.close()


class _Local(ThreadingHTTPServer):
    """An HTTP server on a Unix socket."""

    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(str(self.server_address))
        self.server_name, self.server_port = "localhost", 0

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        taken, _ = super().get_request()
        return taken, ("localhost", 0)


@contextmanager
def stub_engine(path: Path | None = None) -> Iterator[StubEngine]:
    """Run an engine, on a socket at ``path`` if there is one.

    Close its clients' connections before it ends, or it waits for them.
    """
    stub = StubEngine(script={"/version": [answer({"ApiVersion": "1.41"})]})
    handler = type("BoundHandler", (Handler,), {"stub": stub})
    server = _Local(cast("Any", str(path)), handler) if path else ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    stub.address = f"unix://{path}" if path else f"tcp://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
