import os
from pathlib import Path

import pytest

from runner.cli.inputs import read_assignments, read_files
from runner.errors import UsageError


def test_assignments_are_read_in_order_and_the_last_of_a_name_counts() -> None:
    assert read_assignments("--env", ["A=1", "B=2=3", "C=", "A=4", "a b=c d"]) == {
        "A": "4",
        "B": "2=3",
        "C": "",
        "a b": "c d",
    }


@pytest.mark.parametrize("text", ["", "=", "=hunter2", "NAME"])
def test_what_is_no_assignment_is_refused_without_its_value(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--param .*: not an assignment$") as caught:
        read_assignments("--param", [text])

    assert "hunter2" not in caught.value.explained
    assert caught.value.hint == "write NAME=VALUE"


def test_of_several_files_the_last_that_has_a_name_counts(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("# comment\nexport A=1\nB='two words'\n")
    (tmp_path / "two").write_text("B=3\nC=\n")

    assert read_files("--env-file", [tmp_path / "one", tmp_path / "two"]) == {"A": "1", "B": "3", "C": ""}


def test_a_line_that_cannot_be_read_is_named_and_its_value_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("A=1\nB='hunter2\n")

    with pytest.raises(UsageError, match=rf"^--secret-file {file}:2: this line has a quote") as caught:
        read_files("--secret-file", [file])

    assert "hunter2" not in caught.value.explained


@pytest.mark.parametrize(("content", "trouble"), [(None, os.strerror(2)), (b"A=\xff", "this is not UTF-8")])
def test_a_file_that_cannot_be_read_is_bad_usage(tmp_path: Path, content: bytes | None, trouble: str) -> None:
    file = tmp_path / "env"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(UsageError, match=rf"^--env-file {file}: {trouble}$"):
        read_files("--env-file", [file])
