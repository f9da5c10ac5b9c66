"""``runner schema``."""

import json
import sys

import pytest

from runner.cli import app
from runner.dialects.schema import schema_of


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["runner", "schema", *arguments])
    return app.run()


@pytest.mark.parametrize(("arguments", "dialect"), [((), "vela"), (("--dialect", "ibm"), "ibm")])
def test_the_schema_of_a_dialect_is_printed_as_json(
    arguments: tuple[str, ...], dialect: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, *arguments) == 0

    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(schema_of(dialect)))


def test_a_dialect_that_does_not_exist_is_bad_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, "--dialect", "vala") == 2

    assert "there is no dialect 'vala'" in capsys.readouterr().err
