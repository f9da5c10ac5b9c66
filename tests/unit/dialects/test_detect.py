"""Which dialect a document is written in."""

import textwrap

import pytest

from runner.dialects.detect import Dialect, detect
from runner.dialects.source import Findings, load
from runner.errors import InvalidPipelineError, UsageError


def _detect(text: str, asked: str = "") -> Dialect:
    findings = Findings()
    return detect(load(textwrap.dedent(text).encode(), "f.yml", findings), findings, asked)


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
        "version: 1\ndeploy:\n  abort_on_failure: false",
        "version: '1'\nscan:\n  runAfter: setup",
        "version: '2'\ntasks:\n  code-build: {steps: []}",
    ],
)
def test_ibms_files_are_recognised_and_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidPipelineError) as caught:
        _detect(text)

    assert str(caught.value) == (
        "f.yml:1:1: the dialect 'ibm' is what this document looks like, and is not supported yet "
        "(supported: vela; another can be asked for by name)"
    )


@pytest.mark.parametrize("text", ["executions: [{id: A}]", "application: {executions: []}", '{"executions": []}'])
def test_metalus_applications_are_recognised_and_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidPipelineError, match="the dialect 'metalus' is what this document looks like"):
        _detect(text)


def test_the_dialect_asked_for_overrides_the_content() -> None:
    assert _detect("executions: []", "vela") is Dialect.VELA


def test_a_dialect_asked_for_that_cannot_be_read_yet_is_refused_by_name() -> None:
    with pytest.raises(InvalidPipelineError, match=r"the dialect 'ibm' was asked for, .* \(supported: vela\)"):
        _detect("steps: []", "ibm")


@pytest.mark.parametrize(
    ("asked", "hint"),
    [("vella", "did you mean 'vela'?"), ("jenkins", "known: vela, ibm, metalus"), ("VELA", "did you")],
)
def test_a_dialect_that_does_not_exist_is_a_usage_error(asked: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        _detect("steps: []", asked)

    assert asked in caught.value.message
    assert hint in caught.value.hint
