"""The forms of an environment; Vela's own cases are in tests/conformance."""

import pytest

from tests.support.pipelines import step_findings, step_of


@pytest.mark.parametrize(
    ("yaml", "variables"),
    [
        (
            "environment: {A: 1.50, B: yes, C: null, D: '', E: 0755}",
            {"A": "1.50", "B": "yes", "C": "", "D": "", "E": "0755"},
        ),
        ("environment: [A=1, B=x=y, 'C=']", {"A": "1", "B": "x=y", "C": ""}),
        ("environment: [A=1, A=2]", {"A": "2"}),
        ("environment: A=1", {"A": "1"}),
        ("environment:", {}),
        ("environment: []", {}),
        ("environment: {my.dotted-name: 1, 'with space': 2}", {"my.dotted-name": "1", "with space": "2"}),
        ('environment: {A: "two\\nlines"}', {"A": "two\nlines"}),
        ("environment: {A: $B, C: '$(d)'}", {"A": "$B", "C": "$(d)"}),
    ],
)
def test_an_environment_is_a_map_a_list_or_a_single_pair(yaml: str, variables: dict[str, str]) -> None:
    assert step_of(yaml).environment == variables


@pytest.mark.parametrize("yaml", ["environment: A", "environment: [A]"])
def test_a_pair_without_a_value_is_an_error(yaml: str) -> None:
    (told,) = step_findings(yaml)

    assert told.endswith("'A' in the environment of step 's' has no value (write NAME=VALUE, or a map)")


@pytest.mark.parametrize(
    "yaml", ["environment: {'': 1}", "environment: ['=1']", "environment: {'A=B': 1}", 'environment: {"A\\nB": 1}']
)
def test_a_name_that_no_variable_can_have_is_an_error(yaml: str) -> None:
    (told,) = step_findings(yaml)

    assert "in the environment of step 's' cannot be the name of a variable" in told
    assert told.endswith("(a name is not empty, and has no '=' and no newline)")


def test_a_nul_byte_does_not_reach_a_variable() -> None:
    (told,) = step_findings('environment: {A: "b\\0"}')

    assert "NUL" in told


@pytest.mark.parametrize("yaml", ["environment: {A: [1]}", "environment: [{A: 1}]", "environment: {A: {B: 1}}"])
def test_a_value_of_several_values_is_an_error(yaml: str) -> None:
    (told,) = step_findings(yaml)

    assert "'environment' of step 's' holds a" in told


@pytest.mark.parametrize("yaml", ["environment: {A: '${B}'}", "environment: ['A=${B}']", "environment: A=$${B}"])
def test_a_variable_in_a_value_is_refused_by_name(yaml: str) -> None:
    (told,) = step_findings(yaml)

    assert "holds '${', and variables in a pipeline are not supported yet" in told
