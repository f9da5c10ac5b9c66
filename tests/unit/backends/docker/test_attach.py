"""One connection that goes on: nothing lost at its beginning, sent within limits, closed without a trace."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.tls import TLSConfig

from runner.backends.docker.attach import Connection, attach, connect, logs, pieces
from runner.backends.docker.client import endpoint
from runner.errors import EngineRefusedError, EngineTimeoutError, EngineUnavailableError
from tests.support.connections import connection_pair, frame
from tests.support.stub_engine import Handler, StubEngine, cut, refuse, stream, stub_engine

UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
NEVER = threading.Event()


@pytest.fixture
def stub() -> Iterator[StubEngine]:
    with stub_engine() as found:
        yield found


def read(connection: Connection, stall: float = 5) -> bytes:
    return b"".join(bytes(piece) for piece in pieces(connection, stall))


def test_bytes_that_came_with_the_head_of_the_answer_are_not_lost(stub: StubEngine) -> None:
    def upgrade(handler: Handler) -> None:
        handler.wfile.write(UPGRADED + frame(1, b"early"))
        time.sleep(0.1)
        handler.wfile.write(frame(1, b"late"))
        handler.close_connection = True

    stub.script["/containers/c/attach"] = [upgrade]
    api = stub.engine().api
    connection = attach(api, "c", stdin=True)
    found = read(connection)
    connection.close()
    api.close()

    assert found == frame(1, b"early") + frame(1, b"late")
    assert stub.requests[-1] == "POST /containers/c/attach?stream=1&stdin=1&stdout=1&stderr=1"
    assert stub.headers[-1]["Upgrade"] == "tcp"


def test_a_log_comes_without_the_chunks_of_http_and_ends_with_the_last(stub: StubEngine) -> None:
    stub.script["/containers/c/logs"] = [stream(b"one", b"two")]
    api = stub.engine().api
    connection = logs(api, "c", follow=False)
    found = read(connection)
    connection.close()
    api.close()

    assert found == b"onetwo"
    assert connection.complete


def test_an_answer_of_known_length_ends_too(stub: StubEngine) -> None:
    def short(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
        handler.close_connection = True

    stub.script["/containers/c/logs"] = [short]
    api = stub.engine().api
    connection = logs(api, "c", follow=False)
    found = read(connection)
    connection.close()
    api.close()

    assert found == b"abc"
    assert stub.headers[-1]["Connection"] == "close"


def test_a_refusal_is_the_engines_sentence_and_status(stub: StubEngine) -> None:
    stub.script["/containers/c/logs"] = [refuse(501, "configured logging driver does not support reading")]
    api = stub.engine().api
    with pytest.raises(EngineRefusedError, match="does not support reading") as caught:
        logs(api, "c", follow=True)
    api.close()

    assert caught.value.status == 501


def test_an_engine_that_hangs_up_is_unavailable(stub: StubEngine) -> None:
    stub.script["/events"] = [cut]
    api = stub.engine().api
    with pytest.raises(EngineUnavailableError):
        connect(api, "GET", endpoint(api, "/events"), {}, {})
    api.close()


def test_what_the_library_has_read_too_far_comes_first() -> None:
    connection, engine = connection_pair(ahead=b"first")
    engine.sendall(b"second")
    engine.close()
    assert connection.pending
    found = read(connection)
    connection.close()

    assert found == b"firstsecond"


def test_nothing_yet_is_not_the_end() -> None:
    connection, engine = connection_pair()
    buffer = memoryview(bytearray(10))
    before = connection.receive(buffer)
    engine.close()
    after = connection.receive(buffer)
    connection.close()

    assert before is None
    assert after is not None
    assert len(after) == 0


def test_a_silent_connection_is_given_up_in_time() -> None:
    connection, engine = connection_pair()
    with pytest.raises(EngineTimeoutError, match=r"0\.05 seconds"):
        read(connection, stall=0.05)
    connection.close()
    engine.close()


class _EnoughError(Exception):
    """It is to end."""


def test_a_reader_looks_up_before_each_piece_and_while_nothing_comes() -> None:
    def take() -> None:
        for piece in pieces(connection, 20, enough):
            found.append(bytes(piece))  # noqa: PERF401 - what was found by then is looked at meanwhile

    def enough() -> None:
        looks.append(len(found))
        if len(looks) == 5:
            raise _EnoughError

    looks: list[int] = []
    found: list[bytes] = []
    connection, engine = connection_pair(ahead=b"first")
    engine.sendall(b"second")
    with pytest.raises(_EnoughError):
        take()
    connection.close()
    engine.close()

    assert (looks, found) == ([0, 1, 2, 2, 2], [b"first", b"second"])


def test_a_silent_connection_is_given_up_in_time_by_a_reader_that_looks_up_too() -> None:
    connection, engine = connection_pair()
    looks: list[None] = []
    with pytest.raises(EngineTimeoutError, match=r"0\.25 seconds"):
        list(pieces(connection, 0.25, lambda: looks.append(None)))
    connection.close()
    engine.close()

    assert len(looks) == 3


def test_much_is_sent_while_the_other_side_reads_slowly() -> None:
    connection, engine = connection_pair()
    data = bytes(range(256)) * 20_000
    received = bytearray()

    def take() -> None:
        while piece := engine.recv(65536):
            received.extend(piece)
            time.sleep(0.0005)

    taker = threading.Thread(target=take)
    taker.start()
    connection.send(data, 20, NEVER)
    connection.end_input()
    taker.join(10)
    connection.close()
    engine.close()

    assert bytes(received) == data


def test_after_the_end_of_input_output_still_comes() -> None:
    connection, engine = connection_pair()
    connection.end_input()
    assert engine.recv(1) == b""
    engine.sendall(b"answer")
    engine.close()
    found = read(connection)
    connection.close()

    assert found == b"answer"


def test_sending_to_one_that_does_not_read_ends_in_time() -> None:
    connection, engine = connection_pair()
    with pytest.raises(EngineTimeoutError, match="were not taken"):
        connection.send(bytes(10_000_000), 0.3, NEVER)
    connection.close()
    engine.close()


def test_sending_stops_when_the_other_side_is_over() -> None:
    connection, engine = connection_pair()
    over = threading.Event()
    threading.Timer(0.1, over.set).start()
    with pytest.raises(EngineUnavailableError, match="has ended"):
        connection.send(bytes(10_000_000), 20, over)
    connection.close()
    engine.close()


def test_sending_on_a_closed_connection_is_an_error_of_ours() -> None:
    connection, engine = connection_pair()
    engine.close()
    with pytest.raises(EngineUnavailableError, match="broke"):
        connection.send(b"x", 1, NEVER)
    connection.close()
    with pytest.raises(EngineUnavailableError, match="broke"):
        connection.send(b"x", 1, NEVER)


def test_cutting_ends_a_reader_in_another_thread_and_closing_twice_is_fine() -> None:
    connection, engine = connection_pair()
    threading.Timer(0.1, connection.shut).start()
    found = read(connection)
    connection.close()
    connection.close()
    engine.close()

    assert found == b""
    assert connection.fileno() == -1


@pytest.fixture
def tls_engine(tmp_path: Path) -> Iterator[tuple[str, Path, list[bytes]]]:
    """An engine behind TLS that answers one attach with much output, and keeps what it is sent."""
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    subject = [
        "-subj",
        "/CN=stub",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-days",
        "1",
        "-nodes",
        "-newkey",
        "rsa:2048",
    ]
    command = ["openssl", "req", "-x509", *subject, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with context.wrap_socket(listener.accept()[0], server_side=True) as found:
                found.recv(65536)
                found.sendall(UPGRADED + frame(1, b"x" * 300_000))
                received.append(found.recv(65536))
                found.sendall(frame(1, b"after"))

        server = threading.Thread(target=serve)
        server.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", certificate, received
        server.join(10)


def test_a_tls_connection_is_read_whole_and_written_to(
    tls_engine: tuple[str, Path, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, certificate, received = tls_engine
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # requests prefers them to what it is told
        monkeypatch.delenv(name, raising=False)
    tls = TLSConfig(ca_cert=str(certificate), verify=True)
    api = docker.APIClient(base_url=address, version="1.41", timeout=10, tls=tls)
    connection = attach(api, "c", stdin=True)
    connection.send(b"payload", 5, NEVER)
    connection.end_input()
    found = read(connection)
    connection.close()
    api.close()

    assert found == frame(1, b"x" * 300_000) + frame(1, b"after")
    assert received == [b"payload"]
