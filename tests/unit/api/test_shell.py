"""A shell over a WebSocket, with a client that knows nothing of our server."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from structlog.typing import EventDict
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect, unix_connect

from runner.api.shell import Shells
from runner.engine.backend import Terminal
from runner.errors import ConflictError
from tests.support.descriptors import open_files
from tests.support.services import TOKEN, Api, FakeService

SHELL = "/api/v1/runs/r1/shell?stage=build&step=unit"


@contextmanager
def opened(
    api: Api, *, host: str = "localhost", headers: dict[str, str] | None = None, queue: int = 16
) -> Iterator[ClientConnection]:
    """Open a shell over the socket; ``queue`` is how many frames the client takes before they are read."""
    address = f"ws://{host}{SHELL}"
    with unix_connect(str(api.socket), uri=address, additional_headers=headers, max_queue=queue) as connection:
        yield connection


def read(connection: ClientConnection, end: bytes) -> bytes:
    """Read what is shown until it ends so."""
    shown = b""
    while not shown.endswith(end):
        piece = connection.recv(timeout=10)
        assert isinstance(piece, bytes), piece
        shown += piece
    return shown


def closing(connection: ClientConnection) -> int | None:
    """Return the code with which the daemon ends it."""
    with suppress(ConnectionClosed):
        while True:
            connection.recv(timeout=10)
    return connection.close_code


def ended(service: FakeService) -> bool:
    """Wait until the shell has ended on the side of the daemon."""
    end = time.monotonic() + 10
    while ("shell ended", "r1") not in service.calls:
        assert time.monotonic() < end, "it goes on"
        time.sleep(0.01)
    return True


def test_what_is_typed_arrives_and_what_is_shown_comes_back(api: Api, service: FakeService) -> None:
    with opened(api) as connection:
        assert read(connection, b"$ ") == b"$ "
        connection.send(b"h\xc3\xa4\x00\xff")
        assert read(connection, b"\xff") == b"H\xc3\xa4\x00\xff"
        connection.send(b"exit\n")
        assert closing(connection) == 1000

    assert service.calls[0] == ("shell", "r1", "build", "unit")
    assert ended(service)


def test_the_size_of_the_terminal_is_told_as_it_changes(api: Api) -> None:
    with opened(api) as connection:
        connection.send(b"size\n")
        read(connection, b"(0, 0)")
        for rows, columns in ((24, 80), (50, 132)):
            connection.send(json.dumps({"rows": rows, "columns": columns}))
            connection.send(b"size\n")
            read(connection, f"({rows}, {columns})".encode())


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"rows": 1}',
        '{"rows": -1, "columns": 1}',
        '{"rows": 1, "columns": 65536}',
        '{"rows": "1", "columns": 1}',
    ],
)
def test_a_size_that_is_none_ends_it_with_a_word(api: Api, service: FakeService, text: str) -> None:
    with opened(api) as connection:
        read(connection, b"$ ")
        connection.send(text)
        said = connection.recv(timeout=10)
        assert isinstance(said, str)
        assert json.loads(said)["error"]["message"] == "this is no size of a terminal"
        assert closing(connection) == 1011

    assert ended(service)


def test_a_client_that_goes_ends_the_shell(api: Api, service: FakeService) -> None:
    files = open_files()
    with opened(api) as connection:
        read(connection, b"$ ")

    assert ended(service)
    end = time.monotonic() + 10
    while open_files() > files:
        assert time.monotonic() < end, "descriptors are left"
        time.sleep(0.01)


def test_a_client_that_is_cut_ends_the_shell(api: Api, service: FakeService) -> None:
    with opened(api) as connection:
        read(connection, b"$ ")
        connection.socket.shutdown(2)

    assert ended(service)


def test_what_cannot_be_opened_is_told_before_it_is_closed(api: Api, service: FakeService) -> None:
    service.error = ConflictError("the workspace of run r1 is gone", hint="rerun it")

    with opened(api) as connection:
        said = connection.recv(timeout=10)
        assert isinstance(said, str)
        assert json.loads(said) == {
            "error": {"message": "the workspace of run r1 is gone", "hint": "rerun it", "findings": []},
            "exit_code": 2,
        }
        assert closing(connection) == 1011


def test_a_fault_of_ours_is_told_without_its_words(api: Api, service: FakeService, noted: list[EventDict]) -> None:
    service.error = LookupError("the inside")

    with opened(api) as connection:
        said = connection.recv(timeout=10)
        assert isinstance(said, str)
        assert "the inside" not in said
        assert json.loads(said)["exit_code"] == 3

    assert [(note["event"], note["exc_info"]) for note in noted] == [("a shell has failed", True)]


def test_much_output_waits_for_a_client_that_reads_slowly(api: Api, service: FakeService) -> None:
    written = 0

    def much(terminal: Terminal) -> None:
        nonlocal written
        for _ in range(400):
            terminal.write(b"x" * 65536)
            written += 65536

    service.behave = much
    with opened(api, queue=1) as connection:
        time.sleep(0.5)
        assert written < 10_000_000
        shown = 0
        while shown < 400 * 65536:
            shown += len(connection.recv(timeout=10))
        assert closing(connection) == 1000


def test_output_for_a_client_that_has_gone_does_not_hold_the_shell(api: Api, service: FakeService) -> None:
    over = threading.Event()

    def much(terminal: Terminal) -> None:
        while not terminal.closed():
            terminal.write(b"x" * 65536)
        terminal.write(b"nobody hears this")
        over.set()

    service.behave = much
    with opened(api, queue=1) as connection:
        connection.recv(timeout=10)
        time.sleep(0.1)
        connection.socket.shutdown(2)

    assert over.wait(10)


def test_typing_too_far_ahead_of_a_shell_that_does_not_read_ends_it(api: Api, service: FakeService) -> None:
    over = threading.Event()

    def deaf(terminal: Terminal) -> None:
        while not terminal.closed():
            time.sleep(0.01)
        over.set()

    service.behave = deaf
    with opened(api) as connection:
        with suppress(ConnectionClosed):
            for _ in range(200):
                connection.send(b"x" * 65536)
                time.sleep(0.001)
        assert over.wait(10)
        assert connection.close_code == 1011


@pytest.fixture
def _one_shell(api: Api) -> Iterator[None]:
    before = api.app.state.shells
    api.app.state.shells = Shells(1)
    yield
    api.app.state.shells = before


@pytest.mark.usefixtures("_one_shell")
def test_beyond_a_number_of_shells_the_next_is_refused(api: Api) -> None:
    with opened(api) as first:
        read(first, b"$ ")
        with opened(api) as second:
            said = second.recv(timeout=10)
            assert isinstance(said, str)
            assert json.loads(said)["error"]["message"] == "1 shells are open already"
        first.send(b"still here")
        read(first, b"STILL HERE")


@pytest.mark.parametrize(
    ("host", "headers"),
    [
        ("localhost", {"Origin": "http://evil.example"}),
        ("localhost", {"Sec-Fetch-Site": "cross-site"}),
        ("evil.example", {}),
    ],
)
def test_no_page_of_another_site_gets_a_shell(
    api: Api, service: FakeService, host: str, headers: dict[str, str]
) -> None:
    with pytest.raises(InvalidStatus) as refused, opened(api, host=host, headers=headers):
        pass

    assert refused.value.response.status_code == 403
    assert not service.calls


@pytest.mark.parametrize(("token", "status"), [("", 401), ("wrong", 401)])
def test_over_tcp_a_shell_needs_the_token(api: Api, service: FakeService, token: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(f"ws://127.0.0.1:{api.address[1]}{SHELL}", additional_headers=headers, proxy=None),
    ):
        pass

    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body)["error"]["message"] == "this needs the token of the daemon"
    assert not service.calls


def test_with_the_token_a_shell_opens_over_tcp(api: Api) -> None:
    address = f"ws://127.0.0.1:{api.address[1]}{SHELL}"
    with connect(address, additional_headers={"Authorization": f"Bearer {TOKEN}"}, proxy=None) as connection:
        assert read(connection, b"$ ") == b"$ "
