import socket
from pathlib import Path

import pytest

from runner.sockets import UnixConnection
from tests.support.stub_engine import answer, silence, stub_engine


def test_a_request_is_answered_over_a_socket(tmp_path: Path) -> None:
    with stub_engine(tmp_path / "s") as stub:
        stub.script["/thing"] = [answer({"is": "here"})]
        connection = UnixConnection(str(tmp_path / "s"), 5.0)

        connection.request("GET", "/thing")

        assert connection.getresponse().read() == b'{"is": "here"}'
        connection.close()


def test_who_says_nothing_is_not_waited_for_longer_than_wanted(tmp_path: Path) -> None:
    with stub_engine(tmp_path / "s") as stub:
        stub.script["/thing"] = [silence]
        connection = UnixConnection(str(tmp_path / "s"), 0.1)
        connection.request("GET", "/thing")

        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()


def test_a_socket_at_which_nobody_listens_refuses(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "s"))
    connection = UnixConnection(str(tmp_path / "s"), 5.0)

    with pytest.raises(ConnectionRefusedError):
        connection.request("GET", "/")
    connection.close()
