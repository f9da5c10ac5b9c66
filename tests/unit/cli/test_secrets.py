import io
import sys
from pathlib import Path

import pytest
import typer

from runner.dispatch.requests import Pipeline
from runner.plan import codec
from tests.support.api_stand import answer, failure, pipeline
from tests.support.remote import Remote


def _known(remote: Remote, found: Pipeline) -> None:
    remote.stand.on("GET /pipelines/shop", answer(codec.encode(found)))


def _takes(remote: Remote, *names: str) -> None:
    for name in names:
        remote.stand.on(f"PUT /pipelines/shop/secrets/{name}", lambda handler: handler.send(204, "text/plain"))


def _sent(remote: Remote) -> dict[str, str]:
    return {asked.path.rpartition("/")[2]: asked.body["value"] for asked in remote.stand.asked}


@pytest.fixture(autouse=True)
def stdin(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """Let nobody sit at a terminal; return what stdin holds."""
    content = io.BytesIO(b"of stdin\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
    return content


def test_the_names_of_secrets_are_listed(remote: Remote) -> None:
    _known(remote, pipeline("shop"))

    assert remote.call("secrets", "shop") == 0
    assert remote.out == "key\ntoken\n"
    assert remote.call("secrets", "shop", "--output", "json") == 0
    assert remote.document == {"secrets": ["key", "token"]}


def test_it_is_said_when_there_are_none(remote: Remote) -> None:
    bare = pipeline("shop")
    _known(remote, Pipeline(name=bare.name, definition=bare.definition, properties={}, secrets=()))

    assert remote.call("secrets", "shop") == 0

    assert remote.out == "pipeline shop has no secrets\n"


def test_a_list_has_no_events(remote: Remote) -> None:
    assert remote.call("secrets", "shop", "--output", "events") == 2


def test_values_come_from_files_and_from_stdin(remote: Remote, tmp_path: Path) -> None:
    _takes(remote, "key", "token")
    (tmp_path / "key").write_bytes(b"one\r\ntwo\n")

    assert remote.call("secrets", "shop", "set", f"key=@{tmp_path}/key", "token") == 0

    assert _sent(remote) == {"key": "one\r\ntwo", "token": "of stdin"}
    assert remote.out + remote.err == ""


def test_whoever_sits_at_a_terminal_is_asked(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    _takes(remote, "key", "token")
    asked: list[str] = []

    def prompt(text: str, *, hide_input: bool, err: bool) -> str:
        assert hide_input
        assert err
        asked.append(text)
        return f"typed for {text}"

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(typer, "prompt", prompt)

    assert remote.call("secrets", "shop", "set", "key", "token", "key") == 0

    assert asked == ["secret key", "secret token"]
    assert _sent(remote) == {"key": "typed for secret key", "token": "typed for secret token"}


def test_stdin_holds_one_secret(remote: Remote) -> None:
    assert remote.call("secrets", "shop", "set", "key", "token") == 2

    assert "stdin holds one secret, and not key, token" in remote.err
    assert remote.stand.asked == []


def test_the_environment_is_not_looked_at(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    _takes(remote, "token")
    monkeypatch.setenv("TOKEN", "of the environment")

    assert remote.call("secrets", "shop", "set", "token") == 0

    assert _sent(remote) == {"token": "of stdin"}


def test_a_value_on_the_command_line_is_refused_and_not_repeated(remote: Remote) -> None:
    assert remote.call("secrets", "shop", "set", "token=hunter2") == 2

    assert remote.err == (
        "runner: token=…: a value on a command line is seen by everyone\n        use NAME, or NAME=@FILE\n"
    )
    assert remote.stand.asked == []


@pytest.mark.parametrize(
    ("form", "trouble"),
    [
        ("=@x", "secret: no name"),
        ("", "secret: no name"),
        ("key=@/nowhere", "key=@/nowhere: No such file or directory"),
    ],
)
def test_what_cannot_be_read_is_bad_usage(remote: Remote, form: str, trouble: str) -> None:
    assert remote.call("secrets", "shop", "set", form) == 2

    assert remote.err.startswith(f"runner: {trouble}\n")


def test_stdin_that_is_no_text_is_refused(remote: Remote, stdin: io.BytesIO) -> None:
    stdin.write(b"\xff\xfe")
    stdin.seek(0)

    assert remote.call("secrets", "shop", "set", "token") == 2

    assert "stdin: this is not UTF-8" in remote.err


def test_secrets_are_removed(remote: Remote) -> None:
    remote.stand.on("DELETE /pipelines/shop/secrets/key", lambda handler: handler.send(204, "text/plain"))
    remote.stand.on("DELETE /pipelines/shop/secrets/nix", failure(404, "there is no secret 'nix'"))

    assert remote.call("secrets", "shop", "remove", "key") == 0
    assert remote.call("secrets", "shop", "remove", "nix") == 2

    assert remote.err == "runner: there is no secret 'nix'\n"
