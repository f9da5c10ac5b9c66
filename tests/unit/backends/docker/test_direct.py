"""Calls of the SDK that go straight to the socket of an engine."""

import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import docker
import docker.errors
import pytest

from runner.backends.docker.client import translated
from runner.backends.docker.direct import DirectClient
from runner.errors import EngineTimeoutError, EngineUnavailableError
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


def test_parameters_and_headers_are_those_that_requests_would_send(stub: StubEngine, client: DirectClient) -> None:
    plain = docker.APIClient(base_url=stub.address, version="1.41", timeout=5)
    stub.script |= {"/containers/c": [answer("")], "/containers/json": [answer([])]}

    for each in (client, plain):
        each.remove_container("c", v=True, force=False)
        each.containers(filters={"label": ["a=b c", "ü"]})
        each.close()

    assert stub.requests[:2] == stub.requests[2:]
    assert stub.headers[0]["User-Agent"] == stub.headers[2]["User-Agent"]


def test_a_document_arrives_as_the_sdk_has_written_it(stub: StubEngine, client: DirectClient) -> None:
    stub.script["/volumes/create"] = [answer({"Name": "v"})]

    client.create_volume("v", labels={"a": "ü"})

    assert stub.headers[0]["Content-Type"] == "application/json"
    assert int(stub.headers[0]["Content-Length"]) > len('{"Name": "v"}')


def test_a_refusal_is_the_sdks_error_with_the_words_of_the_engine(stub: StubEngine, client: DirectClient) -> None:
    stub.script["/images/a/json"] = [refuse(404, "no such image: ä")]

    with pytest.raises(docker.errors.ImageNotFound, match="no such image: ä") as caught:
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


HARDER: dict[str, Callable[[DirectClient], object]] = {
    "an answer that goes on": lambda client: list(client.events(decode=True)),
    "a body that is read from a file": lambda client: client.put_archive("c", "/", iter([b"tar"])),
}


@pytest.mark.parametrize("call", HARDER.values(), ids=HARDER)
def test_what_is_more_than_a_short_question_is_left_to_requests(
    stub: StubEngine, client: DirectClient, call: Callable[[DirectClient], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.script["/events"] = [stream({"status": "die"})]
    stub.script["/containers/c/archive"] = [answer("")]
    asked = Mock(wraps=partial(docker.APIClient.request, client))
    monkeypatch.setattr(docker.APIClient, "request", asked)

    assert call(client)
    asked.assert_called_once()
