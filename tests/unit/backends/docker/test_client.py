"""The border to the SDK: nothing foreign passes it."""

import gc
import http.client
import inspect
import json
import socket
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import docker.auth
import docker.credentials.errors
import docker.errors
import pytest
import requests
import urllib3.exceptions

from runner.backends.docker.client import Engine, endpoint, tolerating, translated
from runner.errors import (
    EngineRefusedError,
    EngineTimeoutError,
    EngineUnavailableError,
    InfrastructureError,
    RunnerError,
)
from tests.support.hooked import DEADLINE
from tests.support.stub_engine import StubEngine, answer, header, refuse, silence, stub_engine

PONG = header("Api-Version", "1.41")
MODULES = (docker.errors, docker.credentials.errors, requests.exceptions, urllib3.exceptions)

# Seen in these modules' namespaces, but never raised by them.
NOT_RAISED = {"MessageDefect"}  # email's, an attribute of HeaderParsingError


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as engine:
        yield engine


@pytest.fixture
def local(tmp_path: Path) -> Iterator[StubEngine]:
    """Return an engine that listens on a socket of this machine."""
    with stub_engine(tmp_path / "engine.sock") as engine:
        yield engine


@pytest.fixture
def unclosed() -> Iterator[None]:
    """Collect the socket that the SDK forgets when a connection is refused, while its warning is ignored."""
    yield
    gc.collect()


def exceptions_of(module: types.ModuleType) -> list[type[Exception]]:
    """Every exception a module names. Warnings are no errors: Python raises them only if told to."""
    return [
        found
        for name, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, Exception) and not issubclass(found, Warning) and name not in NOT_RAISED
    ]


def made(kind: type[Exception]) -> Exception:
    """An instance of an exception, with whatever its constructor wants."""
    if issubclass(kind, json.JSONDecodeError):
        return kind("no JSON", "{", 0)
    fitting: dict[str, Any] = {"pool": Mock(), "conn": Mock(), "response": Mock(), "expected": 2}
    fitting |= {"response": Mock(tell=lambda: 1, length_remaining=1), "length": b"x", "doc": "{", "pos": 0}
    fitting["partial"] = 1 if issubclass(kind, urllib3.exceptions.HTTPError) else b""
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    wanted = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD and each.default is each.empty]
    return kind(*(fitting.get(each.name, each.name) for each in wanted))


ALL = sorted(
    {kind for module in MODULES for kind in exceptions_of(module)},
    key=lambda kind: (kind.__qualname__, kind.__module__),
)


def test_the_list_of_foreign_exceptions_is_not_empty_by_mistake() -> None:
    assert {docker.errors.NullResource, urllib3.exceptions.ProxySchemeUnsupported} < set(ALL)
    assert len(ALL) > 70


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_exception_of_the_sdk_and_its_libraries_becomes_ours(kind: type[Exception]) -> None:
    foreign = made(kind)

    with pytest.raises(RunnerError, match=r"^counting sheep: ") as caught, translated("counting sheep"):
        raise foreign

    assert caught.value.__cause__ is foreign


@pytest.mark.parametrize(
    "foreign",
    [
        OSError("broken pipe"),
        ConnectionResetError("reset"),
        http.client.BadStatusLine("x"),
        http.client.RemoteDisconnected("gone"),
        json.JSONDecodeError("no", "{", 0),
    ],
    ids=lambda foreign: type(foreign).__name__,
)
def test_what_a_raw_socket_raises_becomes_ours(foreign: Exception) -> None:
    with pytest.raises(InfrastructureError, match=r"^doing: "), translated("doing"):
        raise foreign


@pytest.mark.parametrize("mistake", [TypeError("x"), KeyError("x"), AssertionError("x"), ValueError("x")])
def test_our_own_mistakes_are_not_hidden(mistake: Exception) -> None:
    with pytest.raises(type(mistake)), translated("doing"):
        raise mistake


@pytest.mark.parametrize(
    "late",
    [
        requests.exceptions.ReadTimeout(),
        TimeoutError("timed out"),
        urllib3.exceptions.ReadTimeoutError(Mock(), "/", "late"),
        requests.exceptions.ConnectionError(urllib3.exceptions.ReadTimeoutError(Mock(), "/", "late")),
    ],
    ids=["answer", "socket", "body", "body in requests' wrapping"],
)
def test_an_answer_that_does_not_come_is_a_timeout(late: Exception) -> None:
    with pytest.raises(EngineTimeoutError), translated("doing"):
        raise late


@pytest.mark.parametrize(
    "foreign",
    [
        requests.exceptions.ConnectionError("refused"),
        requests.exceptions.ConnectTimeout(),
        http.client.CannotSendRequest(),
    ],
    ids=lambda foreign: type(foreign).__name__,
)
def test_a_connection_that_is_not_made_is_an_unavailable_engine_with_a_next_action(foreign: Exception) -> None:
    with pytest.raises(EngineUnavailableError) as caught, translated("doing"):
        raise foreign

    assert "DOCKER_HOST" in caught.value.hint


def test_a_refusal_keeps_the_engines_words_and_status(stub: StubEngine) -> None:
    stub.script["/info"] = [refuse(409, "it is busy")]

    with pytest.raises(EngineRefusedError, match=r"^asking: it is busy$") as caught, translated("asking"):
        stub.engine().api.info()

    assert caught.value.status == 409


