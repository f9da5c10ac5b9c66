"""The values of a map, read one key at a time."""

import pytest

from runner.dialects.source import Findings, load
from runner.dialects.source import Mapping as MappingNode
from runner.dialects.vela.fields import Fields
from runner.errors import Place
from runner.plan.model import PullPolicy


def _fields(text: str) -> Fields:
    findings = Findings()
    root = load(text.encode(), "f.yml", findings)
    assert isinstance(root, MappingNode)
    return Fields(root, "step 's'", findings)


def _told(fields: Fields) -> list[str]:
    return [str(finding) for finding in fields.findings.items]


@pytest.mark.parametrize(
    ("text", "value"),
    [("k: 1.20", "1.20"), ("k: yes", "yes"), ("k: '~'", "~"), ("k: ~", ""), ("k:", ""), ("o: 1", ""), ("k: ''", "")],
)
def test_a_text_is_the_source_text(text: str, value: str) -> None:
    fields = _fields(text)

    assert fields.text("k") == value
    assert _told(fields) == []


@pytest.mark.parametrize(("value", "kind"), [("[a]", "a list"), ("{a: b}", "a map")])
def test_a_list_or_map_in_the_place_of_a_text_is_an_error(value: str, kind: str) -> None:
    fields = _fields(f"k: {value}")

    assert fields.text("k") == ""
    assert _told(fields) == [f"f.yml:1:4: 'k' of step 's' is {kind} (it must be a single value)"]


@pytest.mark.parametrize("text", ["k:", "k: ''", "other: 1"])
def test_a_required_text_that_is_missing_is_an_error(text: str) -> None:
    fields = _fields(text)

    assert fields.required("k", "write it") == ""
    assert [finding.message for finding in fields.findings.items] == ["step 's' has no 'k'"]
    assert fields.findings.items[0].hint == "write it"


def test_a_required_text_of_a_wrong_kind_is_one_error_only() -> None:
    fields = _fields("k: []")

    fields.required("k", "write it")

    assert len(_told(fields)) == 1


@pytest.mark.parametrize(
    ("value", "flag"), [("true", True), ("yes", True), ("On", True), ("false", False), ("no", False), ("", False)]
)
def test_a_flag_takes_yamls_words(value: str, *, flag: bool) -> None:
    fields = _fields(f"k: {value}")

    assert fields.flag("k") is flag
    assert _told(fields) == []


@pytest.mark.parametrize("value", ['"true"', "1", "maybe"])
def test_a_flag_takes_nothing_else(value: str) -> None:
    fields = _fields(f"k: {value}")

    assert fields.flag("k") is False
    assert _told(fields) == [
        (
            f"f.yml:1:4: 'k' of step 's' is '{value.strip(chr(34))}', and not a boolean "
            "(write true or false, without quotes)"
        )
    ]


def test_a_word_is_one_of_those_that_it_may_be() -> None:
    assert _fields("k: b").word("k", ("a", "b"), "a") == "b"
    assert _fields("k:").word("k", ("a", "b"), "a") == "a"


def test_another_word_is_an_error_that_lists_them() -> None:
    fields = _fields("k: natve")

    assert fields.word("k", ("native", "vault"), "native") == "native"
    assert _told(fields) == [
        "f.yml:1:4: 'k' of step 's' is 'natve' (did you mean 'native'? it must be one of native, vault)"
    ]


@pytest.mark.parametrize(
    ("value", "policy"),
    [
        ("always", PullPolicy.ALWAYS),
        ("not_present", PullPolicy.NOT_PRESENT),
        ("on_start", PullPolicy.ON_START),
        ("never", PullPolicy.NEVER),
        ("true", PullPolicy.ALWAYS),
        ("'True'", PullPolicy.ALWAYS),
        ("false", PullPolicy.NOT_PRESENT),
        ("ON_START", PullPolicy.ON_START),
        ("", PullPolicy.NOT_PRESENT),
        ("''", PullPolicy.NOT_PRESENT),
    ],
)
def test_a_pull_policy_has_four_words_and_two_older_ones(value: str, policy: PullPolicy) -> None:
    fields = _fields(f"pull: {value}")

    assert fields.pull() is policy
    assert _told(fields) == []


