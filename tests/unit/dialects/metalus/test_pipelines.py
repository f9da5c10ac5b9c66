"""Which pipelines an execution runs."""

import pytest

from runner.dialects.metalus.keys import PULLS
from tests.support.metalus import finding_of, findings_of, plan_of, warnings_of

THREE = """
pipelines:
  - {id: p1, steps: [{id: s, image: one}]}
  - {id: p2, steps: [{id: s, image: two}]}
  - {id: p3, steps: [{id: s, image: three}]}
"""
INLINE = "{id: in, steps: [{id: s, image: i}]}"


def _text(keys: str) -> str:
    return f"{THREE}executions:\n  - {{id: A, {keys}}}\n"


def _images(keys: str) -> list[str]:
    return [step.image for step in plan_of(_text(keys)).stages[0].steps]


@pytest.mark.parametrize("keys", ["parents: []", "pipelineIds: []", "pipelines: []", "pipelineIds: null"])
def test_without_a_choice_all_pipelines_of_the_application_run(keys: str) -> None:
    assert _images(keys) == ["one", "two", "three"]


def test_named_pipelines_run_in_the_order_of_their_names() -> None:
    assert _images("pipelineIds: [p3, p1]") == ["three", "one"]


def test_without_names_those_of_the_execution_itself_run_in_their_order() -> None:
    assert _images(f"pipelines: [{INLINE}, {{id: p1, steps: [{{id: s, image: own}}]}}]") == ["i", "own"]


def test_a_definition_of_the_execution_counts_before_one_of_the_application() -> None:
    own = "{id: p1, steps: [{id: s, image: own}]}"

    assert _images(f"pipelines: [{own}], pipelineIds: [p2, p1]") == ["two", "own"]


def test_the_order_of_names_counts_wherever_the_definitions_stand() -> None:
    assert _images(f"pipelines: [{INLINE}], pipelineIds: [p1, in, p2]") == ["one", "i", "two"]


def test_a_definition_that_is_not_named_is_told_of() -> None:
    assert warnings_of(_text(f"pipelines: [{INLINE}], pipelineIds: [p1]")) == [
        "7:30: warning: the pipeline 'in' of execution 'A' is not named in 'pipelineIds' (it does not run)"
    ]


@pytest.mark.parametrize(("name", "images"), [("p1", ["one", "two"]), ("p2", ["two"])])
def test_what_stands_before_the_initial_pipeline_is_left_out(name: str, images: list[str]) -> None:
    assert _images(f"pipelineIds: [p1, p2], initialPipelineId: {name}") == images


def test_the_initial_pipeline_must_be_one_that_runs() -> None:
    assert finding_of(_text("pipelineIds: [p1, p2], initialPipelineId: other")) == (
        "7:55: 'initialPipelineId' of execution 'A' names the pipeline 'other', and there is no such pipeline "
        "(it must be one of those that the execution runs)"
    )


@pytest.mark.parametrize("key", ["pipelineIds", "evaluationPipelineIds"])
def test_an_unknown_pipeline_is_an_error_with_the_nearest(key: str) -> None:
    near, far = findings_of(_text(f"{key}: [p11, ghost]"))

    assert near.endswith(
        f"{key!r} of execution 'A' names the pipeline 'p11', and there is no such pipeline (did you mean 'p1'?)"
    )
    assert far.endswith("'ghost', and there is no such pipeline (define it under 'pipelines' of the application)")


@pytest.mark.parametrize("key", ["pipelineIds", "evaluationPipelineIds"])
def test_a_pipeline_that_is_named_twice_is_an_error(key: str) -> None:
    assert f"{key!r} of execution 'A' names the pipeline 'p1' twice" in finding_of(_text(f"{key}: [p1, p2, p1]"))


def test_evaluation_pipelines_are_only_those_that_are_named_or_stand_there() -> None:
    assert _images("pipelineIds: [p1], evaluationPipelineIds: []") == ["one"]
    assert _images("pipelineIds: [p1], evaluationPipelineIds: [p3]") == ["three", "one"]
    assert _images(f"pipelineIds: [p1], evaluationPipelines: [{INLINE}]") == ["i", "one"]
    assert _images(f"pipelineIds: [p1], evaluationPipelines: [{INLINE}], evaluationPipelineIds: [p2, in]") == [
        *("two", "i", "one")
    ]


def test_a_definition_for_the_evaluation_is_none_for_the_execution() -> None:
    told = finding_of(_text(f"pipelineIds: [in], evaluationPipelines: [{INLINE}]"))

    assert "'pipelineIds' of execution 'A' names the pipeline 'in'" in told


def test_without_any_pipeline_there_is_nothing_to_run() -> None:
    assert finding_of("executions: [{id: EMPTY}]") == (
        "1:14: execution 'EMPTY' has no pipelines, and neither has the application "
        "(write them under 'pipelines' of the application)"
    )


@pytest.mark.parametrize("keys", ["id: q", "id: q, steps: []", "id: q, steps: ~"])
def test_a_pipeline_without_steps_is_an_error_even_if_nobody_runs_it(keys: str) -> None:
    text = f"{THREE}  - {{{keys}}}\nexecutions: [{{id: A, pipelineIds: [p1]}}]\n"

    assert "pipeline 'q' has no steps (write them under 'steps')" in finding_of(text)


def test_ids_of_pipelines_and_steps_are_each_once_in_their_list() -> None:
    twice = "{id: q, steps: [{id: s, image: i}, {id: s, image: i}]}"
    text = f"{THREE}  - {twice}\n  - {twice}\nexecutions: [{{id: A, pipelineIds: [p1]}}]\n"

    told = findings_of(text)

    assert [finding.split(" (")[0] for finding in told] == [
        "6:45: the step 's' is already defined at in.yml:6:26",
        "7:10: the pipeline 'q' is already defined at in.yml:6:10",
        "7:45: the step 's' is already defined at in.yml:7:26",
    ]


def test_the_first_of_two_definitions_is_the_one_that_others_name() -> None:
    told = findings_of(f"{THREE}  - {{id: p1, steps: [{{id: t, image: [i]}}]}}\nexecutions: [{{id: A}}]\n")

    assert len(told) == 2
    assert told[0].startswith("6:10: the pipeline 'p1' is already defined at in.yml:3:10")


@pytest.mark.parametrize("keys", ["steps: [{id: s, image: i}]", "id: null, steps: [{id: s, image: i}]"])
def test_a_pipeline_needs_an_id(keys: str) -> None:
    assert "a pipeline has no 'id'" in finding_of(f"{THREE}  - {{{keys}}}\nexecutions: [{{id: A}}]\n")


def test_ids_of_pipelines_cannot_hold_what_separates_them_from_steps() -> None:
    told = finding_of(f"{THREE}  - {{id: a/b, steps: [{{id: s, image: i}}]}}\nexecutions: [{{id: A}}]\n")

    assert told.startswith("6:10: the id 'a/b' holds")


def test_what_is_for_people_means_nothing() -> None:
    people = "name: P, description: [x], category: pipeline, tags: {a: b}"

    assert _images(f"pipelines: [{{id: q, {people}, steps: [{{id: s, image: i}}]}}]") == ["i"]


def test_all_of_velas_words_for_pulling_are_known() -> None:
    assert {word: policy.value for word, policy in PULLS.items()} == {
        "true": "always",
        "false": "not_present",
        **{word: word for word in ("always", "not_present", "on_start", "never")},
    }
