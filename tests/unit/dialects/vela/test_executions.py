"""The words of executions on a stage and at the top of a file: fork, join, evaluate, globals, links."""

from pathlib import Path

import pytest

from runner.dialects.text import to_plan
from runner.plan.forks import MOST_BRANCHES
from runner.plan.model import Fork, Plan, Pruned, Stage
from runner.plan.trigger import Trigger
from tests.support.pipelines import PUSH, findings_of, plan_of

STEP = "steps: [{name: s, image: i}]"
SAMPLE = Path(__file__).parents[3] / "samples" / "matrix" / ".vela.yml"


def _stages(*stages: str, top: str = "") -> str:
    """Return a file with stages, given as ``name: {keys}`` without their steps."""
    lines = "\n".join(f"  {stage[:-1].rstrip()}{', ' if stage[-2] != '{' else ''}{STEP}}}" for stage in stages)
    return f"version: 1\n{top}\nstages:\n{lines}\n"


def _stage(keys: str, top: str = "") -> Stage:
    return plan_of(_stages(f"a: {{{keys}}}", top=top)).stage("a")


def _told(*stages: str, top: str = "") -> list[str]:
    return findings_of(_stages(*stages, top=top))


@pytest.mark.parametrize(
    "keys", ["fork: [x]", "evaluate: [{name: e, image: i}]", "globals: {}", "links: {x: '!y'}", "join: b"]
)
def test_a_file_with_a_word_of_executions_on_a_stage_has_references(keys: str) -> None:
    assert plan_of(_stages(f"a: {{{keys}}}", "b: {fork: [x]}" if "join" in keys else "b: {}")).mapped


@pytest.mark.parametrize("top", ["globals: {a: 1}", "globals: {}", "links: {a: '!b'}"])
def test_so_has_one_with_such_a_word_at_the_top(top: str) -> None:
    plan = plan_of(f"version: 1\n{top}\nsteps: [{{name: s, image: '!a'}}]")

    (step,) = plan.stages[0].steps
    assert (plan.mapped, step.pipeline, step.id, step.evaluates, step.image) == (True, "steps", "s", False, "!a")


@pytest.mark.parametrize("keys", ["name: a", "fork: ~", "join: ~", "globals: null", "links: ~", "evaluate: ~"])
def test_any_other_file_is_compiled_as_if_there_were_no_references(keys: str) -> None:
    plan = plan_of(_stages(f"a: {{environment: {{A: '!b', B: '@c || d'}}, {keys}}}"))

    (step,) = plan.stage("a").steps
    assert (plan.mapped, step.pipeline, step.id) == (False, "", "")
    assert (step.environment["A"], step.environment["B"]) == ("!b", "@c || d")
    assert plan.stage("a").fork is None


def test_a_fork_over_a_list_has_its_data() -> None:
    assert _stage("fork: [a, 1, 1.20, true, {k: [v]}], fork_limit: 3").fork == Fork(
        values=["a", 1, "1.20", True, {"k": ["v"]}], limit=3
    )


@pytest.mark.parametrize("text", ["!b.globals.x", "b.pipelineParameters.steps.s.primaryReturn", "!x || !y", "x"])
def test_a_fork_over_a_reference_has_its_text(text: str) -> None:
    assert plan_of(_stages(f"a: {{needs: b, fork: '{text}'}}", "b: {}")).stage("a").fork == Fork(values=text)


def test_a_fork_over_no_values_has_no_branches() -> None:
    assert _stage("fork: []").fork == Fork(values=[])


@pytest.mark.parametrize("value", ["3", "true", "{a: b}", "''", "1.5"])
def test_a_fork_over_anything_else_is_an_error_at_its_place(value: str) -> None:
    (told,) = _told(f"a: {{fork: {value}}}")

    assert told == (
        "in.yml:4:13: 'fork' of stage 'a' is neither a list nor a reference to one"
        " (write values as [a, b], or '!stage.pipelineParameters...')"
    )


