"""Rulesets at compile time and at run time; Vela's own cases are in tests/conformance."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.plan.expressions import BadExpressionError
from runner.plan.match import BadPatternError
from runner.plan.model import Facts, Matcher, Operator, Rules, Ruleset
from runner.plan.rules import RULE_NAMES, Verdict, asks_environment, has_status_rule, keep, patterns, runs
from runner.plan.status import Status

MAIN = Facts(branch="main", event="push", path=("src/a.go", "README.md"), label=("bug", "docs"))


def test_every_rule_of_the_model_takes_part() -> None:
    rules = {field.name for field in fields(Rules)} - {"operator", "matcher", "eval"}

    assert rules == set(RULE_NAMES)


def test_an_empty_ruleset_always_holds() -> None:
    assert keep(Ruleset(), Facts())
    assert runs(Ruleset(), Facts(), Status.RUNNING)


def test_rules_that_hold_only_settings_are_empty() -> None:
    ruleset = Ruleset(if_=Rules(operator=Operator.OR), unless=Rules(matcher=Matcher.REGEXP))

    assert keep(ruleset, MAIN)


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        (Rules(branch=("dev",)), "branch 'main' does not match 'dev'"),
        (Rules(branch=("dev", "v*")), "branch 'main' matches none of 'dev', 'v*'"),
        (Rules(tag=("v*",)), "there is no tag to match 'v*'"),
        (Rules(path=("lib/*",)), "none of the 2 changed paths matches 'lib/*'"),
        (Rules(label=("feature",)), "none of the 2 labels matches 'feature'"),
        (Rules(branch=("main",), event=("tag",)), "event 'push' does not match 'tag'"),
        (
            Rules(branch=("dev",), event=("tag",), operator=Operator.OR),
            "branch 'main' does not match 'dev'; event 'push' does not match 'tag'",
        ),
    ],
)
def test_a_mismatch_names_rule_fact_and_pattern(rules: Rules, why: str) -> None:
    assert keep(Ruleset(if_=rules), MAIN) == Verdict(holds=False, why=why)


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        (Rules(branch=("m*",)), "unless: branch 'main' matches 'm*'"),
        (
            Rules(branch=("main",), event=("push",)),
            "unless: branch 'main' matches 'main' and event 'push' matches 'push'",
        ),
        (Rules(branch=("dev",), event=("push",), operator=Operator.OR), "unless: event 'push' matches 'push'"),
        (Rules(path=("*.md",)), "unless: changed path 'README.md' matches '*.md'"),
    ],
)
def test_an_unless_that_matches_names_rule_fact_and_pattern(rules: Rules, why: str) -> None:
    assert keep(Ruleset(unless=rules), MAIN) == Verdict(holds=False, why=why)


def test_unless_is_asked_before_if() -> None:
    ruleset = Ruleset(if_=Rules(branch=("dev",)), unless=Rules(event=("push",)))

    assert keep(ruleset, MAIN).why.startswith("unless:")


def test_a_long_fact_is_told_in_short_and_on_one_line() -> None:
    verdict = keep(Ruleset(if_=Rules(comment=("ok",))), Facts(comment="please\n" + "x" * 500))

    assert verdict.why.startswith(r"comment 'please\nxxx")
    assert len(verdict.why) < 120


def test_one_matching_path_of_many_is_enough() -> None:
    assert keep(Ruleset(if_=Rules(path=("lib/*", "src/*"))), MAIN)


def test_an_empty_list_of_paths_never_matches() -> None:
    assert not keep(Ruleset(if_=Rules(path=("*",))), Facts(branch="main"))


def test_the_matcher_of_a_block_reads_its_patterns() -> None:
    assert keep(Ruleset(if_=Rules(branch=("^ma",), matcher=Matcher.REGEXP)), MAIN)
    assert not keep(Ruleset(if_=Rules(branch=("^ma",))), MAIN)


def test_a_bad_pattern_is_an_error_where_the_comparison_comes_to_it() -> None:
    with pytest.raises(BadPatternError):
        keep(Ruleset(if_=Rules(branch=("[",))), MAIN)


def test_a_bad_pattern_behind_a_decision_is_not_noticed() -> None:
    assert keep(Ruleset(if_=Rules(branch=("main", "["))), MAIN)
    assert not keep(Ruleset(if_=Rules(branch=("dev",), event=("[",))), MAIN)
    assert keep(Ruleset(if_=Rules(branch=("main",), event=("[",), operator=Operator.OR)), MAIN)


@pytest.mark.parametrize(
    "ruleset",
    [
        Ruleset(if_=Rules(status=("failure",))),
        Ruleset(if_=Rules(status=("failure",), branch=("dev",), operator=Operator.OR)),
        Ruleset(unless=Rules(status=("success",))),
        Ruleset(unless=Rules(status=("success",), branch=("main",))),
        Ruleset(unless=Rules(status=("success",), branch=("dev",), operator=Operator.OR)),
    ],
)
def test_a_rule_on_the_status_decides_nothing_while_the_plan_is_made(ruleset: Ruleset) -> None:
    assert keep(ruleset, MAIN)


@pytest.mark.parametrize(
    "ruleset",
    [
        Ruleset(if_=Rules(status=("failure",), branch=("dev",))),
        Ruleset(unless=Rules(status=("failure",), branch=("main",), operator=Operator.OR)),
    ],
)
def test_rules_beside_the_status_decide_when_they_can(ruleset: Ruleset) -> None:
    assert not keep(ruleset, MAIN)


@pytest.mark.parametrize("status", [Status.FAILURE, Status.ERROR, Status.TIMEOUT, Status.LOST])
def test_a_step_without_status_rule_does_not_run_after_a_bad_end(status: Status) -> None:
    verdict = runs(Ruleset(if_=Rules(branch=("main",))), MAIN, status)

    assert verdict == Verdict(holds=False, why=f"the status is '{status}', and the step has no status rule")


@pytest.mark.parametrize("status", [Status.PENDING, Status.RUNNING, Status.SUCCESS, Status.CANCELLED])
def test_a_step_without_status_rule_runs_otherwise_whatever_its_other_rules_say(status: Status) -> None:
    assert runs(Ruleset(if_=Rules(branch=("dev",))), MAIN, status)


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("success", Status.PENDING, True),
        ("success", Status.RUNNING, True),
        ("success", Status.SUCCESS, True),
        ("success", Status.FAILURE, False),
        ("failure", Status.FAILURE, True),
        ("failure", Status.ERROR, False),
        ("failure", Status.TIMEOUT, True),
        ("timeout", Status.TIMEOUT, True),
        ("error", Status.LOST, True),
        ("failure", Status.LOST, False),
        ("canceled", Status.CANCELLED, True),
        ("cancelled", Status.CANCELLED, True),
        ("*", Status.ERROR, True),
    ],
)
def test_a_status_rule_is_compared_with_the_words_for_the_status(asked: str, status: Status, *, expected: bool) -> None:
    assert runs(Ruleset(if_=Rules(status=(asked,))), MAIN, status).holds is expected
    assert runs(Ruleset(unless=Rules(status=(asked,))), MAIN, status).holds is not expected


def test_a_status_that_does_not_match_is_told_by_its_own_word() -> None:
    verdict = runs(Ruleset(if_=Rules(status=("success",))), MAIN, Status.TIMEOUT)

    assert verdict.why == "status 'timeout' does not match 'success'"


@pytest.mark.parametrize("name", ["path", "label"])
def test_path_and_label_match_nothing_beside_a_status_rule(name: str) -> None:
    asked = Rules(status=("*",), path=("*",)) if name == "path" else Rules(status=("*",), label=("*",))

    assert not runs(Ruleset(if_=asked), MAIN, Status.SUCCESS)
    assert runs(Ruleset(unless=asked), MAIN, Status.SUCCESS)


@pytest.mark.parametrize("name", ["comment", "sender", "instance"])
def test_comment_sender_and_instance_are_empty_at_run_time(name: str) -> None:
    facts = Facts(comment="go", sender="go", instance="go")
    rules = {"comment": Rules(comment=("go",), status=("*",)), "sender": Rules(sender=("go",), status=("*",))}
    asked = rules.get(name, Rules(instance=("go",), status=("*",)))

    assert runs(Ruleset(if_=asked), facts, Status.SUCCESS).why == f"there is no {name} to match 'go'"


@pytest.mark.parametrize(
    ("event", "tag", "expected"),
    [
        ("tag", "v1", True),
        ("deployment:created", "v1", True),
        ("deployment:created", "refs/heads/v1", False),
        ("push", "v1", False),
    ],
)
def test_the_tag_counts_at_run_time_for_tags_and_deployments_of_tags(event: str, tag: str, *, expected: bool) -> None:
    ruleset = Ruleset(if_=Rules(tag=("*v1", "refs/*/v1"), status=("*",)))

    assert runs(ruleset, Facts(event=event, tag=tag), Status.SUCCESS).holds is expected


@pytest.mark.parametrize(
    ("event", "expected"), [("deployment:created", True), ("schedule", True), ("push", False), ("tag", False)]
)
def test_the_target_counts_at_run_time_for_deployments_and_schedules(event: str, *, expected: bool) -> None:
    ruleset = Ruleset(if_=Rules(target=("production",), status=("*",)))

    assert runs(ruleset, Facts(event=event, target="production"), Status.SUCCESS).holds is expected


def test_a_bad_pattern_is_an_error_at_run_time_too() -> None:
    with pytest.raises(BadPatternError):
        runs(Ruleset(if_=Rules(status=("*",), matcher=Matcher.REGEXP)), MAIN, Status.RUNNING)


def test_a_status_rule_is_found_in_either_block() -> None:
    assert has_status_rule(Ruleset(if_=Rules(status=("failure",))))
    assert has_status_rule(Ruleset(unless=Rules(status=("failure",))))
    assert not has_status_rule(Ruleset(if_=Rules(branch=("main",))))


def test_patterns_come_in_the_order_of_comparison_with_the_status_last() -> None:
    rules = Rules(status=("success",), tag=("v*",), branch=("main",))

    assert list(patterns(rules).items()) == [("branch", ("main",)), ("tag", ("v*",)), ("status", ("success",))]


@given(
    branch=st.sampled_from(["", "main", "dev"]),
    event=st.sampled_from(["", "push", "tag"]),
    operator=st.sampled_from(Operator),
)
def test_if_and_unless_of_the_same_rules_are_opposites(branch: str, event: str, operator: Operator) -> None:
    rules = Rules(
        branch=(branch,) if branch else (),
        event=(event,) if event else (),
        operator=operator,
    )
    kept, left_out = keep(Ruleset(if_=rules), MAIN), keep(Ruleset(unless=rules), MAIN)

    assert kept.holds != left_out.holds or not patterns(rules)


ONE = {"A": "1"}
ON_SUCCESS, ON_FAILURE = Ruleset(if_=Rules(status=("success",))), Ruleset(if_=Rules(status=("failure",)))


@pytest.mark.parametrize(("expression", "expected"), [("A == '1'", True), ("A == '2'", False), ("MISSING == ''", True)])
def test_an_expression_is_compared_with_the_environment_of_the_step(expression: str, *, expected: bool) -> None:
    assert keep(Ruleset(if_=Rules(eval=expression)), MAIN, ONE).holds is expected
    assert keep(Ruleset(unless=Rules(eval=expression)), MAIN, ONE).holds is not expected


def test_an_expression_that_decides_is_told() -> None:
    text = "A == '2'"

    assert keep(Ruleset(if_=Rules(eval=text)), MAIN, ONE).why == f"eval {text!r} is false"
    assert keep(Ruleset(unless=Rules(eval="A == '1'")), MAIN, ONE).why == "unless: eval \"A == '1'\" is true"


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (Rules(eval="A == '1'", branch=("dev",), operator=Operator.OR), True),
        (Rules(eval="A == '2'", branch=("main",), operator=Operator.OR), True),
        (Rules(eval="A == '2'", branch=("dev",), operator=Operator.OR), False),
        (Rules(eval="A == '1'", branch=("dev",)), False),
        (Rules(eval="A == '2'", branch=("main",)), False),
        (Rules(eval="A == '1'", branch=("main",)), True),
    ],
)
def test_an_expression_combines_with_the_other_rules(rules: Rules, *, expected: bool) -> None:
    assert keep(Ruleset(if_=rules), MAIN, ONE).holds is expected


def test_an_expression_is_compared_first() -> None:
    decided = Rules(eval="A == '2'", branch=("[",))

    assert not keep(Ruleset(if_=decided), MAIN, ONE)


@pytest.mark.parametrize(
    "ruleset",
    [
        Ruleset(if_=Rules(eval="A")),
        Ruleset(if_=Rules(eval="A", branch=("dev",), operator=Operator.OR)),
        Ruleset(unless=Rules(eval="A")),
        Ruleset(unless=Rules(eval="A", branch=("main",))),
    ],
)
def test_an_expression_is_not_looked_at_while_the_environment_is_not_known(ruleset: Ruleset) -> None:
    assert keep(ruleset, MAIN)


def test_what_stands_beside_an_expression_decides_when_it_can() -> None:
    assert not keep(Ruleset(if_=Rules(eval="A", branch=("dev",))), MAIN)


def test_an_expression_that_is_no_condition_is_an_error() -> None:
    with pytest.raises(BadExpressionError, match="A"):
        keep(Ruleset(if_=Rules(eval="A")), MAIN, ONE)
    with pytest.raises(BadExpressionError):
        runs(Ruleset(if_=Rules(eval="A", status=("*",))), MAIN, Status.SUCCESS, environment=ONE)


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("2", False)])
def test_an_expression_is_looked_at_again_beside_a_status_rule(value: str, *, expected: bool) -> None:
    ruleset = Ruleset(if_=Rules(eval="A == '1'", status=("*",)))

    assert runs(ruleset, MAIN, Status.SUCCESS, environment={"A": value}).holds is expected


def test_an_expression_without_status_rule_is_not_looked_at_again() -> None:
    assert runs(Ruleset(if_=Rules(eval="A == '1'")), MAIN, Status.SUCCESS, environment={})


@pytest.mark.parametrize(
    ("ruleset", "expected"),
    [
        (Ruleset(if_=Rules(eval="A == '1'", status=("*",))), True),
        (Ruleset(if_=Rules(status=("*",)), unless=Rules(eval="A == '1'")), True),
        (Ruleset(if_=Rules(eval="A == '1'")), False),
        (ON_SUCCESS, False),
    ],
)
def test_only_an_expression_beside_a_status_rule_asks_for_the_environment(ruleset: Ruleset, *, expected: bool) -> None:
    assert asks_environment(ruleset) is expected
    assert asks_environment(Ruleset(), ruleset) is expected


@pytest.mark.parametrize(
    ("own", "around", "status", "expected"),
    [
        (Ruleset(), ON_FAILURE, Status.FAILURE, True),
        (Ruleset(), ON_FAILURE, Status.SUCCESS, False),
        (Ruleset(), ON_SUCCESS, Status.FAILURE, False),
        (ON_FAILURE, ON_FAILURE, Status.FAILURE, True),
        (ON_SUCCESS, ON_FAILURE, Status.FAILURE, False),
        (ON_FAILURE, ON_SUCCESS, Status.FAILURE, False),
        (ON_FAILURE, Ruleset(), Status.FAILURE, True),
        (Ruleset(), Ruleset(if_=Rules(branch=("dev",))), Status.SUCCESS, True),
        (Ruleset(), Ruleset(if_=Rules(branch=("dev",))), Status.FAILURE, False),
        (Ruleset(), Ruleset(unless=Rules(status=("success",))), Status.FAILURE, True),
    ],
)
def test_the_ruleset_of_the_stage_counts_as_if_it_stood_on_every_step(
    own: Ruleset, around: Ruleset, status: Status, *, expected: bool
) -> None:
    assert runs(own, MAIN, status, around=around).holds is expected


def test_a_step_that_the_ruleset_of_its_stage_keeps_from_running_is_told_so() -> None:
    verdict = runs(Ruleset(), MAIN, Status.SUCCESS, around=ON_FAILURE)

    assert verdict.why == "stage: status 'success' does not match 'failure'"


def test_the_ruleset_of_the_stage_sees_the_environment_of_the_step() -> None:
    around = Ruleset(if_=Rules(status=("*",), eval="A == '1'"))

    assert runs(Ruleset(), MAIN, Status.FAILURE, around=around, environment=ONE)
    assert not runs(Ruleset(), MAIN, Status.FAILURE, around=around, environment={})
