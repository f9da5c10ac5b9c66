"""The server: its sockets, its patience, and that it starts and stops."""

import json
import logging
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from structlog.typing import EventDict

from runner.api import server
from runner.api.access import Access
from runner.api.app import make_app
from runner.api.server import Server
from runner.engine.report import Report
from runner.errors import ConflictError, InfrastructureError, UsageError
from tests.support.descriptors import open_files
from tests.support.services import REPORT, TOKEN, Api, FakeService, say

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def app() -> FastAPI:
    return make_app(FakeService(), access=Access(token=TOKEN))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "runner.sock"


def connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(5)
    connection.connect(str(path))
    return connection


def read(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_the_socket_is_for_its_owner_alone_whatever_the_umask_is(app: FastAPI, path: Path) -> None:
    before = os.umask(0)
    try:
        bound = Server(app, path)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    bound.stop()
    assert not path.exists()


def test_it_starts_and_stops_and_gives_everything_back(app: FastAPI, path: Path) -> None:
    files, threads = open_files(), threading.active_count()
    one = Server(app, path, "127.0.0.1:0")
    before = one.started

    one.start()

    assert (before, one.started) == (False, True)
    assert one.address is not None
    for client in (
        httpx.Client(transport=httpx.HTTPTransport(uds=str(path), verify=False), base_url="http://localhost"),
        httpx.Client(base_url=f"http://127.0.0.1:{one.address[1]}", trust_env=False, verify=False),
    ):
        with client:
            assert client.get("/healthz").status_code == 200
    one.stop()
    one.stop()
    until(lambda: not one.started)
    assert not path.exists()
    until(lambda: threading.active_count() <= threads)
    until(lambda: open_files() <= files)


def until(come: Callable[[], bool]) -> None:
    """Wait until it has come."""
    end = time.monotonic() + 15
    while not come():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)


def test_it_leaves_signals_to_the_daemon(app: FastAPI, path: Path) -> None:
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    one = Server(app, path)
    one.start()

    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    one.stop()