@pytest.mark.parametrize("value", ["'!a[['", "['!{x']", "[{k: '!{x'}]", "a..b"])
def test_a_reference_that_cannot_be_read_is_an_error_at_its_place(value: str) -> None:
    (told,) = _told(f"a: {{fork: {value}}}")

    assert told.startswith("in.yml:4:")
    assert "'fork' of stage 'a': " in told


def test_a_list_of_too_many_values_is_an_error_at_its_place() -> None:
    values = ", ".join(map(str, range(MOST_BRANCHES + 1)))

    (told,) = _told(f"a: {{fork: [{values}]}}")

    assert told == (
        f"in.yml:4:13: 'fork' of stage 'a' has {MOST_BRANCHES + 1} values, more than {MOST_BRANCHES}"
        " (let each branch do more)"
    )
    assert _stage(f"fork: [{', '.join(map(str, range(MOST_BRANCHES)))}]").fork is not None


@pytest.mark.parametrize("limit", ["0", "-1", "1.5", "two", "1000000000", "9" * 5000, "00001" + "9" * 5000, "²"])
def test_a_limit_is_a_positive_number(limit: str) -> None:
    (told,) = _told(f"a: {{fork: [a], fork_limit: {limit}}}")

    assert told.startswith("in.yml:4:30: 'fork_limit' of stage 'a': ")
    assert told.endswith("is not a number above 0 (write a whole number)")


def test_a_limit_without_a_fork_is_an_error() -> None:
    (told,) = _told("a: {fork_limit: 3}")

    assert told.startswith("in.yml:4:19: stage 'a' has a 'fork_limit' and no 'fork'")


def test_a_stage_cannot_fork_and_join() -> None:
    (told, *_) = _told("a: {fork: [a], join: b}", "b: {fork: [b]}")

    assert told.startswith("in.yml:4:24: stage 'a' is a fork and a join (let one stage join")


@pytest.mark.parametrize("word", ["fork: [a]", "fork_limit: 1", "join: b", "evaluate: [{name: e, image: i}]"])
def test_an_async_stage_has_no_executions_and_the_error_says_why(word: str) -> None:
    told = _told(f"a: {{async: true, {word}}}", "b: {fork: [a]}")

    name = word.partition(":")[0]
    assert f"stage 'a' is async, and has '{name}' (a step starts it, as a run of one stage: put this into" in "\n".join(
        told
    )


def test_steps_that_decide_stand_before_the_others_in_a_pipeline_of_their_own() -> None:
    steps = _stage("evaluate: [{name: e, image: x, commands: [ls]}, {name: f, image: y}]").steps

    assert [(step.name, step.pipeline, step.id, step.evaluates) for step in steps] == [
        ("e", "evaluate", "e", True),
        ("f", "evaluate", "f", True),
        ("s", "steps", "s", False),
    ]
    assert steps[0].commands == ("ls",)


def test_a_name_that_stands_in_both_lists_is_there_twice() -> None:
    (told,) = _told("a: {evaluate: [{name: s, image: x}]}")

    assert "the step 's' is already defined at in.yml:4:25" in told


def test_a_step_that_decides_may_have_rules() -> None:
    plan = plan_of(_stages("a: {evaluate: [{name: e, image: x, ruleset: {branch: other}}]}"))

    assert [step.name for step in plan.stage("a").steps] == ["s"]
    assert [(gone.stage, gone.step) for gone in plan.pruned] == [("a", "e")]


def test_a_step_that_decides_cannot_be_detached() -> None:
    (told,) = _told("a: {evaluate: [{name: e, image: x, detach: true}]}")

    assert "the step 'e' decides about stage 'a', and is detached" in told


