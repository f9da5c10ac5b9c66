"""The values of a map, read one key at a time."""

import pytest

from runner.dialects.definitions import Form, Key, Kind
from runner.dialects.source import Findings, load
from runner.dialects.source import Mapping as MappingNode
from runner.dialects.vela.fields import Fields, title
from runner.errors import Place
from runner.plan import quantities, substitution
from runner.plan.model import PullPolicy

INNER = Kind(name="inner", keys=(Key(name="k", form=Form.TEXT, about="A text."),))


def _kind(form: Form, words: tuple[str, ...] = ()) -> Kind:
    """Return a kind whose key ``k`` has a form, and whose others are those that have readers of their own."""
    others = (Key(name=name, form=Form.TEXT, about="A text.") for name in ("pull", "timeout", "retry"))
    return Kind(name="thing", keys=(Key(name="k", form=form, about="It.", words=words, kind=INNER), *others))


def _fields(text: str, form: Form = Form.TEXT, words: tuple[str, ...] = ()) -> Fields:
    findings = Findings()
    root = load(text.encode(), "f.yml", findings)
    assert isinstance(root, MappingNode)
    return Fields(root, "step 's'", findings, _kind(form, words))


def _told(fields: Fields) -> list[str]:
    return [str(finding) for finding in fields.findings.items]


