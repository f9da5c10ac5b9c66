"""Conditions: what they can say, and what is told of those that mean nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.plan.model import Facts
from runner.plan.trigger import Commit, Repository, Trigger
from tests.support.ibm import findings_of, plan_of, validated

TRIGGER = Trigger(
    facts=Facts(
        event="pull_request:opened", branch="main", tag="v1", repo="octocat/shop", sender="mona", target="prod"
    ),
    commit=Commit(sha="abc"),
    repository=Repository(name="other/name"),
    kind="ci",
    properties={"deep-scan": "1", "region": "eu-de", "empty": ""},
    parameters={"region": "us-south", "level": "3"},
)


def _file(condition: str) -> str:
    steps = f"[{{name: setup, script: s, when: {condition}}}]"
    return f"version: '2'\ntasks:\n  code-build: {{steps: {steps}}}\n"


def _quoted(condition: str) -> str:
    doubled = condition.replace("'", "''")
    return f"'{doubled}'"


def _skip(condition: str) -> str:
    plan = plan_of(_file(_quoted(condition)), TRIGGER)
    return plan.stage("code-build").steps[0].skip


def _finding(condition: str) -> str:
    (finding,) = findings_of(_file(_quoted(condition)), TRIGGER)
    return finding


@pytest.mark.parametrize(
    "condition",
    [
        "branch == 'main'",
        'branch == "main"',
        "event == 'pull_request'",
        "tag == 'v1'",
        "commit == 'abc'",
        "sender == 'mona'",
        "target == 'prod'",
        "repository == 'octocat/shop'",
        "pipeline_type == 'ci'",
        "properties['deep-scan'] == '1'",
        "properties.region == 'us-south'",
        "region == 'us-south'",
        "int(level) > 2",
        "'deep-scan' in properties",
        "!('other' in properties)",
        "!has(properties.other)",
        "branch in ['main', 'master']",
        "branch.startsWith('ma') && branch.matches('^m.+n$')",
        "empty == '' && level != ''",
        "size(branch) == 4 ? true : false",
    ],
)
def test_a_condition_that_holds_lets_the_step_run(condition: str) -> None:
    assert _skip(condition) == ""


@pytest.mark.parametrize("condition", ["branch == 'dev'", "'other' in properties", "region == 'eu-de'", "1 > 2"])
def test_a_condition_that_does_not_hold_is_the_reason_why_the_step_does_not_run(condition: str) -> None:
    assert _skip(condition) == f"its condition {condition!r} does not hold"


def test_without_facts_of_the_repository_it_is_the_one_of_the_trigger() -> None:
    trigger = Trigger(repository=Repository(name="other/name"), kind="ci")

    plan = plan_of(_file(_quoted("repository == 'other/name'")), trigger)

    assert plan.stage("code-build").steps[0].skip == ""


def test_a_property_counts_over_a_fact_of_its_name_but_not_over_the_map() -> None:
    trigger = Trigger(facts=Facts(branch="main"), kind="ci", properties={"branch": "mine", "properties": "x"})

    plan = plan_of(_file(_quoted("branch == 'mine' && properties['properties'] == 'x'")), trigger)

    assert plan.stage("code-build").steps[0].skip == ""


def test_a_condition_of_a_task_is_the_reason_for_all_its_steps() -> None:
    plan = plan_of(
        """
        version: '2'
        tasks:
          code-build:
            when: branch == 'dev'
            steps: [{name: setup, script: s}, {name: unit-test, script: t, when: "true"}]
        """,
        TRIGGER,
    )

    assert {step.skip for step in plan.stage("code-build").steps} == {"its condition \"branch == 'dev'\" does not hold"}


def test_a_condition_of_a_task_that_is_not_in_the_pipeline_is_not_decided() -> None:
    text = "version: '2'\ntasks: {pr-code-checks: {when: nothing == 'x'}}\n"

    assert plan_of(text, "ci").stages == ()
    assert "there is no variable 'nothing'" in findings_of(text, "pr")[0]


def test_a_text_without_quotes_is_no_text() -> None:
    finding = _finding("branch == master")

    assert ": the condition 'branch == master': there is no variable 'master' (a text stands in quotes, " in finding
    assert finding.endswith(
        "variables are branch, commit, event, pipeline_type, repository, sender, tag, target, region, empty, level, "
        "properties)"
    )


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ("branch ==", "no CEL expression: mismatched input '<EOF>' at its character 10"),
        ("branch = 'x'", "no CEL expression: token recognition error at: '= ' at its character 8"),
        ("(" * 400, "no CEL expression: "),
    ],
)
def test_what_is_no_expression_is_told_with_its_character(condition: str, problem: str) -> None:
    assert f"'when' of step 'setup': {problem}" in _finding(condition)


def test_an_empty_condition_is_none() -> None:
    assert _skip("") == ""


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ("properties['other'] == 'x'", "there is no property 'other'"),
        ("properties.other == 'x'", "there is no property 'other'"),
        ("branch", "it is 'main', and neither true nor false"),
        ("1 + 1", "it is '2', and neither true nor false"),
        ("branch > 1", "No such overload"),
        ("1/0 == 1", "division by zero"),
        ("branch.nothing() == 'x'", "Undefined variable or function"),
        ("int(branch) == 1", "Function 'int' error"),
        ("[1][3] == 1", "index out of bounds"),
        ("9223372036854775807 + 1 == 1", "Arithmetic overflow"),
    ],
)
def test_what_cannot_be_decided_is_an_error_with_its_place(condition: str, problem: str) -> None:
    finding = _finding(condition)

    assert finding.startswith("in.yml:3:55: the condition ")
    assert problem in finding


@pytest.mark.parametrize(
    "condition",
    [
        "properties.exists(p, p == 'a')",
        "[1, 2].all(branch, branch > 0)",
        "[[1]].map (event, event)[0] == [1]",
        "[1].filter// no\n(tag, true) == [1]",
        "[1].existsOne(tag, true)",
        "[1].exists_one(tag, true)",
    ],
)
def test_a_condition_goes_through_no_list(condition: str) -> None:
    assert "it goes through a list" in findings_of(_file(f'"{condition}"'.replace("\n", "\\n")), TRIGGER)[0]


def test_a_text_that_only_names_such_a_function_is_fine() -> None:
    assert _skip("branch == 'map' || tag == 'filter' || true") == ""


def test_a_condition_is_not_endless() -> None:
    assert "it has 1004 characters (a condition has at most 1000)" in _finding("1 <" * 334 + " 1")


@pytest.mark.parametrize("condition", ["!" * 900 + "true", "1 <" * 330 + " 1", "a." * 490 + "a", "[" * 490 + "]" * 490])
def test_the_longest_conditions_do_no_harm(condition: str) -> None:
    text = _file(_quoted(condition))

    assert validated(text).findings == () or validated(text).plan is None


def test_a_file_that_is_not_to_run_has_its_expressions_read_but_not_decided() -> None:
    assert validated(_file(_quoted("region == 'x' && branch == master"))).findings == ()
    (finding,) = validated(_file(_quoted("region =="))).findings
    assert "no CEL expression" in finding.message


@given(st.text(alphabet="abranch.properties['\"]()=!&|<>+-*/?:{},0123 \\inmtruefalse", max_size=60))
def test_whatever_stands_there_is_decided_or_told(condition: str) -> None:
    examined = validated(_file('"' + condition.replace("\\", "\\\\").replace('"', '\\"') + '"'))

    assert examined.plan is not None or examined.findings
