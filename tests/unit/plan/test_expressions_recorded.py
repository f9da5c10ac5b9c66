"""Expressions made at random, with the answers that a run of expr-lang v1.17.8 gave."""

import json
from pathlib import Path
from typing import TypedDict

import pytest

from runner.plan.expressions import BadExpressionError, holds


class Case(TypedDict):
    """One line of the recording; ``expected`` is "error" where expr-lang refused to compile, or failed in the run."""

    eval: str
    env: dict[str, str]
    expected: bool | str


CASES: list[Case] = json.loads((Path(__file__).parent / "data" / "expressions.json").read_text())["cases"]


def test_the_recording_has_answers_of_all_three_sorts() -> None:
    found = [case["expected"] for case in CASES]

    assert [found.count(sort) for sort in (True, False, "error")] == [150, 150, 100]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["eval"])
def test_an_expression_gives_the_recorded_answer(case: Case) -> None:
    answer: bool | str
    try:
        answer = holds(case["eval"], case["env"])
    except BadExpressionError:
        answer = "error"

    assert answer == case["expected"]
