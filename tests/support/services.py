"""A service that only notes what it is asked, and answers what a test has told it to."""

import os
import select
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from runner.api.server import Server
from runner.dispatch.feed import Events, Feed
from runner.dispatch.requests import Again, Definition, Health, Hook, Pipeline, Submission, Submitted, Summary
from runner.dispatch.service import Service
from runner.engine.backend import Terminal
from runner.engine.events import Printing
from runner.engine.report import Report
from runner.errors import DeniedError, NotFoundError
from runner.logs.files import LogBook, StepLog
from runner.logs.index import Stream
from runner.logs.mask import Mask
from runner.naming import Address
from runner.pipelinectl.values import Store, values_of
from runner.plan.model import Plan

TOKEN = "t" * 40
RUN = "/api/v1/runs/r1"
HEALTHY = Health(status="ok", version="1", waiting=2, running=3, paused=1)
SUBMITTED = Submitted(id="r1", subject="push main", notes=("a note",))
SUMMARY = Summary(
    id="r1",
    number=7,
    pipeline="org/shop",
    queue="default",
    priority=0,
    status="running",
    reason="",
    created="2025-01-01T00:00:00.000+00:00",
    started=None,
    ended=None,
    origin="",
    kept_until=None,
    parent="r0",
    child="check",
)
HOOK = Hook(
    pipeline="org/shop",
    name="Subpipeline Webhook Trigger",
    kind="async",
    path="/hooks/org%2Fshop/async-stage",
    header="x-async-stage-token",
    secret="subpipeline-webhook-token",
    parameters={"a": "b"},
    created="2025-01-01T00:00:00.000+00:00",
    rotated=None,
)
HOOK_TOKEN = "h" * 40
PIPELINE = Pipeline(name="org/shop", definition=Definition(repository="u"), properties={"a": "b"}, secrets=("TOKEN",))
REPORT: Report = {
    "run": {"id": "r1", "status": "running", "dialect": "vela", "seconds": 0.5, "reason": ""},
    "stages": [],
    "children": [],
    "values": values_of(Store()),
}


def raw(where: tuple[str, int] | Path, *lines: str, path: str = RUN, method: str = "GET") -> int:
    """Send a request as it stands, and return the status of the answer."""
    family = socket.AF_UNIX if isinstance(where, Path) else socket.AF_INET
    with socket.socket(family) as connection:
        connection.settimeout(5)
        connection.connect(str(where) if isinstance(where, Path) else where)
        head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "Connection: close", "", ""])
        connection.sendall(head.encode("utf-8"))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return int(answer.split(b" ", 2)[1])


class Tale:
    """A run that can be followed: a log book and events, told by a test."""

    def __init__(self, directory: Path) -> None:
        self.book = LogBook(directory, Mask())
        self.events = Events(self.book.changes)
        self.feeds: list[Feed] = []
        """Those that are open."""

    def step(self, name: str) -> StepLog:
        """Begin a step that prints."""
        self.events.observe(Printing(Address("r1", "build", name), name))
        return self.book.open(name)

    def end(self) -> None:
        """Let the run end."""
        self.book.close()
        self.events.close()

    @contextmanager
    def feed(self) -> Iterator[Feed]:
        """Tell it to one reader."""
        feed = Feed(self.events, self.book)
        self.feeds.append(feed)
        try:
            yield feed
        finally:
            self.feeds.remove(feed)
            feed.close()


def say(log: StepLog, text: str) -> None:
    """Let a step print."""
    log.write(Stream.STDOUT, text.encode())


def echo(terminal: Terminal) -> None:
    """Say in capitals what is typed, until it is ``exit`` or nobody is there; ``size`` tells the size."""
    terminal.write(b"$ ")
    while not terminal.closed():
        if select.select([terminal.fileno()], [], [], 0.05)[0]:
            typed = os.read(terminal.fileno(), 65536)
            if typed in (b"", b"exit\n"):
                break
            terminal.write(repr(terminal.size()).encode() if typed == b"size\n" else typed.upper())