def test_a_tolerated_status_is_no_error(stub: StubEngine) -> None:
    stub.script["/info"] = [refuse(404, "gone")]

    with tolerating(404, 409), translated("asking"):
        stub.engine().api.info()

    assert stub.requests[-1] == "GET /info"


def test_another_status_than_those_tolerated_is_an_error(stub: StubEngine) -> None:
    stub.script["/info"] = [refuse(500, "broken")]

    with pytest.raises(EngineRefusedError, match="broken"), tolerating(404, 409), translated("asking"):
        stub.engine().api.info()


def test_a_silent_engine_is_a_timeout(stub: StubEngine) -> None:
    stub.script["/info"] = [silence]
    found = stub.engine().new_client(1)

    with pytest.raises(EngineTimeoutError), translated("asking"):
        found.info()

    found.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_engine_that_does_not_listen_is_named_unavailable(tmp_path: Path, unclosed: None) -> None:
    with pytest.raises(EngineUnavailableError, match=r"^reaching .*: no engine answers \(No such file or directory\)$"):
        _ = Engine(f"unix://{tmp_path}/none.sock").api


@pytest.mark.parametrize("address", ["tcp://host:port", "tcp://", "nonsense://x", "tcp://[::1", "fd://3"])
def test_an_address_that_makes_no_sense_is_our_error(address: str) -> None:
    with pytest.raises(InfrastructureError):
        _ = Engine(address).api


def test_certificates_that_are_not_there_are_our_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))

    with pytest.raises(InfrastructureError, match="certificate") as caught:
        Engine()

    assert "DOCKER_CERT_PATH" in caught.value.hint


@pytest.mark.parametrize(
    "config",
    [
        '{"auths": {"example.org": {"auth": "%%%"}}}',
        '{"auths": {"example.org": {"auth": "bm9jb2xvbg=="}}}',
        '{"auths": {"example.org": "text"}}',
        '{"auths": ["example.org"]}',
        '{"proxies": 5}',
        "[1]",
    ],
)
def test_a_malformed_config_file_of_dockers_is_our_error(
    config: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stub: StubEngine
) -> None:
    (tmp_path / "config.json").write_text(config)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    with pytest.raises(InfrastructureError, match=r"^reaching the engine"):
        _ = stub.engine().api


def test_an_engine_without_a_version_is_our_error(stub: StubEngine) -> None:
    stub.script["/version"] = [answer({"Name": "something else"})]

    with pytest.raises(InfrastructureError, match="ApiVersion"):
        _ = stub.engine().api


def test_the_version_is_negotiated_once_for_all_clients(stub: StubEngine) -> None:
    engine = stub.engine()

    for _ in range(3):
        engine.new_client(5).close()

    assert stub.requests == ["GET /version"]


def test_an_engine_of_this_machine_tells_its_version_with_a_ping(local: StubEngine) -> None:
    local.script["/_ping"] = [header("Api-Version", "1.40")]

    assert local.engine().api.api_version == "1.40"
    assert local.requests == ["GET /_ping"]


def test_an_engine_of_this_machine_that_tells_no_version_with_a_ping_is_asked_for_it(local: StubEngine) -> None:
    local.script["/_ping"] = [answer("OK")]

    assert local.engine().api.api_version == "1.41"
    assert local.requests == ["GET /_ping", "GET /version"]


def test_a_thread_keeps_its_client(stub: StubEngine) -> None:
    engine = stub.engine()

    assert engine.api is engine.api


def test_an_endpoint_quotes_its_arguments(stub: StubEngine) -> None:
    url = endpoint(stub.engine().api, "/containers/{0}/archive", "a b?c")

    assert url.endswith("/v1.41/containers/a%20b%3Fc/archive")


def test_an_engine_of_this_machine_is_checked_by_a_connection_of_its_own_and_nothing_but_a_ping(
    local: StubEngine,
) -> None:
    local.script["/_ping"] = [PONG]
    engine = local.engine()

    for _ in range(2):
        engine.check_anew()

    assert local.requests == ["GET /_ping"] * 2


@pytest.mark.parametrize("status", [500, 503])
def test_an_engine_that_answers_a_check_with_an_error_is_unavailable_and_its_status_is_told(
    local: StubEngine, status: int
) -> None:
    local.script["/_ping"] = [refuse(status, "it goes away")]

    with pytest.raises(EngineUnavailableError, match=str(status)):
        local.engine().check_anew()


def test_an_engine_that_leaves_a_check_without_an_answer_is_a_timeout(local: StubEngine) -> None:
    local.script["/_ping"] = [silence]

    with pytest.raises(EngineTimeoutError):
        local.engine().check_anew(1)

    assert local.hung_up.wait(DEADLINE)


@pytest.mark.parametrize("left", [True, False])
def test_a_check_of_a_socket_on_which_nobody_listens_names_the_engine_unavailable(
    tmp_path: Path, *, left: bool
) -> None:
    path = tmp_path / "engine.sock"
    if left:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))

    why = "Connection refused" if left else "No such file or directory"
    with pytest.raises(EngineUnavailableError, match=why):
        Engine(f"unix://{path}").check_anew()


def test_an_engine_elsewhere_is_checked_by_the_sdk_over_a_new_connection(stub: StubEngine) -> None:
    stub.script["/_ping"] = [PONG]
    engine = stub.engine()

    engine.check_anew()
    assert stub.requests == ["GET /version", "GET /_ping"]

    stub.script["/_ping"] = [refuse(503, "it goes away")]
    with pytest.raises(InfrastructureError, match="it goes away"):
        engine.check_anew()