def test_another_pull_policy_is_an_error_that_lists_the_four() -> None:
    fields = _fields("pull: allways")

    assert fields.pull() is PullPolicy.NOT_PRESENT
    assert _told(fields) == [
        (
            "f.yml:1:7: 'pull' of step 's' is 'allways' "
            "(did you mean 'always'? it must be one of always, not_present, on_start, never)"
        )
    ]


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("a", ("a",)),
        ("[a, 1.20, true]", ("a", "1.20", "true")),
        ("[a, null, ~, b]", ("a", "b")),
        ("[a, '']", ("a", "")),
        ("[]", ()),
        ("", ()),
    ],
)
def test_a_list_may_be_a_single_value_and_drops_nulls(value: str, texts: tuple[str, ...]) -> None:
    fields = _fields(f"k: {value}")

    assert fields.texts("k") == texts
    assert _told(fields) == []


def test_a_map_in_a_list_of_texts_is_an_error_that_names_the_usual_slip() -> None:
    fields = _fields("commands:\n  - ls\n  - echo foo: bar")

    assert fields.texts("commands") == ("ls",)
    assert _told(fields) == [
        (
            "f.yml:3:5: 'commands' of step 's' holds a map "
            "(it must be a single value; quote one that holds ': ' or brackets)"
        )
    ]


def test_a_map_in_the_place_of_a_list_is_an_error() -> None:
    fields = _fields("k: {a: b}")

    assert fields.texts("k") == ()
    assert _told(fields) == ["f.yml:1:4: 'k' of step 's' is a map (it must be a list, or a single value)"]


def test_a_list_of_anything_is_given_as_it_is() -> None:
    assert len(_fields("k: [a, {b: c}, [d]]").items("k")) == 3
    assert _fields("k:").items("k") == ()


def test_items_of_something_else_are_an_error() -> None:
    fields = _fields("k: {a: b}")

    assert fields.items("k") == ()
    assert _told(fields) == ["f.yml:1:4: 'k' of step 's' is a map (it must be a list)"]


def test_a_map_is_given_as_it_is() -> None:
    node = _fields("k: {a: b}").mapping("k")

    assert node is not None
    assert node.keys() == ("a",)
    assert _fields("k: ~").mapping("k") is None


@pytest.mark.parametrize(("value", "kind"), [("[a]", "a list"), ("a", "a single value")])
def test_something_else_in_the_place_of_a_map_is_an_error(value: str, kind: str) -> None:
    fields = _fields(f"k: {value}")

    assert fields.mapping("k") is None
    assert _told(fields) == [f"f.yml:1:4: 'k' of step 's' is {kind} (it must be a map)"]


def test_a_variable_of_the_pipeline_is_refused_and_one_of_the_shell_is_not() -> None:
    fields = _fields("k: ['a ${B}', '$B', '$(c)']")

    assert [item.text for item in fields.scalars("k", variables=True)] == ["a ${B}", "$B", "$(c)"]
    assert _told(fields) == []
    fields.texts("k")
    assert [finding.message for finding in fields.findings.items] == [
        "'k' of step 's' holds '${', and variables in a pipeline are not supported yet"
    ]


def test_timeout_and_retry_are_read() -> None:
    fields = _fields("timeout: 1h30m\nretry: 3")

    assert (fields.timeout(), fields.retry()) == (5400.0, 3)


def test_timeout_and_retry_may_be_absent() -> None:
    fields = _fields("timeout:\nother: 1")

    assert (fields.timeout(), fields.retry()) == (None, 0)
    assert _told(fields) == []


def test_a_bad_timeout_and_a_bad_retry_say_what_would_be_right() -> None:
    fields = _fields("timeout: soon\nretry: many")

    assert (fields.timeout(), fields.retry()) == (None, 0)
    assert _told(fields) == [
        (
            "f.yml:1:10: 'timeout' of step 's': 'soon' is not a duration "
            "(write seconds, or a duration such as 90s, 5m or 1h30m; 0 means no timeout)"
        ),
        (
            "f.yml:2:8: 'retry' of step 's': 'many' is not a number of further attempts "
            "(write how often to try again: 0 to 10)"
        ),
    ]


def test_the_place_of_an_absent_key_is_that_of_its_map() -> None:
    fields = _fields("a: 1\nb: 2")

    assert fields.place("b") == Place(file="f.yml", line=2, column=4)
    assert fields.place("c") == Place(file="f.yml", line=1, column=1)
