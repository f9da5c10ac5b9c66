"""Whether runs of executions are judged: each way in which one can differ from its case is found."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.metalus_expect import Expect, Part, Seen, has, most_at_a_time

SEEN = Seen(
    status="success",
    message="stage BAD: step p/s: there is no global 'x'",
    text="all that was said",
    executions={
        "ROOT": Part(status="success", began=0.0, ended=1.0),
        "EACH[0]": Part(status="success", began=1.0, ended=3.0),
        "EACH[1]": Part(status="success", began=2.0, ended=4.0),
        "IN[0]": Part(status="success", began=4.0, ended=6.0),
        "IN[1]": Part(status="skipped", began=4.0, ended=5.0),
        "ALL": Part(status="success", began=6.0, ended=7.0),
        "BAD": Part(status="failure", began=0.0, ended=1.0),
        "BROKEN": Part(status="error", began=0.0, ended=1.0),
        "LATER": Part(status="not_run"),
        "ODD": Part(status="not_run", began=0.0, ended=1.0),
        "STOP": Part(status="stopped", began=0.0, ended=1.0),
        "WAIT": Part(status="paused", began=0.0, ended=1.0),
    },
    steps={"ROOT/p/s": Part(status="success", began=0.0, ended=1.0), "LATER/p/s": Part(status="pending")},
    lines={"ROOT/p/s": ["a", "b", "N={not json", 'N={"k": [1, true], "more": 2}', "T=1"]},
    inside={"EACH": frozenset({"EACH", "IN"}), "INN": frozenset({"INN"})},
)
NESTED = replace(
    SEEN,
    executions={
        f"INN[{o}][{i}]": Part(status="success", began=i / 2, ended=i / 2 + 1) for o in (0, 1) for i in (0, 1, 2)
    },
)

RIGHT: list[dict[str, Any]] = [
    {},
    {"message_contains": ["BAD", "'x'"]},
    {"executions": {"ROOT": "success", "BAD": "failed", "BROKEN": "failed", "IN[1]": "skipped", "STOP": "stopped"}},
    {"executions": {"WAIT": "paused", "LATER": "not_run", "GONE": "not_run"}},
    {"log_lines": {"ROOT/p/s": ["a", "T=1"]}},
    {"log_json": {"ROOT/p/s": {"N": {"more": 2, "k": [1, True]}, "T": 1}}},
    {"log_json_has": {"ROOT/p/s": {"N": {"k": [1, True]}}}},
    {"steps_not_run": ["LATER/p/s", "GONE/p/s"]},
    {"order": [["ROOT", "EACH[0]"], ["IN[0]", "ALL"]]},
    {"overlap": [["EACH[0]", "EACH[1]"], ["IN[1]", "IN[0]"]]},
    {"max_parallel": {"EACH": 2}},
]
WRONG: list[dict[str, Any]] = [
    {"run": "failed"},
    {"run": "paused"},
    {"run": "refused"},
    {"message_contains": ["said"]},
    {"executions": {"ROOT": "failed"}},
    {"executions": {"BAD": "success"}},
    {"executions": {"BAD": "stopped"}},
    {"executions": {"STOP": "failed"}},
    {"executions": {"IN[1]": "success"}},
    {"executions": {"IN[1]": "not_run"}},
    {"executions": {"LATER": "skipped"}},
    {"executions": {"GONE": "success"}},
    {"executions": {"ODD": "not_run"}},
    {"log_lines": {"ROOT/p/s": ["b", "a"]}},
    {"log_lines": {"ROOT/p/s": ["a", "a"]}},
    {"log_lines": {"ROOT/p/t": ["a"]}},
    {"log_json": {"ROOT/p/s": {"N": {"k": [1, True]}}}},
    {"log_json": {"ROOT/p/s": {"N": {"k": [1, 1], "more": 2}}}},
    {"log_json": {"ROOT/p/s": {"T": "1"}}},
    {"log_json": {"ROOT/p/s": {"M": 1}}},
    {"log_json": {"ROOT/p/t": {"T": 1}}},
    {"log_json_has": {"ROOT/p/s": {"N": {"k": [1]}}}},
    {"log_json_has": {"ROOT/p/s": {"N": {"other": 1}}}},
    {"steps_not_run": ["ROOT/p/s"]},
    {"steps_not_run": ["ROOT/p/t"]},
    {"order": [["EACH[0]", "EACH[1]"]]},
    {"order": [["ROOT", "LATER"]]},
    {"order": [["GONE", "ROOT"]]},
    {"overlap": [["ROOT", "EACH[0]"]]},
    {"overlap": [["ROOT", "LATER"]]},
    {"overlap": [["GONE", "ROOT"]]},
    {"max_parallel": {"EACH": 1}},
    {"max_parallel": {"ALL": 1}},
]


@pytest.mark.parametrize("raw", RIGHT, ids=str)
def test_what_is_as_a_case_says_is_right(raw: dict[str, Any]) -> None:
    Expect(**{"run": "success", **raw}).judge(SEEN)


@pytest.mark.parametrize("raw", WRONG, ids=str)
def test_what_is_not_as_a_case_says_is_found(raw: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match=SEEN.text):
        Expect(**{"run": "success", **raw}).judge(SEEN)


@pytest.mark.parametrize("status", ["pending", "running", "cancelled", "lost", "skipped", "stopped"])
def test_a_run_without_an_end_of_its_own_is_none_that_a_case_can_want(status: str) -> None:
    for run in ("success", "failed", "paused", "refused"):
        with pytest.raises(AssertionError):
            Expect(run=run).judge(replace(SEEN, status=status))


def test_the_branches_of_an_inner_fork_count_for_each_outer_branch() -> None:
    Expect(run="success", max_parallel={"INN[0]": 2, "INN[1]": 2}).judge(NESTED)
    with pytest.raises(AssertionError, match=r"2 branches of INN\[1\]"):
        Expect(run="success", max_parallel={"INN[1]": 1}).judge(NESTED)


def test_lists_are_as_long_as_wanted_and_maps_may_have_more() -> None:
    assert has([{"a": 1, "b": 2}, None], [{"a": 1}, None])
    assert not has([{"a": 1}], [{"a": 1}, None])
    assert not has([], {})
    assert not has(1, True)


def test_a_span_that_ends_when_another_begins_does_not_stand_beside_it() -> None:
    assert most_at_a_time([(0.0, 1.0), (1.0, 2.0), (0.5, 1.5)]) == 2
    assert most_at_a_time([]) == 0
