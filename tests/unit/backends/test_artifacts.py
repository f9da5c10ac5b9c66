from pathlib import Path

import pytest

from runner.backends.artifacts import copied
from runner.errors import UnwantedError

FILES = ("a/b.xml", "x/a/b.xml", "a/.d/e.xml", ".f.xml", "g.txt")


def test_files_that_match_at_their_end_are_copied_and_hold_their_path(tmp_path: Path) -> None:
    assert copied(FILES, ["a/*.xml"], tmp_path, lambda: None) == ()

    kept = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert kept == {"a/b.xml": "a/b.xml", "x/a/b.xml": "x/a/b.xml"}


def test_a_pattern_that_matches_nothing_or_only_what_is_hidden_is_told(tmp_path: Path) -> None:
    notes = copied(FILES, ["*.html", "*.txt", "e.xml"], tmp_path, lambda: None)

    assert notes == ("no file matches '*.html'", "no file matches 'e.xml'")
    assert [path.name for path in tmp_path.iterdir()] == ["g.txt"]


def test_it_is_asked_before_each_file_whether_anybody_wants_it(tmp_path: Path) -> None:
    answers = iter([None, UnwantedError("enough")])

    def ask() -> None:
        if error := next(answers):
            raise error

    with pytest.raises(UnwantedError):
        copied(FILES, ["*b.xml"], tmp_path, ask)

    assert [path.name for path in tmp_path.rglob("*.xml")] == ["b.xml"]
