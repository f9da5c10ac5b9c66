"""What of a pipeline stays in the plan."""

import pytest

from runner.naming import ORIGINS, SERVICES
from runner.plan.model import Facts, Plan, Pruned
from tests.support.pipelines import findings_of, plan_of

CHAIN = """
    version: 1
    stages:
      first: {steps: [{name: s, image: i}]}
      second: {needs: first, steps: [{name: s, image: i, ruleset: {branch: dev}}]}
      third: {needs: [second, first], steps: [{name: s, image: i}]}
      fourth: {needs: second, steps: [{name: s, image: i}]}
"""


def _names(plan: Plan) -> dict[str, list[str]]:
    return {stage.name: [step.name for step in stage.steps] for stage in plan.stages}


def test_a_step_whose_ruleset_does_not_match_goes_with_the_reason() -> None:
    plan = plan_of("""
        version: 1
        steps:
          - {name: a, image: i, ruleset: {branch: main}}
          - {name: b, image: i, ruleset: {unless: {branch: "ma*"}}}
          - {name: c, image: i, ruleset: {event: tag, tag: "v*"}}
    """)

    assert _names(plan) == {"steps": ["a"]}
    assert plan.pruned == (
        Pruned(stage="steps", step="b", why="unless: branch 'main' matches 'ma*'"),
        Pruned(stage="steps", step="c", why="event 'push' does not match 'tag'"),
    )


def test_a_stage_without_steps_goes_after_its_last_step() -> None:
    assert plan_of(CHAIN).pruned == (
        Pruned(stage="second", step="s", why="branch 'main' does not match 'dev'"),
        Pruned(stage="second", step="", why="none of its steps is left"),
    )


def test_a_stage_that_went_frees_those_that_need_it_without_a_transitive_wait() -> None:
    assert {stage.name: stage.needs for stage in plan_of(CHAIN).stages} == {
        "first": (),
        "third": ("first",),
        "fourth": (),
    }


def test_the_same_file_keeps_the_stage_where_the_rule_matches() -> None:
    plan = plan_of(CHAIN, Facts(branch="dev", event="push"))

    assert plan.pruned == ()
    assert plan.stage("third").needs == ("second", "first")


def test_a_clone_stage_that_went_is_needed_by_nobody() -> None:
    plan = plan_of("""
        version: 1
        stages:
          clone: {steps: [{name: clone, image: git, ruleset: {event: tag}}]}
          build: {steps: [{name: s, image: i}]}
    """)

    assert plan.stage("build").needs == ()


def test_services_go_by_their_rulesets_too() -> None:
    plan = plan_of("""
        version: 1
        services:
          - {name: db, image: postgres, ruleset: {event: tag}}
          - {name: cache, image: redis, ruleset: {event: push}}
        steps: [{name: s, image: i}]
    """)

    assert [service.name for service in plan.services] == ["cache"]
    assert plan.pruned == (Pruned(stage=SERVICES, step="db", why="event 'push' does not match 'tag'"),)


def test_plugins_that_fetch_secrets_go_by_their_rulesets_too() -> None:
    plan = plan_of("""
        version: 1
        secrets:
          - origin: {name: a, image: i, ruleset: {event: tag}}
          - origin: {name: b, image: i, ruleset: {event: push}}
        steps: [{name: s, image: i}]
    """)

    assert [origin.name for origin in plan.origins] == ["b"]
    assert plan.pruned == (Pruned(stage=ORIGINS, step="a", why="event 'push' does not match 'tag'"),)


def test_where_nothing_is_left_to_run_no_secret_is_fetched() -> None:
    plan = plan_of("""
        version: 1
        secrets: [{origin: {name: a, image: i}}]
        steps: [{name: s, image: i, ruleset: {event: tag}}]
    """)

    assert plan.origins == ()


def test_two_plugins_of_one_name_are_an_error_with_both_places() -> None:
    (told,) = findings_of(
        "version: 1\nsecrets: [{origin: {name: v, image: i}}, {origin: {name: v, image: j}}]\n"
        "steps: [{name: s, image: i}]"
    )

    assert "the origin 'v' is already defined at in.yml:2:27" in told


def test_steps_of_a_stage_that_goes_are_not_looked_at() -> None:
    plan = plan_of("""
        version: 1
        stages:
          a: {ruleset: {event: tag}, steps: [{name: s, image: i}, {name: s, image: i, ruleset: {branch: "["}}]}
          b: {steps: [{name: s, image: i}]}
    """)

    assert plan.warnings == ()
    assert [(gone.stage, gone.step) for gone in plan.pruned] == [("a", "")]


