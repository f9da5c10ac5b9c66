"""Stages."""

import pytest

from runner.plan.model import Facts, Pruned, Rules, Ruleset, Workspace
from tests.support.pipelines import findings_of, plan_of, variables_of

STEP = "steps: [{name: s, image: i}]"


def _needs(*stages: str) -> dict[str, tuple[str, ...]]:
    """Compile stages given as ``name: {keys}`` without their steps."""
    lines = "\n".join(f"  {stage[:-1].rstrip()}{', ' if stage[-2] != '{' else ''}{STEP}}}" for stage in stages)
    plan = plan_of(f"version: 1\nstages:\n{lines}\n")
    return {stage.name: stage.needs for stage in plan.stages}


def test_plain_steps_are_one_stage() -> None:
    plan = plan_of(f"version: 1\n{STEP}")

    assert [(stage.name, stage.needs) for stage in plan.stages] == [("steps", ())]


def test_every_key_of_a_stage_reaches_the_plan() -> None:
    keys = "independent: true, timeout: 5m, retry: 1, workspace: shared, ruleset: {branch: main, status: failure}"
    stage = plan_of(f"version: 1\nstages:\n  a: {{{keys}, {STEP}}}").stages[0]

    assert (stage.name, stage.independent, stage.timeout, stage.retry) == ("a", True, 300, 1)
    assert stage.workspace is Workspace.SHARED
    assert stage.ruleset == Ruleset(if_=Rules(branch=("main",), status=("failure",)))


def test_stages_keep_the_order_of_the_file() -> None:
    assert list(_needs("z: {}", "a: {}", "m: {}")) == ["z", "a", "m"]


def test_a_name_overrides_the_key_also_for_needs() -> None:
    assert _needs("a: {name: first}", "b: {needs: first}") == {"first": (), "b": ("first",)}


def test_needs_may_be_a_single_name_and_a_later_stage() -> None:
    assert _needs("a: {needs: b}", "b: {}", "c: {needs: [a, b]}") == {"a": ("b",), "b": (), "c": ("a", "b")}


def test_every_stage_needs_a_stage_named_clone() -> None:
    assert _needs("clone: {}", "init: {}", "a: {}", "b: {needs: [a]}", "c: {needs: clone}") == {
        "clone": (),
        "init": (),
        "a": ("clone",),
        "b": ("a", "clone"),
        "c": ("clone",),
    }


def test_a_stage_that_clone_waits_for_does_not_wait_for_clone() -> None:
    assert _needs("clone: {needs: b}", "a: {}", "b: {needs: a}", "c: {}") == {
        "clone": ("b",),
        "a": (),
        "b": ("a",),
        "c": ("clone",),
    }


def test_without_a_stage_named_clone_nothing_is_added() -> None:
    assert _needs("a: {}", "b: {}") == {"a": (), "b": ()}


def test_needing_a_clone_that_is_not_there_is_no_surprise_but_a_warning() -> None:
    plan = plan_of(f"version: 1\nstages:\n  a: {{needs: [clone], {STEP}}}")

    assert plan.stages[0].needs == ()
    assert "needs 'clone', and there is no such stage" in plan.warnings[0]


def test_the_environment_of_a_step_wins_over_that_of_its_stage_and_that_over_the_global_one() -> None:
    plan = plan_of("""
        version: 1
        environment: {A: global, B: global, C: global}
        stages:
          a:
            environment: {B: stage, C: stage}
            steps: [{name: s, image: i, environment: {C: step}}]
          b:
            steps: [{name: s, image: i}]
    """)

    assert variables_of(plan.stages[0].steps[0]) == {"A": "global", "B": "stage", "C": "step"}
    assert variables_of(plan.stages[1].steps[0]) == {"A": "global", "B": "global", "C": "global"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            f"stages: {{a: {{{STEP}}}}}\n{STEP}",
            "3:8: a pipeline has 'stages' or 'steps', not both (move the steps to a stage)",
        ),
        ("secrets: []", "1:1: there are no 'stages' and no 'steps' (write one of them)"),
        ("stages:\nsteps: ~", "1:1: there are no 'stages' and no 'steps' (write one of them)"),
        ("stages: [a]", "2:9: 'stages' of the pipeline is a list (it must be a map)"),
        ("stages: {a: [b]}", "2:13: the stage 'a' is not a map (write its steps under 'steps')"),
        ("stages: {a: }", "2:13: the stage 'a' is not a map (write its steps under 'steps')"),
        (
            f"stages: {{a: {{needs: a, {STEP}}}}}",
            "2:21: the stage 'a' needs itself (remove it from its own needs)",
        ),
        (
            f"stages: {{a: {{needs: {{b: c}}, {STEP}}}}}",
            "2:21: 'needs' of stage 'a' is a map (it must be a list, or a single value)",
        ),
        (
            f"stages: {{a: {{independent: 1, {STEP}}}}}",
            "2:27: 'independent' of stage 'a' is '1', and not a boolean (write true or false, without quotes)",
        ),
    ],
)
def test_stages_that_cannot_be_say_what_would_be_right(text: str, told: str) -> None:
    assert findings_of(f"version: 1\n{text}") == [f"in.yml:{told}"]


