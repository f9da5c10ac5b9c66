from pathlib import Path

import pytest

from runner.cli.client.endpoint import Endpoint
from runner.errors import UsageError

TOKEN = "t0ken"
URL = "http://127.0.0.1:8080"


def test_without_an_address_it_is_the_socket_of_the_data_directory() -> None:
    found = Endpoint.read({"RUNNER_DATA_DIR": "/srv/runner"})

    assert found == Endpoint(socket=Path("/srv/runner/runner.sock"))
    assert found.local
    assert str(found) == "/srv/runner/runner.sock"


def test_an_address_wins_over_the_data_directory() -> None:
    found = Endpoint.read({"RUNNER_DATA_DIR": "/srv/runner", "RUNNER_URL": f"{URL}/", "RUNNER_TOKEN": TOKEN})

    assert found == Endpoint(url=URL, token=TOKEN)
    assert not found.local
    assert str(found) == URL


def test_an_empty_address_is_as_good_as_none() -> None:
    assert Endpoint.read({"RUNNER_DATA_DIR": "/d", "RUNNER_URL": ""}).local


def test_a_token_is_never_shown() -> None:
    assert TOKEN not in repr(Endpoint(url=URL, token=TOKEN))


@pytest.mark.parametrize("content", [TOKEN, f"{TOKEN}\n", f" {TOKEN}\r\n"])
def test_a_token_can_be_in_a_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)

    assert Endpoint.read({"RUNNER_URL": URL, "RUNNER_TOKEN_FILE": str(tmp_path / "token")}).token == TOKEN


def test_a_token_itself_wins_over_a_file() -> None:
    found = Endpoint.read({"RUNNER_URL": URL, "RUNNER_TOKEN": TOKEN, "RUNNER_TOKEN_FILE": "/nowhere"})

    assert found.token == TOKEN


def test_an_address_without_a_token_is_told_where_one_is() -> None:
    with pytest.raises(UsageError, match=r"^RUNNER_URL needs a token$") as caught:
        Endpoint.read({"RUNNER_URL": URL})

    assert "RUNNER_TOKEN_FILE" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb", "schlüssel".encode(), b"a\x00b"])
def test_what_is_no_token_is_refused_and_not_repeated(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    file = str(tmp_path / "token")

    with pytest.raises(UsageError, match="this is not a token") as caught:
        Endpoint.read({"RUNNER_URL": URL, "RUNNER_TOKEN_FILE": file})

    assert caught.value.message == f"RUNNER_TOKEN_FILE={file}: this is not a token"


def test_a_file_that_cannot_be_read_is_bad_usage() -> None:
    with pytest.raises(UsageError, match=r"^RUNNER_TOKEN_FILE=/nowhere: No such file or directory$"):
        Endpoint.read({"RUNNER_URL": URL, "RUNNER_TOKEN_FILE": "/nowhere"})


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "ftp://host", "http://", "http://host:port", "http://host:99999", "unix:///run/x.sock"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="not an address") as caught:
        Endpoint.read({"RUNNER_URL": url, "RUNNER_TOKEN": TOKEN})

    assert caught.value.hint == "for example http://127.0.0.1:8080"


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="only host, port and path can be there") as caught:
        Endpoint.read({"RUNNER_URL": "https://me:hunter2@example.org", "RUNNER_TOKEN": TOKEN})

    assert "hunter2" not in caught.value.explained