@pytest.mark.parametrize(
    ("expression", "left"),
    [("A == '1'", ["a"]), ("A != '1'", []), ("NOPE == ''", ["a"]), ("VELA_BUILD_EVENT in ['push', 'tag']", ["a"])],
)
def test_steps_go_by_expressions_over_their_variables(expression: str, left: list[str]) -> None:
    plan = plan_of(f"""
        version: 1
        environment: {{A: 1}}
        steps: [{{name: a, image: i, ruleset: {{eval: "{expression}"}}}}]
    """)

    assert [step.name for stage in plan.stages for step in stage.steps] == left


def test_a_step_that_an_expression_removes_says_so() -> None:
    plan = plan_of("version: 1\nsteps: [{name: a, image: i, ruleset: {eval: \"CI == 'x'\"}}]")

    assert plan.pruned[0] == Pruned(stage="steps", step="a", why="eval \"CI == 'x'\" is false")


def test_steps_with_a_status_rule_stay_for_the_run_to_decide() -> None:
    plan = plan_of("""
        version: 1
        steps:
          - {name: a, image: i, ruleset: {status: failure}}
          - {name: b, image: i, ruleset: {unless: {status: failure}}}
    """)

    assert _names(plan) == {"steps": ["a", "b"]}


def test_everything_may_go() -> None:
    plan = plan_of("version: 1\nsteps: [{name: s, image: i, ruleset: {event: tag}}]")

    assert plan.stages == ()
    assert len(plan.pruned) == 2


@pytest.mark.parametrize("steps", ["steps: []", "steps: ~", "needs: []"])
def test_a_stage_that_was_written_without_steps_is_left_out_with_a_warning(steps: str) -> None:
    plan = plan_of(f"version: 1\nstages:\n  a: {{{steps}}}\n  b: {{steps: [{{name: s, image: i}}]}}")

    assert _names(plan) == {"b": ["s"]}
    assert plan.pruned == (Pruned(stage="a", step="", why="it has no steps"),)
    assert [warning.split(": ", 1)[1] for warning in plan.warnings] == [
        "warning: stage 'a' has no steps (it is left out)"
    ]


def test_two_steps_of_one_name_in_a_stage_are_an_error_with_both_places() -> None:
    assert findings_of("version: 1\nsteps:\n  - {name: a, image: i}\n  - {name: a, image: i}") == [
        "in.yml:4:12: the step 'a' is already defined at in.yml:3:12 (give each a name of its own)"
    ]


def test_the_same_step_by_an_alias_is_a_duplicate_too() -> None:
    (told,) = findings_of("version: 1\nsteps:\n  - &a {name: a, image: i}\n  - *a")

    assert "the step 'a' is already defined at" in told


def test_two_stages_of_one_name_are_an_error_with_both_places() -> None:
    assert findings_of("""
        version: 1
        stages:
          a: {steps: [{name: s, image: i}]}
          b: {name: a, steps: [{name: s, image: i}]}
    """) == ["in.yml:5:13: the stage 'a' is already defined at in.yml:4:3 (give each a name of its own)"]


def test_two_services_of_one_name_are_an_error_with_both_places() -> None:
    (told,) = findings_of(
        "version: 1\nservices: [{name: d, image: i}, {name: d, image: j}]\nsteps: [{name: s, image: i}]"
    )

    assert "the service 'd' is already defined at in.yml:2:19" in told


def test_steps_of_different_stages_may_share_a_name() -> None:
    assert len(plan_of(CHAIN).stages) == 3


def test_of_two_steps_of_one_name_rules_may_keep_one_or_the_other() -> None:
    text = """
        version: 1
        steps:
          - {name: deploy, image: staging, ruleset: {event: push}}
          - {name: deploy, image: production, ruleset: {event: tag}}
    """

    assert plan_of(text).stages[0].steps[0].image == "staging"
    assert plan_of(text, Facts(event="tag")).stages[0].steps[0].image == "production"


def test_steps_named_clone_and_init_are_ordinary() -> None:
    plan = plan_of("version: 1\nsteps:\n  - {name: init, image: i}\n  - {name: clone, image: i}")

    assert _names(plan) == {"steps": ["init", "clone"]}


def test_a_second_step_named_clone_is_a_duplicate_since_nothing_here_clones_by_itself() -> None:
    (told,) = findings_of("version: 1\nsteps:\n  - {name: clone, image: i}\n  - {name: clone, image: i}")

    assert "the step 'clone' is already defined at" in told
