import sys
from pathlib import Path

import pytest
import typer

from runner.cli.secret_values import read_given, read_secrets, secure_properties
from runner.errors import UsageError
from runner.plan.model import Plan


class _Keyboard:
    """Somebody at a terminal who knows some answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: dict[str, str]) -> None:
        self.asked: list[str] = []
        self._answers = answers
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
        monkeypatch.setattr(typer, "prompt", self._prompt)

    def _prompt(self, text: str, *, hide_input: bool, err: bool) -> str:
        assert hide_input, "what is typed must not be seen"
        assert err, "stdout is for the output"
        self.asked.append(text)
        return self._answers[text]


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody sit at a terminal, and no variable of ours be set."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    for name in ("token", "TOKEN", "key", "KEY"):
        monkeypatch.delenv(name, raising=False)


def test_a_secret_comes_from_the_variable_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("token", "as written")
    monkeypatch.setenv("TOKEN", "in capitals")

    assert read_secrets(["token"], []) == {"token": "as written"}


def test_a_secret_comes_from_the_variable_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "in capitals")

    assert read_secrets([], ["token"]) == {"token": "in capitals"}


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("token", "")
    monkeypatch.setenv("KEY", "")

    with pytest.raises(UsageError, match="no value for the secrets token, KEY"):
        read_secrets([], ["token", "KEY"])


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b"hunter2\n\n", "hunter2\n"),
        (b"one\r\ntwo\n", "one\r\ntwo"),
        ("schlüssel\n".encode(), "schlüssel"),
        (b"a=b=@c", "a=b=@c"),
        (b"", ""),
    ],
)
def test_a_secret_of_a_file_is_its_content_less_one_newline(tmp_path: Path, content: bytes, value: str) -> None:
    (tmp_path / "file").write_bytes(content)

    assert read_secrets([f"token=@{tmp_path}/file"], ["token"]) == {"token": value}


def test_a_file_is_stronger_than_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "of the variable")
    (tmp_path / "file").write_text("of the file")

    assert read_secrets(["token", f"token=@{tmp_path}/file"], ["token"]) == {"token": "of the file"}


def test_secrets_that_the_pipeline_does_not_declare_can_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "k")
    monkeypatch.setenv("TOKEN", "t")

    assert read_secrets(["KEY"], ["token"]) == {"KEY": "k", "token": "t"}


def test_all_secrets_without_a_value_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "t")

    with pytest.raises(UsageError, match=r"^no value for the secrets other, key, third$") as caught:
        read_secrets(["other"], ["token", "key", "third", "key"])

    assert caught.value.hint == "set the environment variable, or give --secret other=@FILE or --secret-file FILE"


def test_one_secret_without_a_value_is_one_secret() -> None:
    with pytest.raises(UsageError, match=r"^no value for the secret key$"):
        read_secrets([], ["key"])


@pytest.mark.parametrize("text", ["token=hunter2", "token=hunter2=@file", "token="])
def test_a_value_on_the_command_line_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(
        UsageError, match=r"^--secret token=…: a value on a command line is seen by everyone$"
    ) as caught:
        read_secrets([text], [])

    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("text", ["", "=", "=@file", "=hunter2"])
def test_a_secret_without_a_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--secret: no name$"):
        read_secrets([text], [])


@pytest.mark.parametrize(
    ("content", "trouble"), [(None, "No such file or directory"), (b"\xff\xfe", "this is not UTF-8")]
)
def test_a_file_that_cannot_be_read_is_bad_usage(tmp_path: Path, content: bytes | None, trouble: str) -> None:
    if content is not None:
        (tmp_path / "file").write_bytes(content)

    with pytest.raises(UsageError, match=f"^--secret token=@{tmp_path}/file: {trouble}$"):
        read_secrets([f"token=@{tmp_path}/file"], [])


def test_whoever_sits_at_the_terminal_is_asked_for_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    keyboard = _Keyboard(monkeypatch, {"secret key": "typed"})
    monkeypatch.setenv("TOKEN", "t")

    assert read_secrets([], ["token", "key"]) == {"token": "t", "key": "typed"}
    assert keyboard.asked == ["secret key"]


def test_a_name_that_could_move_the_cursor_is_asked_for_without_doing_so(monkeypatch: pytest.MonkeyPatch) -> None:
    keyboard = _Keyboard(monkeypatch, {"secret a\\x1b[2J": "value"})

    assert read_secrets([], ["a\x1b[2J"]) == {"a\x1b[2J": "value"}
    assert keyboard.asked == ["secret a\\x1b[2J"]


def test_a_secret_comes_from_a_list_before_it_comes_from_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list").write_text("TOKEN=listed\nkey=own\nKEY=other\nspare=unused\n")
    monkeypatch.setenv("TOKEN", "of the variable")

    found = read_secrets([], ["token", "key"], [tmp_path / "list"])

    assert found == {"token": "listed", "key": "own", "TOKEN": "listed", "KEY": "other", "spare": "unused"}


def test_a_file_of_its_own_is_stronger_than_a_list(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("token=listed\n")
    (tmp_path / "file").write_text("of the file")

    assert read_secrets([f"token=@{tmp_path}/file"], [], [tmp_path / "list"]) == {"token": "of the file"}


def test_an_empty_line_of_a_list_is_an_empty_secret(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("token=\n")

    assert read_secrets([], ["token"], [tmp_path / "list"]) == {"token": ""}


def test_a_list_that_cannot_be_read_is_bad_usage(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("hunter2\n")

    with pytest.raises(UsageError, match=rf"^--secret-file {tmp_path}/list:1: this line has no =$") as caught:
        read_secrets([], [], [tmp_path / "list"])

    assert "hunter2" not in caught.value.explained


def test_what_every_login_has_is_not_taken_for_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "ann")

    with pytest.raises(UsageError, match="no value for the secret user"):
        read_secrets([], ["user"])


def test_a_secret_that_the_pipeline_does_not_know_is_a_secure_property(tmp_path: Path) -> None:
    plan = Plan(dialect="vela", secrets=("used", "declared"), stages=())
    values = {"used": "1", "DECLARED": "2", "mine": "3", "other": "4", "listed": "5"}

    found = secure_properties(["used", "DECLARED", "other", f"mine=@{tmp_path}/mine"], plan, values)

    assert found == {"mine": "3", "other": "4"}


def test_a_secure_property_has_the_name_of_a_file() -> None:
    with pytest.raises(UsageError, match=r"^--secret a/b/c, which no step asks for: no file below /config"):
        secure_properties(["a/b/c"], Plan(dialect="vela", stages=()), {"a/b/c": "1"})


def test_a_secure_property_may_be_a_key_of_a_configuration_that_stages_name() -> None:
    assert secure_properties(["a/b"], Plan(dialect="vela", stages=()), {"a/b": "1"}) == {"a/b": "1"}


def test_what_is_asked_for_is_told_from_what_is_in_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of the file\n")

    assert read_given("", ["a", f"b=@{tmp_path}/file", "c", "a"]) == ({"b": "of the file"}, ["a", "c", "a"])


def test_a_message_begins_with_where_the_secret_was_asked_for() -> None:
    with pytest.raises(UsageError, match=r"^x=…: a value on a command line is seen by everyone$"):
        read_given("", ["x=y"])
    with pytest.raises(UsageError, match=r"^secret: no name$"):
        read_given("", ["=y"])
