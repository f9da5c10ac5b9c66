"""The parameters of a step; Vela's own cases are in tests/conformance."""

import textwrap

import pytest

from runner.dialects.source import Findings, Mapping, load
from runner.dialects.vela import keys
from runner.dialects.vela.fields import Fields
from runner.dialects.vela.parameters import read_parameters
from runner.errors import Severity


def _read(yaml: str) -> tuple[dict[str, str], list[str]]:
    """Return the variables and what is told; an error is told without a word before it, a warning with one."""
    findings = Findings()
    root = load(textwrap.dedent(yaml).encode(), "f.yml", findings)
    assert isinstance(root, Mapping)
    variables = read_parameters(Fields(root, "step 's'", findings, keys.STEP))
    warning = {Severity.WARNING: "warning: ", Severity.ERROR: ""}
    return variables, [f"{warning[item.severity]}{item.place}: {item.message} ({item.hint})" for item in findings.items]


def _value(yaml: str) -> str:
    """Return what becomes of one value, about which nothing is told."""
    variables, told = _read(f"parameters: {{p: {yaml}}}")
    assert told == []
    return variables["PARAMETER_P"]


def _told(yaml: str) -> list[str]:
    return _read(yaml)[1]


@pytest.mark.parametrize("yaml", ["image: x", "parameters:", "parameters: {}", "parameters: {a: null, b: ~, c: }"])
def test_without_a_value_there_is_no_variable(yaml: str) -> None:
    assert _read(yaml) == ({}, [])


def test_a_name_is_only_put_in_upper_case() -> None:
    variables, told = _read("parameters: {dry-run: 1, some.key: 2, 'with space': 3, 0x1F: 4, ONE_two: 5, $x: 6}")

    assert told == []
    assert list(variables) == [
        "PARAMETER_DRY-RUN",
        "PARAMETER_SOME.KEY",
        "PARAMETER_WITH SPACE",
        "PARAMETER_0X1F",
        "PARAMETER_ONE_TWO",
        "PARAMETER_$X",
    ]


@pytest.mark.parametrize(
    ("yaml", "text"),
    [
        ("text", "text"),
        ("''", ""),
        ("'null'", "null"),
        ("'1.20'", "1.20"),
        ('"two\\nlines "', "two\nlines "),
        ("yes", "yes"),
        ("TRUE", "true"),
        ("0755", "493"),
        ("1_000", "1000"),
        ("1.20", "1.2"),
        ("1e6", "1e+06"),
        (".inf", "+Inf"),
        ("2024-01-02 03:04:05", '"2024-01-02T03:04:05Z"'),
        ("!!str 1.20", "1.20"),
        ("!!int '0x10'", "16"),
        ("${VELA_BUILD_BRANCH}", "${VELA_BUILD_BRANCH}"),
    ],
)
def test_a_single_value_is_typed_first(yaml: str, text: str) -> None:
    assert _value(yaml if yaml[0] != "$" else f"'{yaml}'") == text


@pytest.mark.parametrize(
    ("yaml", "text"),
    [
        ("[]", ""),
        ("[a, b, 'c d']", "a,b,c d"),
        ("['a,b', c]", "a,b,c"),
        ("[1, true, 1.20, 0755, 2024-01-02, .nan, -.Inf]", "1,true,1.2,493,2024-01-02T00:00:00Z,.nan,-.inf"),
        ("[null, a, ~, '', 'null']", "a,,null"),
        ("[null]", ""),
        ("['<a> & b']", "<a> & b"),
        ('["\\n indented"]', "\n indented"),
    ],
)
def test_a_list_of_single_values_is_joined_with_commas(yaml: str, text: str) -> None:
    assert _value(yaml) == text


@pytest.mark.parametrize(
    ("yaml", "text"),
    [
        ("[[]]", "[[]]"),
        ("[{}]", "[{}]"),
        ("[[a, b], [c]]", '[["a","b"],["c"]]'),
        ("[{a: [1, 2]}, b, null]", '[{"a":[1,2]},"b",null]'),
        (
            "[[1.0, 1e6, 0755, -0.0, true, yes, '1', 2024-01-02]]",
            '[[1,1000000,493,0,true,"yes","1","2024-01-02T00:00:00Z"]]',
        ),
    ],
)
def test_a_list_with_a_list_or_a_map_inside_is_json(yaml: str, text: str) -> None:
    assert _value(yaml) == text