@pytest.mark.parametrize(
    ("text", "value"),
    [("k: 1.20", "1.20"), ("k: yes", "yes"), ("k: '~'", "~"), ("k: ~", ""), ("k:", ""), ("pull: 1", ""), ("k: ''", "")],
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


@pytest.mark.parametrize("text", ["k:", "k: ''", "pull: 1"])
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
    fields = _fields(f"k: {value}", Form.FLAG)

    assert fields.flag("k") is flag
    assert _told(fields) == []


@pytest.mark.parametrize("value", ['"true"', "1", "maybe"])
def test_a_flag_takes_nothing_else(value: str) -> None:
    fields = _fields(f"k: {value}", Form.FLAG)

    assert fields.flag("k") is False
    assert _told(fields) == [
        (
            f"f.yml:1:4: 'k' of step 's' is '{value.strip(chr(34))}', and not a boolean "
            "(write true or false, without quotes)"
        )
    ]


def test_a_word_is_one_of_those_that_it_may_be() -> None:
    assert _fields("k: b", words=("a", "b")).word("k", "a") == "b"
    assert _fields("k:", words=("a", "b")).word("k", "a") == "a"
    assert _fields("pull: a", words=("a", "b")).word("k", "b") == "b"


def test_another_word_is_an_error_that_lists_them() -> None:
    fields = _fields("k: natve", words=("native", "vault"))

    assert fields.word("k", "native") == "native"
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
    fields = _fields(f"k: {value}", Form.TEXTS)

    assert fields.texts("k") == texts
    assert _told(fields) == []


def test_a_map_in_a_list_of_texts_is_an_error_that_names_the_usual_slip() -> None:
    fields = _fields("k:\n  - ls\n  - echo foo: bar", Form.TEXTS)

    assert fields.texts("k") == ("ls",)
    assert _told(fields) == [
        ("f.yml:3:5: 'k' of step 's' holds a map (it must be a single value; quote one that holds ': ' or brackets)")
    ]


def test_a_map_in_the_place_of_a_list_is_an_error() -> None:
    fields = _fields("k: {a: b}", Form.TEXTS)

    assert fields.texts("k") == ()
    assert _told(fields) == ["f.yml:1:4: 'k' of step 's' is a map (it must be a list, or a single value)"]


def test_a_list_of_anything_is_given_as_it_is() -> None:
    assert len(_fields("k: [a, {b: c}, [d]]", Form.LIST).items("k")) == 3
    assert _fields("k:", Form.LIST).items("k") == ()


def test_items_of_something_else_are_an_error() -> None:
    fields = _fields("k: {a: b}", Form.LIST)

    assert fields.items("k") == ()
    assert _told(fields) == ["f.yml:1:4: 'k' of step 's' is a map (it must be a list)"]


def test_a_map_is_given_as_it_is() -> None:
    node = _fields("k: {a: b}", Form.VALUES).mapping("k")

    assert node is not None
    assert node.keys() == ("a",)
    assert _fields("k: ~", Form.VALUES).mapping("k") is None


@pytest.mark.parametrize(("value", "kind"), [("[a]", "a list"), ("a", "a single value")])
def test_something_else_in_the_place_of_a_map_is_an_error(value: str, kind: str) -> None:
    fields = _fields(f"k: {value}", Form.VALUES)

    assert fields.mapping("k") is None
    assert _told(fields) == [f"f.yml:1:4: 'k' of step 's' is {kind} (it must be a map)"]


def test_without_variables_to_put_in_a_text_stays_as_it_is_written() -> None:
    fields = _fields("k: ['a ${B}', '$B', '$$', '${A[0]}']", Form.TEXTS)

    assert fields.texts("k") == ("a ${B}", "$B", "$$", "${A[0]}")
    assert _told(fields) == []


def _early(text: str) -> str:
    return substitution.early(text, {"B": "b", "NO": "", "YES": "true"})


def test_variables_are_put_into_every_value_that_is_read() -> None:
    fields = _fields("k: ['a ${B}', '$B', '$$', '${C}']", Form.TEXTS).substituting(_early)

    assert fields.texts("k") == ("a b", "$B", "$", "${C}")


def test_variables_are_put_into_the_maps_inside_too() -> None:
    inner = _fields("k: {k: '${B}'}", Form.MAP).substituting(_early).inner("k", "inside")

    assert inner is not None
    assert inner.text("k") == "b"


def test_a_flag_may_come_from_a_variable() -> None:
    assert _fields("k: ${YES}", Form.FLAG).substituting(_early).flag("k") is True


def test_a_required_value_that_a_variable_leaves_empty_is_missing() -> None:
    fields = _fields("k: ${NO}").substituting(_early)

    assert fields.required("k", "write it") == ""
    assert _told(fields) == ["f.yml:1:4: step 's' has no 'k' (write it)"]


def test_a_substitution_that_cannot_be_is_one_error_at_the_value() -> None:
    fields = _fields("k:\n  - ls\n  - echo ${A[0]}", Form.TEXTS).substituting(_early)

    fields.texts("k")

    assert _told(fields) == [
        (
            "f.yml:3:5: 'k' of step 's': ${A[0]} is not a variable that can be substituted "
            "(write $${A[0]} so that the shell sees it)"
        )
    ]


def test_what_is_wrong_twice_over_is_told_once() -> None:
    fields = _fields("k: [a]")

    assert (fields.text("k"), fields.substituting(_early).text("k")) == ("", "")
    assert len(_told(fields)) == 1


def test_a_map_inside_is_checked_for_keys_that_nobody_knows() -> None:
    fields = _fields("k: {k: a, zzz: b}", Form.MAP)

    inner = fields.inner("k", "the inner one")

    assert inner is not None
    assert inner.text("k") == "a"
    assert _told(fields) == ["f.yml:1:11: warning: the inner one has no key 'zzz' (it is ignored)"]


def test_a_map_inside_that_is_none_is_an_error() -> None:
    fields = _fields("k: a", Form.MAP)

    assert fields.inner("k", "the inner one") is None
    assert _told(fields) == ["f.yml:1:4: 'k' of step 's' is a single value (it must be a map)"]


@pytest.mark.parametrize(("text", "count"), [("k: a", 1), ("k: [a, {b: c}]", 2), ("k:", 0), ("pull: a", 0)])
def test_entries_are_the_items_of_a_list_or_one_value(text: str, count: int) -> None:
    assert len(_fields(text, Form.ENTRIES).entries("k")) == count


def test_one_map_in_the_place_of_a_list_of_entries_is_an_error() -> None:
    fields = _fields("k: {b: c}", Form.ENTRIES)

    assert fields.entries("k") == ()
    assert _told(fields) == ["f.yml:1:4: 'k' of step 's' is a map (it must be a list)"]


def test_a_number_is_what_its_parser_makes_of_it() -> None:
    assert _fields("k: 12").parsed("k", quantities.count, None) == 12
    assert _fields("k: ~").parsed("k", quantities.count, None) is None


def test_a_number_that_cannot_be_says_what_would_be_right() -> None:
    fields = _fields("k: none")

    assert fields.parsed("k", quantities.count, 3) == 3
    assert _told(fields) == ["f.yml:1:4: 'k' of step 's': 'none' is not a number above 0 (write a whole number)"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("name: a", "thing 'a'"),
        ("name:", "a thing"),
        ("name: ''", "a thing"),
        ("name: [a]", "a thing"),
        ("k: b", "a thing"),
    ],
)
def test_a_map_is_called_by_its_name_if_it_has_one(text: str, name: str) -> None:
    assert title(_fields(text).node, "thing") == name


def test_reading_a_key_that_the_kind_does_not_have_is_our_mistake() -> None:
    with pytest.raises(LookupError, match="a thing has no key 'other'"):
        _fields("other: a").text("other")


def test_reading_a_key_in_another_form_is_our_mistake() -> None:
    with pytest.raises(LookupError, match="a thing has no key 'k' of the form text or flag"):
        _fields("k: a", Form.LIST).text("k")


def test_maps_under_a_key_that_holds_none_are_our_mistake() -> None:
    with pytest.raises(LookupError, match="'pull' holds no maps"):
        _fields("k: a").kind_in("pull")


def test_timeout_and_retry_are_read() -> None:
    fields = _fields("timeout: 1h30m\nretry: 3")

    assert (fields.timeout(), fields.retry()) == (5400.0, 3)


def test_timeout_and_retry_may_be_absent() -> None:
    fields = _fields("timeout:\nk: 1")

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
    fields = _fields("pull: 1\nk: 2")

    assert fields.place("k") == Place(file="f.yml", line=2, column=4)
    assert fields.place("retry") == Place(file="f.yml", line=1, column=1)
