"""Whether runs of pipeline files are judged: each way in which one can differ from its case is found."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.pipeline_expect import AsyncSeen, Expect, ExpectAsync, Part, Seen

CHILD = AsyncSeen(id="c1", stage="check", status="success", lines=["one", "two"], ended=5.0)
SEEN = Seen(
    status="success",
    text="all that was said",
    parts={
        "setup": Part(status="success", began=1.0, ended=2.0),
        "test": Part(status="failure", began=3.0, ended=4.0),
        "deploy": Part(status="skipped"),
        "deploy/run-stage": Part(status="skipped"),
    },
    lines={"setup/run-stage": ["$ echo a", "a", "b"], "setup/other": ["c"], "setup-not/run-stage": ["d"]},
    children=(CHILD, replace(CHILD, id="c2", lines=["three"], status="failure")),
    listed=["check", "check"],
)
ONE, OTHER = {"stage": "check", "run": "succeeded"}, {"stage": "check", "run": "failed"}

RIGHT: list[dict[str, Any]] = [
    {"run": "succeeded"},
    {"message_contains": ["was said"]},
    {"stages": {"setup": "success", "test": "failure", "deploy": "skipped"}},
    {"stages": {"deploy": "not run", "release": "not run"}},
    {"order": [["setup", "test"]]},
    {"log_lines": {"setup": ["a", "c"], "setup/other": ["c"]}, "log_lacks": {"setup": ["d"]}},
    {"async_runs": [OTHER, ONE]},
    {"async_runs": [{**OTHER, "log_lines": ["three"]}, {**ONE, "log_lines": ["one", "two"], "log_lacks": ["three"]}]},
    {"async_runs": [{**ONE, "running_at_start_of": ["test"]}, OTHER]},
    {"async_listing": ["check"]},
]
WRONG: list[dict[str, Any]] = [
    {"run": "failed"},
    {"run": "refused"},
    {"message_contains": ["never said"]},
    {"stages": {"setup": "failure"}},
    {"stages": {"test": "skipped"}},
    {"stages": {"test": "not run"}},
    {"stages": {"release": "skipped"}},
    {"order": [["test", "setup"]]},
    {"order": [["setup", "deploy"]]},
    {"order": [["release", "setup"]]},
    {"log_lines": {"setup": ["c", "a"]}},
    {"log_lines": {"setup": ["a", "a"]}},
    {"log_lines": {"setup": ["$ echo a"]}},
    {"log_lines": {"setup": ["d"]}},
    {"log_lacks": {"setup": ["echo"]}},
    {"async_runs": []},
    {"async_runs": [ONE]},
    {"async_runs": [ONE, ONE]},
    {"async_runs": [ONE, {**OTHER, "stage": "other"}]},
    {"async_runs": [ONE, {**OTHER, "log_lines": ["one"]}]},
    {"async_runs": [{**ONE, "log_lacks": ["tw"]}, OTHER]},
    {"async_runs": [{**ONE, "running_at_start_of": ["deploy"]}, OTHER]},
    {"async_listing": ["other"]},
]


@pytest.mark.parametrize("raw", RIGHT, ids=str)
def test_what_is_as_a_case_says_is_right(raw: dict[str, Any]) -> None:
    Expect.read(raw).judge(SEEN)


@pytest.mark.parametrize("raw", WRONG, ids=str)
def test_what_is_not_as_a_case_says_is_found(raw: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match=SEEN.text):
        Expect.read(raw).judge(SEEN)


@pytest.mark.parametrize("status", ["pending", "running", "cancelled", "lost", ""])
def test_a_run_that_was_refused_or_has_no_end_of_its_own_is_neither_good_nor_failed(status: str) -> None:
    for run in ("succeeded", "failed"):
        with pytest.raises(AssertionError):
            Expect(run=run).judge(replace(SEEN, status=status))


def test_a_run_that_was_refused_is_no_run_that_ended_somehow() -> None:
    Expect(run="refused").judge(replace(SEEN, status=""))
    with pytest.raises(AssertionError):
        Expect().judge(replace(SEEN, status=""))


def test_a_stage_that_began_after_the_end_of_an_async_run_was_not_beside_it() -> None:
    wanted = ExpectAsync(stage="check", running_at_start_of=["test"])

    assert wanted.faults(CHILD, SEEN) == []
    assert wanted.faults(replace(CHILD, ended=2.5), SEEN) == ["it had ended when test began"]
