"""A daemon that is not there: answers over a socket as it is told to, and remembers what it was asked."""

import json
import socketserver
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from runner.dispatch import wire
from runner.dispatch.feed import Item
from runner.dispatch.requests import Definition, Pipeline, Submitted, Summary
from runner.engine.report import Report
from runner.plan import codec
from runner.plan.model import Plan

END = b"event: end\n\n"
"""In the place of a piece: the event that ends it, with the report of the run."""

ALIVE = b": alive\n\n"
CUT = b""
"""In the place of a piece: the connection is cut there."""

Piece = bytes | Callable[[], object]
"""Bytes to send, or what is done between them."""


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def handle_one_request(self) -> None:
        """Answer as the stand is told to."""
        line = self.rfile.readline()
        if not line:
            self.close_connection = True
            return
        self.raw_requestline = line
        if self.parse_request():
            self.server.stand.answer(self)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called
        """Say nothing."""

    def send(self, status: int, kind: str, *pieces: Piece, whole: bool = True) -> None:
        """Send an answer in pieces, one after the other."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            if callable(piece):
                piece()
            elif piece == CUT:
                return
            else:
                told = end(self.server.stand.report(self.path)) if piece == END else piece
                self.wfile.write(b"%x\r\n%s\r\n" % (len(told), told))
                self.wfile.flush()
        if whole:
            self.wfile.write(b"0\r\n\r\n")


Behaviour = Callable[[Handler], object]


def answer(document: object = None, status: int = 200) -> Behaviour:
    """Answer with a document."""
    return lambda handler: handler.send(status, "application/json", json.dumps(document).encode())


def failure(
    status: int, message: str, *, hint: str = "", code: int = 2, findings: tuple[object, ...] = ()
) -> Behaviour:
    """Answer with an error."""
    error = {"message": message, "hint": hint, "findings": list(findings)}
    return answer({"error": error, "exit_code": code}, status)


def text(*pieces: Piece) -> Behaviour:
    """Answer with text, in pieces."""
    return lambda handler: handler.send(200, "text/plain; charset=utf-8", *pieces)


def events(*told: Item | Piece) -> Behaviour:
    """Answer with events: items, bytes as they are, and what is done between them."""
    pieces: list[Piece] = [each if isinstance(each, bytes) or callable(each) else event(each) for each in told]
    return lambda handler: handler.send(200, "text/event-stream", *pieces)


def event(item: Item) -> bytes:
    """Return an item as a server-sent event."""
    return b"data: " + json.dumps(wire.document(item)).encode() + b"\n\n"


def end(report: Report) -> bytes:
    """Return the server-sent event that ends a run."""
    return b"event: end\ndata: " + json.dumps(report).encode() + b"\n\n"


def broken(handler: Handler) -> None:
    """Answer nothing, and hang up."""
    handler.connection.close()


class Server(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """What listens for a stand."""

    daemon_threads = True
    block_on_close = False
    stand: "Stand"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that has gone."""


class _Unix(Server, socketserver.UnixStreamServer):
    pass


class _Tcp(Server, socketserver.TCPServer):
    allow_reuse_address = True


class Stand:
    """Each request, as ``METHOD path`` less ``/api/v1``, is answered by its behaviours in turn; the last one stays."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._behaviours: dict[str, list[Behaviour]] = {}
        self._count: dict[str, int] = defaultdict(int)
        self._reports: dict[str, Report] = {}
        self._news = threading.Condition()

    def on(self, request: str, *behaviours: Behaviour) -> None:
        """Say how a request is answered from now on."""
        self._behaviours[request] = list(behaviours)
        self._count[request] = 0

    def answer(self, handler: Handler) -> None:
        """Answer a request."""
        target, _, query = handler.path.partition("?")
        size = int(handler.headers.get("Content-Length", 0))
        body = json.loads(handler.rfile.read(size)) if size else None
        path = unquote(target).replace("/api/v1", "", 1)
        asked = Asked(handler.command, path, dict(parse_qsl(query)), dict(handler.headers), body)
        with self._news:
            self.asked.append(asked)
            number, self._count[str(asked)] = self._count[str(asked)], self._count[str(asked)] + 1
            self._news.notify_all()
        behaviours = self._behaviours.get(str(asked)) or [failure(404, f"there is no {asked}")]
        behaviours[min(number, len(behaviours) - 1)](handler)

    def report(self, path: str) -> Report:
        """Return what the run whose events are at a path has come to."""
        return self._reports[path.split("/")[-2]]

    def bodies(self, request: str) -> list[Any]:
        """Return the bodies of all requests of a kind, in their order."""
        return [asked.body for asked in self.asked if str(asked) == request]

    def until(self, request: str, count: int = 1) -> None:
        """Wait until something has been asked so often."""
        with self._news:
            assert self._news.wait_for(lambda: self._count[request] >= count, 30), f"nobody has asked {request}"

    def has(self, run: str, *told: Behaviour, plan: Plan, report: Report, **more: Any) -> None:  # noqa: ANN401
        """Have a run, whose events are told so; ``more`` is of its summary."""
        self.on(f"GET /runs/{run}/plan", answer(codec.to_document(plan)))
        self.on(f"GET /runs/{run}/summary", answer(codec.encode(summary(run, **more))))
        self._reports[run] = report
        self.on(f"GET /runs/{run}", answer(report))
        self.on(f"GET /runs/{run}/events", *told)
        self.on(f"POST /runs/{run}/cancel", answer(status=202))


def summary(run: str, **more: Any) -> Summary:  # noqa: ANN401 - what a test cares for
    """Return a run as it is listed."""
    usual: dict[str, Any] = {
        "number": 1,
        "pipeline": "",
        "queue": "default",
        "priority": 0,
        "status": "running",
        "reason": "",
        "created": "2026-01-01T12:00:00.000+00:00",
        "started": "2026-01-01T12:00:10.000+00:00",
        "ended": None,
        "origin": "",
        "kept_until": None,
        "parent": "",
        "child": "",
    }
    return Summary(id=run, **{**usual, **more})


def pipeline(name: str, repository: str = "https://example.org/shop.git", **more: Any) -> Pipeline:  # noqa: ANN401
    """Return a registered pipeline; ``more`` is of its definition."""
    definition = Definition(repository=repository, **more)
    return Pipeline(name=name, definition=definition, properties={"b": "2", "a": "1=1"}, secrets=("key", "token"))


def submitted(run: str, subject: str = "", *notes: str) -> Behaviour:
    """Answer that a run has been submitted."""
    return answer(codec.encode(Submitted(id=run, subject=subject, notes=notes)), 201 if run else 200)


@contextmanager
def standing(socket: Path) -> Iterator[Stand]:
    """Stand behind a socket until the end of the block."""
    socket.parent.mkdir(parents=True, exist_ok=True)
    socket.unlink(missing_ok=True)
    with _serving(_Unix(str(socket), Handler)) as stand:
        yield stand


@contextmanager
def listening() -> Iterator[tuple[Stand, str]]:
    """Stand at an address of this machine until the end of the block; gives the stand and the address."""
    server = _Tcp(("127.0.0.1", 0), Handler)
    with _serving(server) as stand:
        yield stand, f"http://127.0.0.1:{server.server_address[1]}"


@contextmanager
def _serving(server: Any) -> Iterator[Stand]:  # noqa: ANN401 - of one kind or the other
    server.stand = Stand()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.stand
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
