"""Globals, links and presets of executions."""

import pytest

from runner.plan.trigger import Trigger
from tests.support.metalus import executions, finding_of, findings_of, plan_of, stage_of, warnings_of

APPLICATION = """globals:
  a: app
  both: app
  GlobalLinks: {one: '!x', two: '!y'}
"""


def test_globals_are_data_with_the_types_that_their_spelling_has() -> None:
    stage = stage_of(
        "globals: {t: true, n: 42, f: 1.5, z: null, s: text, q: '42', v: 1.20, o: 007, y: yes, l: [1, {k: v}]}"
    )

    typed = {"t": True, "n": 42, "f": 1.5, "z": None, "s": "text", "l": [1, {"k": "v"}]}
    assert stage.globals == {**typed, "q": "42", "v": "1.20", "o": "007", "y": "yes"}


@pytest.mark.parametrize(
    ("keys", "globals_", "links"),
    [
        ("", {"a": "app", "both": "app"}, {"one": "!x", "two": "!y"}),
        ("mergeGlobals: true", {"a": "app", "both": "app"}, {"one": "!x", "two": "!y"}),
        ("globals: {}", {}, {}),
        ("globals: null", {"a": "app", "both": "app"}, {"one": "!x", "two": "!y"}),
        ("globals: {both: own}", {"both": "own"}, {}),
        ("globals: {both: own}, mergeGlobals: false", {"both": "own"}, {}),
        ("globals: {both: own}, mergeGlobals: true", {"a": "app", "both": "own"}, {"one": "!x", "two": "!y"}),
        ("globals: {GlobalLinks: {one: o}}, mergeGlobals: true", {"a": "app", "both": "app"}, {"one": "o"}),
        ("globals: {GlobalLinks: {}}, mergeGlobals: true", {"a": "app", "both": "app"}, {}),
        ("globals: {GlobalLinks: {one: '!z'}}", {}, {"one": "!z"}),
    ],
)
def test_an_execution_has_the_globals_of_the_application_or_its_own(
    keys: str, globals_: dict[str, str], links: dict[str, str]
) -> None:
    stage = stage_of(keys, APPLICATION)

    assert (stage.globals, stage.links) == (globals_, links)


def test_merging_goes_no_deeper_than_names() -> None:
    stage = stage_of("globals: {m: {b: 2}}, mergeGlobals: true", "globals: {m: {a: 1}}\n")

    assert stage.globals == {"m": {"b": 2}}


@pytest.mark.parametrize(
    ("keys", "globals_"),
    [
        ("", {"a": "app", "both": "app", "given": "1", "flag": True}),
        ("globals: {both: own}", {"a": "given", "both": "own", "given": "1", "flag": True}),
        ("globals: {both: own}, mergeGlobals: true", {"a": "app", "both": "own", "given": "1", "flag": True}),
    ],
)
def test_parameters_of_the_trigger_are_globals_under_those_of_the_document(keys: str, globals_: dict[str, str]) -> None:
    given = Trigger(parameters={"a": "given", "both": "given", "given": "1", "flag": "true"})

    assert stage_of(keys, APPLICATION, given).globals == globals_


def test_parameters_of_the_trigger_are_no_references() -> None:
    given = Trigger(parameters={"a": "!A.globals.b", "b": "x !{c} || @d", "c": "plain || text"})

    assert stage_of("", "", given).globals == {
        "a": r"\!A.globals.b",
        "b": r"x \!{c} || \@d",
        "c": "plain || text",
    }


def test_links_may_be_data_and_may_lead_to_links() -> None:
    stage = stage_of("globals: {GlobalLinks: {a: [1, '!x'], b: '!a[1].k || none', c: plain}}")

    assert stage.links == {"a": [1, "!x"], "b": "!a[1].k || none", "c": "plain"}


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("globals: [a]", "'globals' of execution 'A' is a list (it must be a map)"),
        ("globals: {GlobalLinks: [a]}", "'GlobalLinks' of execution 'A' is no map"),
        ("globals: {a: '!x[y]'}", "the global 'a' of execution 'A': !x[y]: '[y]' is neither a key nor an index"),
        ("globals: {a: [{b: '!{x'}]}", "the global 'a' of execution 'A': !{x: !{ has no } behind it"),
        ("globals: {GlobalLinks: {l: '@s..x'}}", "the link 'l' of execution 'A': @s..x: "),
        ("mergeGlobals: maybe", "'mergeGlobals' of execution 'A' is 'maybe', and not a boolean"),
        ("pipelineParameters: [a]", "'pipelineParameters' of execution 'A' is a list"),
        ("pipelineParameters: {w: 1}", "has no map of values for the pipeline 'w'"),
        ("pipelineParameters: {parameters: [{parameters: {}}]}", "holds an entry without 'pipelineId'"),
        ("pipelineParameters: {parameters: [w]}", "holds an entry without 'pipelineId'"),
        ("pipelineParameters: {parameters: [{pipelineId: w, parameters: 1}]}", "for the pipeline 'w'"),
    ],
)
def test_values_of_a_wrong_kind_are_errors(keys: str, told: str) -> None:
    assert told in finding_of(executions(f"{{id: A, {keys}}}"))


def test_what_is_wrong_in_the_globals_of_the_application_is_told_once() -> None:
    text = executions("{id: A}\n{id: B}", "globals: {a: '!x[y]', GlobalLinks: {l: '!{'}}\n")

    assert [finding.split(":")[:2] for finding in findings_of(text)] == [["1", "14"], ["1", "40"]]


def test_a_link_without_a_value_is_told_of_and_is_none() -> None:
    text = executions("{id: A}", "globals:\n  GlobalLinks:\n    l: #step.name\n")

    (warning,) = warnings_of(text)
    assert warning.startswith("3:7: warning: the link 'l' of the application has no value (put one that begins with")
    assert plan_of(text).stages[0].links == {}


METALUS_FORM = "{parameters: [{pipelineId: w, parameters: {k: 1}}, {pipelineId: v, parameters: {x: '!y'}}]}"


@pytest.mark.parametrize("written", [METALUS_FORM, "{w: {k: 1}, v: {x: '!y'}}"])
def test_presets_stand_in_a_list_as_in_metalus_or_in_a_map(written: str) -> None:
    expected = {"w": {"k": 1}, "v": {"x": "!y"}}

    assert stage_of(f"pipelineParameters: {written}").parameters == expected
    assert stage_of("", f"pipelineParameters: {written}\n").parameters == expected


def test_presets_of_one_pipeline_may_stand_in_two_entries() -> None:
    entries = "{pipelineId: w, parameters: {a: 1, b: 1}}, {pipelineId: w, parameters: {b: 2}}, {pipelineId: v}"

    assert stage_of(f"pipelineParameters: {{parameters: [{entries}]}}").parameters == {"w": {"a": 1, "b": 2}, "v": {}}


def test_a_pipeline_may_be_called_parameters() -> None:
    assert stage_of("pipelineParameters: {parameters: {k: v}}").parameters == {"parameters": {"k": "v"}}


def test_presets_of_an_execution_replace_those_of_the_application_as_a_whole() -> None:
    before = "pipelineParameters: {w: {k: app}}\n"

    assert stage_of("", before).parameters == {"w": {"k": "app"}}
    assert stage_of("pipelineParameters: {v: {x: own}}", before).parameters == {"v": {"x": "own"}}
    assert stage_of("pipelineParameters: {}", before).parameters == {}
