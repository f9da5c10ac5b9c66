"""What people are told of pipelines that are wrong; ``scripts/golden`` rewrites the expected texts."""

import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final

import pytest
import yaml
from jsonschema import Draft7Validator

from runner.cli import app
from runner.dialects.schema import to_schema
from runner.dialects.vela.keys import PIPELINE
from tests.support.golden import BROKEN

PATHS: Final = sorted(BROKEN.glob("*.yml"))
SCHEMA: Final = Draft7Validator(to_schema("A pipeline", PIPELINE))
NOT_YAML: Final = "it is not YAML, so no schema gets to see it"
BEYOND_SCHEMA: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            *("control-character", "encoding-latin1", "go-template", "yaml-at-sign", "yaml-bracket", "yaml-colon"),
            *("yaml-escape", "yaml-indentation", "yaml-map-as-key", "yaml-merge", "yaml-percent", "yaml-quote"),
            *("yaml-tab", "yaml-tag", "yaml-two-documents", "yaml-unknown-anchor"),
        ),
        NOT_YAML,
    ),
    "encoding-utf16": "YAML may be written in UTF-16",
    "names-duplicate": "it compares names with each other",
    "names-odd": "it is about characters of names, and a reserved name",
    "needs-cycles": "it is about the graph",
    "needs-itself": "it is about the graph",
    "ruleset-eval": "it is about the grammar of expressions",
    "ruleset-glob": "it is about the grammar of patterns",
    "ruleset-regexp": "it is about the grammar of patterns",
    "secrets-mixed": "it takes a list of names and maps, as other keys have them",
    "step-flags-quoted": "an editor may read YAML 1.2, which gives words such as yes as texts, as if they were quoted",
    "substitution": "it is about the grammar of substitution",
    "substitution-in-services": "it is about the grammar of substitution",
    "version-legacy": "it is about one word of all that may stand there",
    "yaml-duplicate-keys": "a parser may keep one of two keys, and say nothing",
}


class Seen(Enum):
    """What becomes of a file in the hands of a schema."""

    REFUSED = "refused"
    ACCEPTED = "accepted"
    UNREADABLE = "unreadable"


@pytest.fixture
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BROKEN)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["runner", *arguments])
    return app.run()


def _seen(path: Path) -> Seen:
    try:
        document = yaml.safe_load(path.read_bytes())
    except yaml.YAMLError:
        return Seen.UNREADABLE
    return Seen.ACCEPTED if SCHEMA.is_valid(document) else Seen.REFUSED


def test_there_are_enough_broken_pipelines_and_a_text_for_each() -> None:
    assert len(PATHS) >= 40
    assert sorted(BROKEN.iterdir()) == sorted([*PATHS, *(path.with_suffix(".txt") for path in PATHS)])


@pytest.mark.usefixtures("_nowhere")
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_broken_pipeline_is_answered_with_all_that_is_wrong_in_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = _run(monkeypatch, "validate", path.name)

    out, err = capsys.readouterr()
    assert out == path.with_suffix(".txt").read_text(encoding="utf-8")
    assert (code, err) == (2, "")


@pytest.mark.usefixtures("_nowhere")
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_line_names_a_place_in_the_file(path: Path) -> None:
    count = path.read_bytes().count(b"\n") + 1
    for line in path.with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        file, number, column, message = line.split(":", 3)
        assert file == path.name
        assert 1 <= int(number) <= count
        assert int(column) >= 1
        assert message.startswith(" ")


@pytest.mark.usefixtures("_nowhere")
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_nothing_of_a_broken_pipeline_is_started(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, "exec", "--source", ".", "--changed", "README.md", path.name) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{path.name}:")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_schema_refuses_it_too_or_cannot_know(path: Path) -> None:
    reason = BEYOND_SCHEMA.get(path.stem)
    beyond = Seen.UNREADABLE if reason == NOT_YAML else Seen.ACCEPTED

    assert _seen(path) is (Seen.REFUSED if reason is None else beyond)


def test_what_the_schema_cannot_know_is_told_of_files_that_exist() -> None:
    assert BEYOND_SCHEMA.keys() <= {path.stem for path in PATHS}