class FakeService(Service):
    """Stands in for a daemon. ``error`` is raised by the next call; ``calls`` has the names and arguments of all."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.healthy = HEALTHY
        self.submitted = SUBMITTED
        self.tales: dict[str, Tale] = {}
        self.text: Iterable[bytes | Exception] = [b"one\n", b"two\n"]
        self.closed = threading.Event()
        """Whether a text has been closed."""
        self.behave: Callable[[Terminal], None] = echo
        """What a shell does."""

    def tell(self, run: str, directory: Path) -> Tale:
        """Have a run that can be followed."""
        self.tales[run] = Tale(directory)
        return self.tales[run]

    def _note(self, *call: object) -> None:
        self.calls.append(call)
        if self.error is not None:
            error, self.error = self.error, None
            raise error

    def health(self) -> Health:
        self._note("health")
        return self.healthy

    def submit(self, submission: Submission, *, local: bool) -> Submitted:
        self._note("submit", submission, local)
        return self.submitted

    def rerun(self, run: str, again: Again) -> Submitted:
        self._note("rerun", run, again)
        return self.submitted

    def resume(self, run: str) -> None:
        self._note("resume", run)

    def cancel(self, run: str, *, force: bool, children: bool = False) -> None:
        self._note("cancel", run, force, children)

    def admit(self, pipeline: str, token: str) -> None:
        """Not noted, as ``trigger`` does it again."""
        if (pipeline, token) != (HOOK.pipeline, HOOK_TOKEN):
            raise DeniedError("this needs the token of a hook")

    def trigger(self, pipeline: str, token: str, body: bytes) -> Submitted:
        self._note("trigger", pipeline, token, body)
        return self.submitted

    def hooks(self, pipeline: str = "") -> tuple[Hook, ...]:
        self._note("hooks", pipeline)
        return (HOOK,)

    def rotate_hook(self, pipeline: str, token: str = "") -> str:
        self._note("rotate_hook", pipeline, token)
        return token or HOOK_TOKEN

    def set_parameter(self, pipeline: str, name: str, value: str) -> None:
        self._note("set_parameter", pipeline, name, value)

    def remove_parameter(self, pipeline: str, name: str) -> None:
        self._note("remove_parameter", pipeline, name)

    def runs(
        self, *, pipeline: str = "", status: str = "", limit: int = 50, before: int | None = None
    ) -> list[Summary]:
        self._note("runs", pipeline, status, limit, before)
        return [SUMMARY]

    def summary(self, run: str) -> Summary:
        self._note("summary", run)
        return SUMMARY

    def report(self, run: str) -> Report:
        self._note("report", run)
        return REPORT

    def plan(self, run: str) -> Plan:
        self._note("plan", run)
        return Plan(dialect="vela", stages=())

    @contextmanager
    def feed(self, run: str) -> Iterator[Feed]:
        self._note("feed", run)
        if run not in self.tales:
            raise NotFoundError(f"there is no run {run}")
        with self.tales[run].feed() as feed:
            yield feed

    def log(self, run: str, stage: str = "", step: str = "") -> Iterator[bytes]:
        """As the real one: a generator, whose errors come with its first piece."""
        self._note("log", run, stage, step)
        try:
            for piece in self.text:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed.set()

    def shell(self, run: str, stage: str, step: str, terminal: Terminal) -> None:
        self._note("shell", run, stage, step)
        self.behave(terminal)
        self._note("shell ended", run)

    def pipelines(self) -> list[Pipeline]:
        self._note("pipelines")
        return [PIPELINE]

    def pipeline(self, name: str) -> Pipeline:
        self._note("pipeline", name)
        return PIPELINE

    def register(self, name: str, definition: Definition) -> Pipeline:
        self._note("register", name, definition)
        return PIPELINE

    def forget(self, name: str) -> None:
        self._note("forget", name)

    def set_property(self, pipeline: str, name: str, value: str) -> None:
        self._note("set_property", pipeline, name, value)

    def remove_property(self, pipeline: str, name: str) -> None:
        self._note("remove_property", pipeline, name)

    def set_secret(self, pipeline: str, name: str, value: str) -> None:
        self._note("set_secret", pipeline, name, value)

    def remove_secret(self, pipeline: str, name: str) -> None:
        self._note("remove_secret", pipeline, name)


@dataclass(frozen=True, kw_only=True)
class Api:
    """A daemon's API, as its clients have it."""

    app: FastAPI
    server: Server
    socket: Path
    service: FakeService

    @property
    def address(self) -> tuple[str, int]:
        assert self.server.address is not None
        return self.server.address

    def local(self) -> httpx.Client:
        """Return a client on the socket."""
        return httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self.socket), verify=False), base_url="http://localhost"
        )

    def remote(self, token: str = TOKEN) -> httpx.Client:
        """Return a client that comes over TCP."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.address[1]}", headers=headers, trust_env=False)
