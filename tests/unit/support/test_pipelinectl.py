from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.pipelinectl import Expect, Outcome, read

OUTCOME = Outcome(exit=1, out=b"one\ntwo\n", err=b"a message\n")


@pytest.mark.parametrize(
    "expect",
    [
        Expect(),
        Expect(exit=1),
        Expect(exit="nonzero"),
        Expect(stdout="one\ntwo"),
        Expect(stdout_lines=["one", "two"]),
        Expect(stdout_lines_any_order=["two", "one"]),
        Expect(stdout_contains=["ne\ntw"], stdout_lacks=["three"]),
        Expect(stderr_contains=["message"], stderr_nonempty=True),
    ],
)
def test_an_outcome_that_is_as_expected_passes(expect: Expect) -> None:
    expect.judge(OUTCOME)


@pytest.mark.parametrize(
    "expect",
    [
        Expect(exit=0),
        Expect(exit=2),
        Expect(stdout=""),
        Expect(stdout="one\ntwo\n"),
        Expect(stdout_lines=["two", "one"]),
        Expect(stdout_lines=[]),
        Expect(stdout_lines_any_order=["one"]),
        Expect(stdout_lines_any_order=["one", "two", "two"]),
        Expect(stdout_contains=["one", "three"]),
        Expect(stdout_lacks=["three", "two"]),
        Expect(stderr_contains=["another"]),
    ],
)
def test_an_outcome_that_differs_fails(expect: Expect) -> None:
    with pytest.raises(AssertionError):
        expect.judge(OUTCOME)


def test_success_is_not_nonzero_and_silence_is_no_message() -> None:
    quiet = replace(OUTCOME, exit=0, err=b"")
    for expect in (Expect(exit="nonzero"), Expect(stderr_nonempty=True)):
        with pytest.raises(AssertionError):
            expect.judge(quiet)


def test_an_empty_line_is_a_line_and_nothing_is_none() -> None:
    Expect(stdout="", stdout_lines=[""]).judge(replace(OUTCOME, out=b"\n"))
    Expect(stdout="", stdout_lines=[]).judge(replace(OUTCOME, out=b""))


@pytest.mark.parametrize(("out", "equal"), [(b'{"a": [1]}\n', True), (b'{"a": [2]}', False)])
def test_json_is_compared_as_what_it_means(out: bytes, equal: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    outcome = replace(OUTCOME, out=out)
    if equal:
        Expect(stdout_json={"a": [1]}).judge(outcome)
    else:
        with pytest.raises(AssertionError):
            Expect(stdout_json={"a": [1]}).judge(outcome)


def test_a_field_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text("cases:\n- {id: a, ref: E1, steps: [{sh: 'true', expect: {stdout_equals: x}}]}\n", encoding="utf-8")
    with pytest.raises(TypeError, match="stdout_equals"):
        read(path)