def test_a_stage_goes_when_nothing_is_left_that_could_be_decided_about() -> None:
    text = "version: 1\nstages: {a: {evaluate: [{name: e, image: x}], steps: [%s]}}"

    assert plan_of(text % "{name: s, image: i, ruleset: {branch: other}}").pruned[-1] == Pruned(
        stage="a", step="", why="none of its steps is left"
    )
    assert plan_of(text % "").pruned == (Pruned(stage="a", step="", why="it has no steps"),)


def test_a_stage_has_the_data_of_the_pipeline_under_its_own() -> None:
    top = "globals: {a: 1, b: {c: 1.20}}\nlinks: {x: '!a', y: '!b'}"

    found = _stage("globals: {a: '!z'}, links: {y: [1]}", top)

    assert found.globals == {"a": "!z", "b": {"c": "1.20"}}
    assert found.links == {"x": "!a", "y": [1]}


def test_every_stage_has_the_data_of_the_pipeline_async_ones_too() -> None:
    plan = plan_of(_stages("a: {}", "b: {async: true}", top="globals: {a: 1}\nlinks: {x: '!a'}"))

    assert [(each.globals, each.links) for each in (*plan.stages, *plan.async_stages)] == [({"a": 1}, {"x": "!a"})] * 2


def test_globals_and_links_are_maps() -> None:
    assert [line.partition(" (")[0] for line in _told("a: {globals: [a], links: b}")] == [
        "in.yml:4:16: 'globals' of stage 'a' is a list",
        "in.yml:4:28: 'links' of stage 'a' is a single value",
    ]


def test_a_global_that_cannot_be_read_is_an_error_however_deep_it_stands() -> None:
    (told,) = _told("a: {globals: {g: [{h: '!{x'}]}}")

    assert told.startswith("in.yml:4:25: global 'g': ")


def test_links_in_a_circle_are_an_error() -> None:
    (told,) = _told("a: {}", top="links: {x: '!y || z', y: '!x'}")

    assert told.startswith("in.yml:2:9: the links of the pipeline lead in a circle: ")


def test_a_circle_may_lead_over_a_link_of_the_pipeline_and_is_told_where_it_is_closed() -> None:
    (told,) = _told("a: {links: {x: '!y'}}", "b: {}", top="links: {y: '!x'}")

    assert told.startswith("in.yml:4:15: the links of stage 'a' lead in a circle: ")


def test_what_looks_like_a_variable_in_data_is_a_warning() -> None:
    plan = plan_of(_stages("a: {fork: ['${A}']}", top="globals: {x: 'v${VELA_BUILD_COMMIT}'}"))

    assert [line.partition(" (")[0] for line in plan.warnings] == [
        "in.yml:2:14: warning: global 'x': no variables are put in here, and 'v${VELA_BUILD_COMMIT}' stays as it is",
        "in.yml:4:14: warning: 'fork' of stage 'a': no variables are put in here, and '${A}' stays as it is",
    ]


def test_a_name_that_no_reference_can_have_is_a_warning() -> None:
    (warning,) = plan_of(_stages("a: {}", top="globals: {a.b: 1}")).warnings

    assert "globals of the pipeline have 'a.b', to which nothing can refer" in warning


def test_so_much_data_that_the_plan_would_not_fit_anywhere_is_an_error() -> None:
    data = "x" * 100_000
    stages = [f"s{number}: {{}}" for number in range(700)]

    (told,) = _told(*stages, top=f"globals: {{a: {data}}}")

    assert "there are too many globals and links, counted once for each stage (keep data in a file)" in told


def _sample() -> Plan:
    return to_plan(SAMPLE.read_bytes(), ".vela.yml", Trigger(facts=PUSH), strict=True)


def test_the_sample_is_a_fork_with_a_join_and_a_matrix() -> None:
    plan = _sample()

    assert {stage.name: stage.fork.stages for stage in plan.stages if stage.fork} == {
        "build": ("test",),
        "compatible": (),
    }
    assert plan.stage("report").needs == ("build", "test")