@pytest.mark.parametrize(
    ("yaml", "text"),
    [
        ("{}", "{}"),
        ("{z: 1, a: [x, null, y], b: {c: }}", '{"a":["x",null,"y"],"b":{"c":null},"z":1}'),
        ("{é: 1, z: 2, Z: 3, '': 4}", '{"":4,"Z":3,"z":2,"é":1}'),
        ("{'<': '&'}", '{"\\u003c":"\\u0026"}'),
        ("{a: 18446744073709551615, b: 1e21}", '{"a":18446744073709551615,"b":1e+21}'),
    ],
)
def test_a_map_is_json_with_sorted_keys(yaml: str, text: str) -> None:
    assert _value(yaml) == text


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("0x1F", "31"),
        ("1.50", "1.5"),
        ("1e6", "1e+06"),
        ("True", "true"),
        ("yes", "yes"),
        (".INF", ".inf"),
        ("2024-1-2", "2024-01-02T00:00:00Z"),
        ("'0x1F'", "0x1F"),
        ("3.14159265358979", "3.14159265358979"),
    ],
)
def test_a_key_in_a_map_is_typed_too(key: str, written: str) -> None:
    assert _value(f"{{{key}: 1}}") == f'{{"{written}":1}}'


def test_what_is_merged_in_is_a_parameter() -> None:
    variables, told = _read(
        """
        defaults: &defaults {registry: r, tags: [a, b]}
        parameters:
          <<: *defaults
          registry: own
        """
    )

    assert told == []
    assert variables == {"PARAMETER_REGISTRY": "own", "PARAMETER_TAGS": "a,b"}


@pytest.mark.parametrize(("yaml", "kind"), [("[a]", "a list"), ("a", "a single value"), ("''", "a single value")])
def test_parameters_that_are_not_a_map_are_an_error(yaml: str, kind: str) -> None:
    assert _told(f"parameters: {yaml}") == [f"f.yml:1:13: 'parameters' of step 's' is {kind} (it must be a map)"]


@pytest.mark.parametrize(
    ("key", "shown"), [("'A=B'", "'A=B'"), ('"A\\nB"', "'A\\nB'"), ("''", "''"), ("~", "''"), ("null", "''")]
)
def test_a_name_that_no_variable_can_have_is_an_error(key: str, shown: str) -> None:
    (told,) = _told(f"parameters: {{{key}: x}}")

    assert told.startswith(f"f.yml:1:14: {shown} in the parameters of step 's' cannot be the name of a variable")
    assert told.endswith("(a name is not empty, and has no '=' and no newline)")


def test_of_names_that_differ_only_in_case_the_later_counts_with_a_warning() -> None:
    variables, told = _read("parameters:\n  repo: a\n  Repo: b\n")

    assert variables == {"PARAMETER_REPO": "b"}
    (warning,) = told
    assert warning.startswith("warning: f.yml:3:3: 'Repo' in the parameters of step 's' is the same variable,")
    assert warning.endswith("PARAMETER_REPO, as one before it (keep one of them: case makes no difference)")


def test_a_null_does_not_take_the_place_of_a_name_in_another_case() -> None:
    assert _read("parameters: {repo: a, Repo: null}") == ({"PARAMETER_REPO": "a"}, [])


@pytest.mark.parametrize("number", [".nan", ".inf", "-.INF"])
def test_what_is_no_number_cannot_stand_in_json(number: str) -> None:
    assert _told(f"parameters: {{p: {{a: [1, {number}]}}}}") == [
        f"f.yml:1:25: {number} stands in a parameter that is passed as JSON, which has no such number (quote it)"
    ]
    assert _value(f"{{a: '{number}'}}") == f'{{"a":"{number}"}}'


def test_a_null_key_cannot_stand_in_json() -> None:
    assert _told("parameters: {p: [{~: a}]}") == [
        "f.yml:1:19: a null key stands in a parameter that is passed as JSON, whose keys are texts (quote it)"
    ]
    assert _value("{'~': a}") == '{"~":"a"}'


def test_of_keys_that_mean_the_same_in_json_the_later_counts_with_a_warning() -> None:
    variables, told = _read("parameters: {p: {31: a, 0x1F: b}}")

    assert variables == {"PARAMETER_P": '{"31":"b"}'}
    assert told == [
        "warning: f.yml:1:25: the key '0x1F' is '31' in JSON, as one before it (quote the keys, or keep one of them)"
    ]


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(_told("parameters: {p: [{~: .nan}, {a: .inf}], 'x=': 1}")) == 4


def test_the_parameters_stay_in_the_order_of_the_file() -> None:
    variables, _ = _read("parameters: {z: 1, a: 2, m: 3}")

    assert list(variables.items()) == [("PARAMETER_Z", "1"), ("PARAMETER_A", "2"), ("PARAMETER_M", "3")]
