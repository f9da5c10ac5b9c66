"""Calls of the SDK that go straight to the socket of an engine."""

import json
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import docker
import docker.errors
import pytest
import requests

from runner.backends.docker.client import translated
from runner.backends.docker.direct import DirectClient
from runner.engine.job import Task
from runner.errors import EngineTimeoutError, EngineUnavailableError
from runner.sockets import UnixConnection
from tests.support.hooked import DEADLINE
from tests.support.stub_engine import Behaviour, Handler, StubEngine, answer, cut, refuse, silence, stream, stub_engine


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[StubEngine]:
    with stub_engine(tmp_path / "engine.sock") as engine:
        yield engine


@pytest.fixture
def client(stub: StubEngine) -> Iterator[DirectClient]:
    path = stub.address.removeprefix("unix://")
    with DirectClient(path, 5, "1.41", base_url=stub.address) as made:
        yield made


def untyped(client: DirectClient) -> Any:  # noqa: ANN401 - the stubs lack some of what the SDK has
    return client


class Connections:
    """Answers with ``[]``, and counts the connections over which it was asked; hangs up if it shall."""

    def __init__(self, *, hanging_up: bool = False) -> None:
        self._handlers: list[Handler] = []
        self._hanging_up = hanging_up

    @property
    def count(self) -> int:
        return len({id(handler) for handler in self._handlers})

    def __call__(self, handler: Handler) -> None:
        self._handlers.append(handler)
        answer([])(handler)
        if self._hanging_up:
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.stub.hung_up.set()


def test_an_answer_is_what_the_sdk_makes_of_it(stub: StubEngine, client: DirectClient) -> None:
    stub.script["/images/a/json"] = [answer({"Id": "sha256:1"})]

    assert untyped(client).inspect_image("a") == {"Id": "sha256:1"}


def test_parameters_are_written_as_requests_writes_them(stub: StubEngine, client: DirectClient) -> None:
    plain = docker.APIClient(base_url=stub.address, version="1.41", timeout=5)
    stub.script |= {"/containers/c": [answer("")], "/containers/json": [answer([])]}

    for each in (client, plain):
        each.remove_container("c", v=True, force=False)
        each.containers(filters={"label": ["a=b c", "ü"]})
        each.get(f"{each.base_url}/v1.41/containers/json", params={"t": ["a", "b"], "none": None})
        each.close()

    assert stub.requests[:3] == stub.requests[3:]


def test_a_document_arrives_as_the_sdk_has_written_it(stub: StubEngine, client: DirectClient) -> None:
    arrived: list[Any] = []

    def take(handler: Handler) -> None:
        arrived.append(json.loads(handler.body))
        answer({"Name": "v"})(handler)

    stub.script["/volumes/create"] = [take]

    client.create_volume("v", labels={"a": "ü"})

    assert [(each["Name"], each["Labels"]) for each in arrived] == [("v", {"a": "ü"})]
    assert stub.headers[0]["Content-Type"] == "application/json"


def test_a_refusal_is_the_sdks_error_with_the_words_of_the_engine(stub: StubEngine, client: DirectClient) -> None:
    stub.script["/images/a/json"] = [refuse(404, "no such image: a")]

    with pytest.raises(docker.errors.ImageNotFound, match="no such image: a") as caught:
        untyped(client).inspect_image("a")

    assert caught.value.status_code == 404


def test_calls_share_a_connection(stub: StubEngine, client: DirectClient) -> None:
    connections = Connections()
    stub.script["/containers/json"] = [connections]

    for _ in range(3):
        client.containers()

    assert connections.count == 1


def test_a_connection_that_the_engine_has_closed_is_made_anew(stub: StubEngine, client: DirectClient) -> None:
    connections = Connections(hanging_up=True)
    stub.script["/containers/json"] = [connections]

    for _ in range(3):
        assert client.containers() == []
        assert stub.hung_up.wait(DEADLINE)
        stub.hung_up.clear()

    assert connections.count == 3


@pytest.mark.parametrize(
    ("behaviour", "error"), [(silence, EngineTimeoutError), (cut, EngineUnavailableError)], ids=["silent", "gone"]
)
def test_an_engine_that_does_not_answer_is_an_error_and_is_asked_over_a_new_connection_afterwards(
    stub: StubEngine, behaviour: Behaviour, error: type[Exception]
) -> None:
    stub.script["/containers/json"] = [behaviour, answer([])]
    path = stub.address.removeprefix("unix://")

    with DirectClient(path, 1, "1.41", base_url=stub.address) as client:
        with pytest.raises(error), translated("listing"):
            client.containers()

        assert client.containers() == []


