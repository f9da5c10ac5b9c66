"""Compilers, by pairs of files; ``scripts/golden`` rewrites the expected ones."""

import json
from pathlib import Path

import pytest

from runner.plan import codec
from tests.support.golden import OUTCOMES, cases, outcome, rewrite

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_a_pipeline_compiles_to_what_stands_beside_it(case: Path) -> None:
    name, text = outcome(case)

    assert (case / name).read_text(encoding="utf-8") == text
    assert [other for other in OUTCOMES if (case / other).exists()] == [name]


@pytest.mark.parametrize("case", [case for case in CASES if (case / "plan.json").exists()], ids=lambda case: case.name)
def test_the_plan_of_a_case_can_be_read_back(case: Path) -> None:
    text = (case / "plan.json").read_text(encoding="utf-8")

    assert codec.dumps(codec.from_document(json.loads(text))) == text


def test_there_are_cases_of_both_ends() -> None:
    ends = [outcome(case)[0] for case in CASES]

    assert ends.count("plan.json") >= 20
    assert ends.count("error.txt") >= 5


def test_rewriting_replaces_what_came_of_a_case_before(tmp_path: Path) -> None:
    (tmp_path / "in.yml").write_text("version: '1'\nsteps: [{name: s, image: i}]\n", encoding="utf-8")
    (tmp_path / "error.txt").write_text("old", encoding="utf-8")

    assert rewrite(tmp_path) is True
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.yml", "plan.json"]
    assert rewrite(tmp_path) is False


def test_one_case_shows_the_variables_that_every_container_gets() -> None:
    plans = {case.name: json.loads(outcome(case)[1]) for case in CASES if outcome(case)[0] == "plan.json"}

    assert [name for name, plan in plans.items() if "environment" in plan] == ["default-variables"]
    assert [name for name, plan in plans.items() if "told" in plan] == ["default-variables"]


def test_what_else_a_run_is_given_decides_too(tmp_path: Path) -> None:
    text = "version: '1'\nsteps: [{name: s, image: i, commands: ['${VELA_BUILD_COMMIT} ${VELA_PULL_REQUEST}']}]\n"
    (tmp_path / "in.yml").write_text(text, encoding="utf-8")
    (tmp_path / "facts.json").write_text('{"event": "pull_request:opened"}', encoding="utf-8")
    trigger = {"commit": {"sha": "abc"}, "pull_request": {"number": "7"}}
    (tmp_path / "trigger.json").write_text(json.dumps(trigger), encoding="utf-8")

    assert json.loads(outcome(tmp_path)[1])["stages"][0]["steps"][0]["commands"] == ["abc 7"]


def test_the_facts_of_a_case_decide(tmp_path: Path) -> None:
    text = "version: '1'\nsteps: [{name: s, image: i, ruleset: {path: a}}]\n"
    (tmp_path / "in.yml").write_text(text, encoding="utf-8")
    (tmp_path / "facts.json").write_text('{"path": ["a"]}', encoding="utf-8")

    assert json.loads(outcome(tmp_path)[1])["pruned"] == []