def test_what_a_dead_daemon_has_left_is_replaced(app: FastAPI, path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()

    one = Server(app, path)
    one.start()

    with connected(path) as connection:
        connection.sendall(HEAD + b"Connection: close\r\n\r\n")
        assert read(connection).startswith(b"HTTP/1.1 200 ")
    one.stop()


def test_where_somebody_listens_nothing_is_replaced(app: FastAPI, path: Path) -> None:
    one = Server(app, path)
    one.start()

    with pytest.raises(ConflictError, match="somebody listens there already"):
        Server(app, path)

    with connected(path) as connection:
        connection.sendall(HEAD + b"Connection: close\r\n\r\n")
        assert read(connection).startswith(b"HTTP/1.1 200 ")
    one.stop()


@pytest.mark.parametrize("make", [lambda path: path.write_text("mine"), lambda path: path.symlink_to("/nowhere")])
def test_what_is_no_socket_is_left_alone(app: FastAPI, path: Path, make: Callable[[Path], object]) -> None:
    path.parent.mkdir()
    make(path)

    with pytest.raises(UsageError, match="is no socket"):
        Server(app, path)

    assert os.path.lexists(path)


def test_a_path_that_is_too_long_for_a_socket_is_said(app: FastAPI, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too long for a socket") as raised:
        Server(app, tmp_path / ("d" * 100) / "runner.sock")

    assert "RUNNER_DATA_DIR" in raised.value.hint


def test_a_port_that_is_taken_is_said_and_nothing_stays_open(app: FastAPI, path: Path) -> None:
    files = open_files()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InfrastructureError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use"):
            Server(app, path, f"127.0.0.1:{port}")

    assert open_files() == files
    assert not path.exists()


def test_an_address_that_is_none_is_said(app: FastAPI, path: Path) -> None:
    with pytest.raises(UsageError, match="no address to listen on"):
        Server(app, path, "8080")

    assert not path.exists()


def test_a_name_that_leads_nowhere_is_said(app: FastAPI, path: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"cannot listen on nowhere\.invalid:80"):
        Server(app, path, "nowhere.invalid:80")


def test_it_listens_on_ipv6(app: FastAPI, path: Path) -> None:
    one = Server(app, path, "[::1]:0")
    one.start()

    assert one.address is not None
    with httpx.Client(base_url=f"http://[::1]:{one.address[1]}", trust_env=False, verify=False) as client:
        assert client.get("/healthz").status_code == 200
    one.stop()


class Followed:
    """A server with a run that somebody follows over ``connection``."""

    def __init__(self, path: Path, logs: Path) -> None:
        self.service = FakeService()
        self.tale = self.service.tell("r1", logs)
        self.server = Server(make_app(self.service, access=Access()), path)
        self.server.start()
        self.connection = connected(path)

    def begin(self) -> None:
        """Follow the run."""
        self.connection.sendall(b"GET /api/v1/runs/r1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: bool(self.tale.feeds))

    def stop(self) -> float:
        """Stop the server; return the seconds that it took."""
        begun = time.monotonic()
        self.server.stop()
        return time.monotonic() - begun


@pytest.fixture
def followed(path: Path, tmp_path: Path, noted: list[EventDict]) -> Iterator[Followed]:
    """A server that is to stop; nothing of it is left, and nothing was wrong with it."""
    one = Followed(path, tmp_path / "logs")
    with one.connection:
        yield one
    one.server.stop()
    until(lambda: not one.tale.feeds)
    assert [note for note in noted if note["log_level"] == "error"] == []


def test_whoever_follows_a_run_that_goes_on_gets_what_there_is_and_not_that_it_has_ended(followed: Followed) -> None:
    log = followed.tale.step("unit")
    followed.begin()
    say(log, "the last line\n")

    assert followed.stop() < 2.0

    told = read(followed.connection)
    assert b"the last line" in told
    assert told.endswith(b"\r\n0\r\n\r\n")
    assert b"event: end" not in told


def test_whoever_follows_a_run_that_ends_as_the_server_stops_gets_its_end(followed: Followed) -> None:
    log = followed.tale.step("unit")
    followed.begin()
    say(log, "the last line\n")
    followed.tale.end()

    followed.stop()

    told = read(followed.connection)
    assert told.index(b"the last line") < told.index(b"event: end\ndata: " + json.dumps(REPORT).encode())


def test_a_report_that_takes_a_while_is_waited_for(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slowly(_run: str) -> Report:
        asked.set()
        go_on.wait(10)
        return REPORT

    monkeypatch.setattr(followed.service, "report", slowly)
    followed.begin()
    followed.tale.end()
    assert asked.wait(5)
    threading.Timer(1.5, go_on.set).start()

    followed.stop()

    assert b"event: end" in read(followed.connection)


def test_whoever_takes_nothing_is_cut(followed: Followed, monkeypatch: pytest.MonkeyPatch) -> None:
    log = followed.tale.step("unit")
    for _ in range(100):
        log.write(1, (b"y" * 99 + b"\n") * 1000)
    followed.begin()
    followed.tale.end()

    assert followed.stop() < server._STOP_SECONDS + 3.0

    assert b"event: end" not in read(followed.connection)


@pytest.mark.parametrize(
    "head",
    [b"", b"GET", b"GET /healthz HTTP/1.1\r\nHost: local", HEAD],
    ids=["nothing", "a word", "half", "all but the end"],
)
def test_a_head_that_does_not_come_is_not_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    begun = time.monotonic()
    with connected(api.socket) as connection:
        connection.sendall(head)

        assert read(connection) == b""

    assert 0.25 < time.monotonic() - begun < 3.0


def test_a_head_that_drips_is_not_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    dripped = 0
    with connected(api.socket) as connection, suppress(BrokenPipeError, ConnectionResetError):
        for byte in b"X-Long: " + b"x" * 1000:
            connection.sendall(bytes([byte]))
            dripped += 1
            time.sleep(0.02)

    assert dripped < 100


def test_the_second_request_of_a_connection_may_not_drip_either(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    with connected(api.socket) as connection:
        for _ in range(2):
            connection.sendall(HEAD + b"\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 ")
            time.sleep(0.5)  # a connection that rests is no request that drips
        connection.sendall(b"GET /heal")
        assert read(connection) == b""


def test_a_long_answer_is_no_head_that_is_late(api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
    tale = api.service.tell("r1", tmp_path / "logs")
    with connected(api.socket) as connection:
        connection.sendall(b"GET /api/v1/runs/r1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        until(lambda: bool(tale.feeds))
        time.sleep(0.5)
        tale.end()
        assert b"event: end" in read(connection)


@pytest.mark.parametrize("nonsense", [b"\x16\x03\x01\x02\x00\r\n\r\n", b"hello\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
def test_what_is_no_request_is_answered_with_400_and_not_noted(
    api: Api, nonsense: bytes, noted: list[EventDict]
) -> None:
    with connected(api.socket) as connection:
        connection.sendall(nonsense)
        assert read(connection).startswith(b"HTTP/1.1 400 ")

    assert noted == []


def test_an_endless_head_is_refused(api: Api) -> None:
    with connected(api.socket) as connection:
        connection.sendall(HEAD + b"X: " + b"x" * 200_000)
        assert read(connection).startswith(b"HTTP/1.1 400 ")


def test_the_server_does_not_say_what_it_is(client: httpx.Client) -> None:
    assert "server" not in client.get("/healthz").headers


def test_what_the_library_has_to_say_comes_to_our_log(api: Api, noted: list[EventDict]) -> None:
    logging.getLogger("uvicorn.error").error("the library %s", "complains")
    logging.getLogger("asyncio").error("a loop complains")
    logging.getLogger("uvicorn.error").info("it tells of itself")
    logging.getLogger("uvicorn.error").error("ASGI callable returned without completing handshake.")

    assert [note["says"] for note in noted] == ["the library complains", "a loop complains"]
