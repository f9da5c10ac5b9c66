"""Async stages: declared, no part of the graph, and nothing that anybody could wait for."""

import json
from typing import Any

import pytest

from runner.plan.codec import to_document
from runner.plan.model import Facts
from tests.support.pipelines import findings_of, plan_of

STEP = "steps: [{name: s, image: i}]"


def _stages(*stages: str) -> str:
    """Return a file with stages, given as ``name: {keys}`` without their steps."""
    lines = "\n".join(f"  {stage[:-1].rstrip()}{', ' if stage[-2] != '{' else ''}{STEP}}}" for stage in stages)
    return f"version: 1\nstages:\n{lines}\n"


def test_an_async_stage_is_declared_beside_the_graph() -> None:
    plan = plan_of(_stages("a: {}", "scan: {async: true}", "b: {needs: a}"))

    assert [(each.name, each.needs, each.async_) for each in plan.stages] == [("a", (), False), ("b", ("a",), False)]
    assert [(each.name, each.async_, len(each.steps)) for each in plan.async_stages] == [("scan", True, 1)]
    assert plan.warnings == ()


def test_a_stage_that_says_it_is_not_async_is_one_of_the_graph() -> None:
    plan = plan_of(_stages("a: {async: false}"))

    assert ([each.name for each in plan.stages], plan.async_stages) == (["a"], ())


def test_an_async_stage_has_all_else_that_a_stage_has() -> None:
    (found,) = plan_of(_stages("scan: {async: true, timeout: 5m, retry: 2, on_lost: rerun}", "a: {}")).async_stages

    assert (found.timeout, found.retry, found.on_lost.value) == (300, 2, "rerun")


def test_the_document_of_a_pipeline_says_which_stages_are_async() -> None:
    document: Any = json.loads(json.dumps(to_document(plan_of(_stages("scan: {async: true}", "a: {}")))))

    assert [(each["name"], each["async"]) for each in document["stages"]] == [("a", False), ("scan", True)]


def test_a_stage_that_needs_an_async_one_is_an_error_at_its_place() -> None:
    assert findings_of(_stages("scan: {async: true}", "a: {needs: [scan]}")) == [
        "in.yml:4:15: the stage 'a' needs 'scan', which is async (nobody can wait for it: it is a run of its own)"
    ]


def test_it_is_an_error_also_where_a_rule_removes_the_async_stage() -> None:
    text = _stages("scan: {async: true, ruleset: {branch: other}}", "a: {needs: scan}")

    assert "which is async" in findings_of(text, Facts(branch="main"))[0]


def test_what_an_async_stage_needs_means_nothing_and_is_a_warning() -> None:
    plan = plan_of(_stages("a: {}", "scan: {async: true, needs: [a]}"))

    assert plan.async_stages[0].needs == ()
    assert [warning.partition("warning: ")[2] for warning in plan.warnings] == [
        "the async stage 'scan' has needs, and waits for nobody (what it is handed is told by export_env and save_repo)"
    ]


def test_one_async_stage_may_not_wait_for_another_either() -> None:
    plan = plan_of(_stages("one: {async: true}", "two: {async: true, needs: [one]}", "a: {}"))

    assert [each.needs for each in plan.async_stages] == [(), ()]
    assert len(plan.warnings) == 1


def test_an_async_stage_does_not_wait_for_a_stage_named_clone() -> None:
    plan = plan_of(_stages("clone: {}", "a: {}", "scan: {async: true}"))

    assert [each.needs for each in plan.stages] == [(), ("clone",)]
    assert plan.async_stages[0].needs == ()


@pytest.mark.parametrize("name", ["Scan", "slow_scan", "-scan", "scan-", "s.1", "x" * 64])
def test_a_name_that_nobody_could_start_it_by_is_an_error(name: str) -> None:
    (found,) = findings_of(_stages("a: {}", f"{name}: {{async: true}}"))

    assert f"an async stage cannot be called '{name[:40]}" in found
    assert "1 to 63 of a-z, 0-9 and -, with no - at either end" in found


def test_a_stage_of_the_graph_may_be_called_so() -> None:
    assert [each.name for each in plan_of(_stages("slow_Scan: {}")).stages] == ["slow_Scan"]


def test_its_name_is_the_one_that_counts_not_its_key() -> None:
    plan = plan_of(_stages("a: {}", "Slow: {name: slow, async: true}"))

    assert [each.name for each in plan.async_stages] == ["slow"]


def test_a_rule_that_does_not_match_removes_it_and_says_why() -> None:
    plan = plan_of(_stages("a: {}", "scan: {async: true, ruleset: {branch: other}}"), Facts(branch="main"))

    assert plan.async_stages == ()
    assert [(gone.stage, gone.step) for gone in plan.pruned][-1] == ("scan", "")


def test_a_rule_that_matches_leaves_it() -> None:
    plan = plan_of(_stages("a: {}", "scan: {async: true, ruleset: {branch: main}}"), Facts(branch="main"))

    assert [each.name for each in plan.async_stages] == ["scan"]


def test_one_whose_steps_have_all_gone_goes_too() -> None:
    text = """
        version: 1
        stages:
          a: {steps: [{name: s, image: i}]}
          scan: {async: true, steps: [{name: s, image: i, ruleset: {branch: other}}]}
        """

    assert plan_of(text, Facts(branch="main")).async_stages == ()


@pytest.mark.parametrize("value", ["5", "[]", "maybe"])
def test_it_is_true_or_false(value: str) -> None:
    assert len(findings_of(_stages("a: {}", f"scan: {{async: {value}}}"))) == 1


def test_the_steps_of_an_async_stage_are_told_the_name_of_their_stage() -> None:
    plan = plan_of(_stages("a: {}", "scan: {async: true}"))

    assert plan.async_stages[0].steps[0].environment.get("VELA_STEP_STAGE") == "scan"


def test_stages_that_are_apart_keep_their_variables_and_secrets() -> None:
    text = """
        version: 1
        secrets: [{name: token}]
        stages:
          a: {steps: [{name: s, image: i}]}
          scan:
            async: true
            environment: {DEPTH: deep}
            steps: [{name: s, image: i, secrets: [token]}]
        """

    plan = plan_of(text)

    (step,) = plan.async_stages[0].steps
    assert [use.source for use in step.secrets] == ["token"]
    assert step.environment["DEPTH"] == "deep"
    assert plan.secrets == ("token",)
