import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.cli.client.connection import Connection, path_of
from runner.cli.client.endpoint import Endpoint
from runner.errors import DaemonUnavailableError, NotFoundError, UsageError
from tests.support.api_stand import CUT, Stand, answer, broken, failure, listening, standing, text


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "runner.sock"


@pytest.fixture
def stand(place: Path) -> Iterator[Stand]:
    with standing(place) as found:
        yield found


@pytest.fixture
def connection(place: Path, stand: Stand) -> Connection:
    return Connection(Endpoint(socket=place))


def test_a_request_goes_over_the_socket_and_its_answer_comes_back(stand: Stand, connection: Connection) -> None:
    stand.on("POST /x", answer({"b": [1, None]}, 201))

    found = connection.call("POST", path_of("x"), {"a": "\udcff"}, {"q": "1&2=ü"})

    assert found == {"b": [1, None]}
    (asked,) = stand.asked
    assert (asked.body, asked.query) == ({"a": "\udcff"}, {"q": "1&2=ü"})
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.headers["Host"] == "localhost"
    assert "Authorization" not in asked.headers


def test_a_part_of_a_path_may_be_any_text(stand: Stand, connection: Connection) -> None:
    assert path_of("pipelines", "a/b", "ü?#%") == "/api/v1/pipelines/a%2Fb/%C3%BC%3F%23%25"


def test_over_tcp_the_token_is_shown() -> None:
    with listening() as (stand, url):
        stand.on("GET /x", answer("yes"))
        found = Connection(Endpoint(url=url, token="t0ken")).call("GET", path_of("x"))

    assert found == "yes"
    assert stand.asked[0].headers["Authorization"] == "Bearer t0ken"


def test_a_daemon_may_stand_behind_a_path() -> None:
    with listening() as (stand, url):
        stand.on("GET /behind/x", answer("yes"))

        assert Connection(Endpoint(url=f"{url}/behind", token="t")).call("GET", path_of("x")) == "yes"


@pytest.mark.parametrize("left", ["nothing", "a socket"])
def test_where_nobody_listens_it_is_told_how_to_have_a_daemon(place: Path, left: str) -> None:
    if left == "a socket":
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(place))

    with pytest.raises(DaemonUnavailableError) as caught:
        Connection(Endpoint(socket=place)).call("GET", path_of("x"))

    assert caught.value.message == f"no daemon listens at {place}"
    assert caught.value.hint == "`runner daemon` starts one; RUNNER_DATA_DIR names another"


def test_where_nobody_listens_on_tcp_another_setting_names_another() -> None:
    with listening() as (_, url):
        pass

    with pytest.raises(DaemonUnavailableError, match=f"^no daemon listens at {url}$") as caught:
        Connection(Endpoint(url=url, token="t")).call("GET", path_of("x"))

    assert caught.value.hint == "`runner daemon` starts one; RUNNER_URL names another"


def test_the_socket_of_another_user_is_bad_usage(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(socket.socket, "connect", refused)

    with pytest.raises(UsageError, match="this daemon is another user's"):
        Connection(Endpoint(socket=place)).call("GET", path_of("x"))


def test_a_daemon_that_hangs_up_is_told_as_one_that_does_not_answer(stand: Stand, connection: Connection) -> None:
    stand.on("GET /x", broken)

    with pytest.raises(DaemonUnavailableError, match="the daemon does not answer: "):
        connection.call("GET", path_of("x"))


def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(stand: Stand, connection: Connection) -> None:
    stand.on("GET /x", text(b"abc", b"def", CUT))

    with pytest.raises(DaemonUnavailableError), connection.open("GET", path_of("x")) as found:
        list(found.pieces())


def test_what_does_not_speak_json_is_no_daemon(stand: Stand, connection: Connection) -> None:
    stand.on("GET /x", text(b"hello"))

    with pytest.raises(DaemonUnavailableError, match="does not answer as a daemon does"):
        connection.call("GET", path_of("x"))


def test_what_the_daemon_says_instead_is_raised(stand: Stand, connection: Connection) -> None:
    stand.on("GET /x", failure(404, "there is none", hint="make one"))

    with pytest.raises(NotFoundError, match=r"^there is none$") as caught:
        connection.call("GET", path_of("x"))

    assert caught.value.hint == "make one"


def test_an_answer_comes_as_it_is_sent(stand: Stand, connection: Connection) -> None:
    go_on = threading.Event()
    stand.on("GET /x", text(b"one\ntw", lambda: go_on.wait(30), b"o\nthree"))

    with connection.open("GET", path_of("x")) as found:
        lines = found.lines()
        first = next(lines)
        go_on.set()

        assert (first, *lines) == (b"one\n", b"two\n", b"three")


def test_whoever_reads_can_be_let_go(stand: Stand, connection: Connection) -> None:
    hold = threading.Event()
    stand.on("GET /x", text(b"one\n", lambda: hold.wait(30)))

    with connection.open("GET", path_of("x")) as found:
        threading.Timer(0.1, found.shut).start()
        began = time.monotonic()

        assert list(found.lines()) == [b"one\n"]
        assert time.monotonic() - began < 10
        found.shut()
    found.shut()
    hold.set()


def test_whoever_has_no_time_is_told_that_the_daemon_says_nothing(place: Path, stand: Stand) -> None:
    hold = threading.Event()
    stand.on("GET /x", text(lambda: hold.wait(30)))

    with pytest.raises(DaemonUnavailableError, match="timed out"):
        Connection(Endpoint(socket=place), patience=0.1).call("GET", path_of("x"))
    hold.set()