def test_a_cycle_is_an_error_even_where_a_rule_would_break_it() -> None:
    (told,) = findings_of("""
        version: 1
        stages:
          a: {needs: b, steps: [{name: s, image: i, ruleset: {branch: dev}}]}
          b: {needs: a, steps: [{name: s, image: i}]}
    """)

    assert told.endswith("stages wait for each other: a -> b -> a (remove one of these needs)")


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("'@services'", "nothing can be named '@services'"),
        ("''", "a stage has an empty name"),
        (r'"a\nb"', "holds a control character"),
    ],
)
def test_a_stage_whose_key_cannot_be_a_name_is_refused(key: str, told: str) -> None:
    (finding,) = findings_of(f"version: 1\nstages: {{{key}: {{steps: [{{name: s, image: i}}]}}}}")

    assert told in finding


@pytest.mark.parametrize("word", ["own", "shared", "none"])
def test_a_workspace_is_one_of_three(word: str) -> None:
    assert plan_of(f"version: 1\nstages: {{a: {{workspace: {word}, {STEP}}}}}").stages[0].workspace == word


def test_another_workspace_is_an_error() -> None:
    (told,) = findings_of(f"version: 1\nstages: {{a: {{workspace: mine, {STEP}}}}}")

    assert told == "in.yml:2:25: 'workspace' of stage 'a' is 'mine' (it must be one of own, fresh, shared, none)"


@pytest.mark.parametrize("word", ["fail", "rerun"])
def test_a_stage_says_what_becomes_of_steps_that_are_lost(word: str) -> None:
    assert plan_of(f"version: 1\nstages: {{a: {{on_lost: {word}, {STEP}}}}}").stages[0].on_lost == word


def test_lost_steps_fail_unless_a_stage_says_more() -> None:
    assert plan_of(f"version: 1\nstages: {{a: {{{STEP}}}}}").stages[0].on_lost == "fail"


def test_anything_else_to_become_of_lost_steps_is_an_error() -> None:
    (told,) = findings_of(f"version: 1\nstages: {{a: {{on_lost: retry, {STEP}}}}}")

    place = "in.yml:2:23: 'on_lost' of stage 'a' is 'retry'"
    assert told == f"{place} (did you mean 'rerun'? it must be one of fail, rerun)"


RULED = """
    version: 1
    stages:
      a: {ruleset: {branch: main}, steps: [{name: s, image: i}]}
      b: {needs: a, steps: [{name: s, image: i}]}
"""


def test_a_stage_whose_ruleset_does_not_match_goes_whole_and_frees_those_that_need_it() -> None:
    plan = plan_of(RULED, Facts(branch="dev", event="push"))

    assert plan.pruned == (Pruned(stage="a", step="", why="branch 'dev' does not match 'main'"),)
    assert [(stage.name, stage.needs) for stage in plan.stages] == [("b", ())]


def test_a_stage_whose_ruleset_matches_stays_with_it() -> None:
    stage = plan_of(RULED).stage("a")

    assert stage.ruleset == Ruleset(if_=Rules(branch=("main",)))
    assert stage.steps[0].ruleset == Ruleset()


def test_the_ruleset_of_a_stage_sees_the_variables_of_the_stage() -> None:
    text = """
        version: 1
        environment: {A: global, B: "${VELA_BUILD_BRANCH}"}
        stages:
          a:
            environment: {A: dev}
            ruleset: {branch: ["${A}", "${VELA_BUILD_BRANCH}"], eval: "A == 'dev' and B == 'main'", operator: and}
            steps: [{name: s, image: i}]
    """

    assert plan_of(text).stage("a").ruleset.if_.branch == ("dev", "main")


def test_a_bad_expression_of_a_stage_is_an_error_at_its_place() -> None:
    (told,) = findings_of(f"version: 1\nstages: {{a: {{ruleset: {{eval: 'A =='}}, {STEP}}}}}")

    assert told.startswith("in.yml:2:30: ")


def test_steps_are_told_the_name_of_their_stage() -> None:
    plan = plan_of(f"version: 1\nstages: {{a: {{name: b, {STEP}}}}}")

    assert plan.stages[0].steps[0].environment["VELA_STEP_STAGE"] == "b"
    assert plan_of(f"version: 1\n{STEP}").stages[0].steps[0].environment["VELA_STEP_STAGE"] == ""


def test_steps_are_numbered_through_all_stages_that_are_left() -> None:
    plan = plan_of("""
        version: 1
        stages:
          a: {steps: [{name: s, image: i}, {name: gone, image: i, ruleset: {branch: dev}}, {name: t, image: i}]}
          b: {steps: [{name: s, image: i}]}
    """)
    numbers = [step.environment["VELA_STEP_NUMBER"] for stage in plan.stages for step in stage.steps]

    assert numbers == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("needs", "left"), [("a", ("a",)), ("[a, a]", ("a",)), ("[a, null]", ("a",)), ("", ()), ("[]", ()), ("~", ())]
)
def test_needs_take_all_forms_of_a_list(needs: str, left: tuple[str, ...]) -> None:
    plan = plan_of(f"version: 1\nstages: {{a: {{{STEP}}}, b: {{needs: {needs}, {STEP}}}}}")

    assert plan.stage("b").needs == left


def test_a_stage_is_not_looked_through_for_variables() -> None:
    plan = plan_of(f"version: 1\nenvironment: {{A: x}}\nstages: {{a: {{name: 'b${{A}}', {STEP}}}}}")

    assert plan.stages[0].name == "b${A}"
