"""Which dialect a document is written in."""

import textwrap

import pytest

from runner.dialects.detect import Dialect, detect
from runner.dialects.source import Findings, load
from runner.errors import UsageError


def _detect(text: str, asked: str = "") -> Dialect:
    return detect(load(textwrap.dedent(text).encode(), "f.yml", Findings()), asked)


@pytest.mark.parametrize(
    "text",
    [
        "version: '1'\nsteps: []",
        "version: '1'\nstages: {}",
        "version: '1'\ntemplates: []",
        "steps: []",
        "version: '1'",
        "{}",
        "[]",
        "just text",
        # A Vela file may keep anchors at the top, whatever is in them.
        "version: '1'\nbase: &base {script: x, image: y}\nsteps: [*base]",
        "version: '1'\napplication: &env {A: b}\nsteps: [{name: s, environment: *env}]",
    ],
)
def test_what_shows_no_other_dialect_is_velas(text: str) -> None:
    assert _detect(text) is Dialect.VELA


@pytest.mark.parametrize(
    "text",
    [
        "version: '1'\nsetup:\n  image: alpine\n  script: 'true'",
        "version: '1'\nmine:\n  image: alpine\n  script: 'true'",
        "version: 1\ndeploy:\n  abort_on_failure: false",
        "version: '1'\nscan:\n  runAfter: setup",
        "version: '1'\ncontainerize: {image: alpine}",
        "unit-tests: {}",
        "version: '2'\ntasks:\n  code-build: {steps: []}",
        "version: '2'\nfinally: {}",
        "tasks:",
    ],
)
def test_ibms_files_are_recognised(text: str) -> None:
    assert _detect(text) is Dialect.IBM


@pytest.mark.parametrize(
    "text", ["version: '1'\nsetup: text", "version: '1'\nmine: {image: a, secret: b}", "test: [a]"]
)
def test_what_other_files_have_as_well_shows_no_file_of_ibms(text: str) -> None:
    assert _detect(text) is Dialect.VELA


@pytest.mark.parametrize(
    "text",
    [
        "executions: [{id: A}]",
        "application: {executions: []}",
        '{"executions": []}',
        "pipelines: []\nexecutions:",
        # Also the name of a stage of IBM's files may be a global.
        "globals: {setup: 1}\nexecutions: []",
    ],
)
def test_metalus_applications_are_recognised(text: str) -> None:
    assert _detect(text) is Dialect.METALUS


@pytest.mark.parametrize("text", ["application: {image: a}", "application: [executions]", "application: executions"])
def test_a_key_named_application_alone_shows_none_of_metalus(text: str) -> None:
    assert _detect(text) is Dialect.VELA


def test_the_dialect_asked_for_overrides_the_content() -> None:
    assert _detect("executions: []", "vela") is Dialect.VELA
    assert _detect("steps: []", "ibm") is Dialect.IBM
    assert _detect("steps: []", "metalus") is Dialect.METALUS


@pytest.mark.parametrize(
    ("asked", "hint"),
    [("vella", "did you mean 'vela'?"), ("jenkins", "known: vela, ibm, metalus"), ("VELA", "did you")],
)
def test_a_dialect_that_does_not_exist_is_a_usage_error(asked: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        _detect("steps: []", asked)

    assert asked in caught.value.message
    assert hint in caught.value.hint