REFUSAL = b'{"message":"no such container"}'
HEAD = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(REFUSAL)


def test_a_large_body_that_is_refused_before_it_is_read_is_a_refusal_with_its_words(tmp_path: Path) -> None:
    path = str(tmp_path / "engine.sock")

    def refuse_unread() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(100)
            connection.sendall(HEAD + REFUSAL)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        server = Task("refuse", refuse_unread)
        with (
            DirectClient(path, 5, "1.41", base_url=f"unix://{path}") as client,
            pytest.raises(docker.errors.NotFound, match="no such container"),
        ):
            client.put_archive("c", "/", b"x" * 4_000_000)
        server.finish()


class Interrupted(BaseException):
    """Ctrl-C, in the middle of something."""


def test_a_call_that_is_interrupted_does_not_disturb_the_next_one(
    stub: StubEngine, client: DirectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.script["/containers/json"] = [answer([])]
    with monkeypatch.context() as patched:
        patched.setattr(UnixConnection, "getresponse", Mock(side_effect=Interrupted))
        with pytest.raises(Interrupted):
            client.containers()

    assert client.containers() == []


def test_a_client_that_was_closed_asks_over_a_new_connection(stub: StubEngine, client: DirectClient) -> None:
    connections = Connections()
    stub.script["/containers/json"] = [connections]

    client.containers()
    client.close()
    client.containers()

    assert connections.count == 2


def test_words_and_headers_of_an_answer_are_read_as_requests_reads_them(stub: StubEngine, client: DirectClient) -> None:
    def told(handler: Handler) -> None:
        body = "hör zu".encode() if handler.command == "GET" else b""
        handler.send_response(200)
        handler.send_header("X-Told", "yes")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    stub.script["/_ping"] = [told]
    url = f"{client.base_url}/_ping"

    assert client.get(url).text == "hör zu"
    assert client.head(url).headers["x-told"] == "yes"


def test_headers_of_dockers_config_file_are_sent_and_one_that_cannot_be_is_requests_to_complain_of(
    stub: StubEngine, client: DirectClient
) -> None:
    stub.script["/containers/json"] = [answer([])]
    client.headers["X-Meta"] = "house"
    client.headers["user-agent"] = "ours"
    client.containers()
    assert (stub.headers[0]["X-Meta"], stub.headers[0]["user-agent"]) == ("house", "ours")

    client.headers["X-Meta"] = "two\nlines"
    with pytest.raises(requests.exceptions.InvalidHeader):
        client.containers()


@pytest.fixture
def asked(client: DirectClient, monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Return what is called in place of ``requests``, and does the same."""
    found = Mock(wraps=partial(docker.APIClient.request, client))
    monkeypatch.setattr(docker.APIClient, "request", found)
    return found


def test_a_short_question_is_not_left_to_requests(stub: StubEngine, client: DirectClient, asked: Mock) -> None:
    stub.script["/containers/json"] = [answer([])]

    assert client.containers(filters={"label": "a"}) == []
    asked.assert_not_called()


HARDER: dict[str, Callable[[DirectClient], object]] = {
    "an answer that goes on": lambda client: list(client.events(decode=True)),
    "a body that is read from a file": lambda client: client.put_archive("c", "/", iter([b"tar"])),
    "a time of its own": lambda client: client.get(f"{client.base_url}/_ping", timeout=7),
    "no limit": lambda client: client.get(f"{client.base_url}/_ping", timeout=None),
    "a document": lambda client: client.post(f"{client.base_url}/_ping", json={}),
}


@pytest.mark.parametrize("call", HARDER.values(), ids=HARDER)
def test_what_is_more_than_a_short_question_is_left_to_requests(
    stub: StubEngine, client: DirectClient, asked: Mock, call: Callable[[DirectClient], object]
) -> None:
    stub.script |= {"/events": [stream({"status": "die"})], "/containers/c/archive": [answer("")]}
    stub.script["/_ping"] = [answer("OK")]

    assert call(client)
    asked.assert_called_once()
