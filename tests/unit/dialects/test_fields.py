"""Values of a map, read one key at a time."""

import pytest

from runner.dialects.definitions import Form, Key, Kind
from runner.dialects.fields import Fields
from runner.dialects.source import Findings, Mapping, load
from runner.plan import quantities

KIND = Kind(
    name="thing",
    keys=(
        Key(name="text", form=Form.TEXT, about="A text."),
        Key(name="word", form=Form.TEXT, about="A word.", words=("red", "green")),
        Key(name="flag", form=Form.FLAG, about="A flag."),
        Key(name="names", form=Form.NAMES, about="Names."),
        Key(name="maps", form=Form.LIST, about="Maps."),
        Key(name="map", form=Form.MAP, about="A map."),
    ),
)


def _fields(text: str, kind: Kind = KIND) -> Fields:
    findings = Findings()
    root = load(text.encode(), "f", findings)
    assert isinstance(root, Mapping)
    return Fields(root, "the thing", findings, kind).checked()


def _told(fields: Fields) -> list[str]:
    return [str(finding) for finding in fields.findings.items]


@pytest.mark.parametrize(("value", "text"), [("a", "a"), ("1.20", "1.20"), ("'~'", "~"), ("~", ""), ("''", "")])
def test_a_text_is_read_as_it_stands(value: str, text: str) -> None:
    assert _fields(f"text: {value}").text("text") == text


def test_a_text_that_is_not_there_is_empty() -> None:
    assert _fields("{}").text("text") == ""


@pytest.mark.parametrize(("value", "kind"), [("[a]", "a list"), ("{a: b}", "a map")])
def test_what_is_no_single_value_is_an_error(value: str, kind: str) -> None:
    fields = _fields(f"text: {value}")

    assert fields.text("text") == ""
    assert _told(fields) == [f"f:1:7: 'text' of the thing is {kind} (it must be a single value)"]


def test_a_name_has_its_place() -> None:
    named = _fields("flag: true\ntext: a").named("text")

    assert named is not None
    assert (named.name, str(named.place)) == ("a", "f:2:7")


@pytest.mark.parametrize("text", ["{}", "text:", "text: ''"])
def test_a_name_that_says_nothing_is_none(text: str) -> None:
    assert _fields(text).named("text") is None


@pytest.mark.parametrize(
    ("value", "flag"), [("true", True), ("'true'", True), ("Yes", True), ("off", False), ("'no'", False)]
)
def test_a_flag_may_stand_in_quotes(value: str, flag: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert _fields(f"flag: {value}").flag("flag", default=not flag) is flag


@pytest.mark.parametrize("default", [True, False])
@pytest.mark.parametrize("text", ["{}", "flag:", "flag: maybe", "flag: [a]"])
def test_a_flag_that_says_nothing_is_the_default(text: str, default: bool) -> None:  # noqa: FBT001 - as above
    assert _fields(text).flag("flag", default=default) is default


def test_a_flag_that_is_no_boolean_is_an_error() -> None:
    fields = _fields("flag: maybe")
    fields.flag("flag")

    assert _told(fields) == ["f:1:7: 'flag' of the thing is 'maybe', and not a boolean (write true or false)"]


def test_a_word_is_one_of_those_that_there_are() -> None:
    assert _fields("word: green").word("word", "red") == "green"
    assert _fields("{}").word("word", "red") == "red"


def test_another_word_is_an_error_with_the_nearest_one() -> None:
    fields = _fields("word: gren")

    assert fields.word("word", "red") == "red"
    assert _told(fields) == [
        "f:1:7: 'word' of the thing is 'gren' (did you mean 'green'? it must be one of red, green)"
    ]


def test_names_are_a_list_with_places() -> None:
    found = _fields("names: [a, ~, b]").names("names")

    assert [(named.name, named.place.column) for named in found] == [("a", 9), ("b", 15)]


@pytest.mark.parametrize(
    ("value", "told"),
    [("a", "is a single value (it must be a list)"), ("[[a]]", "holds a list (it must be a list of single values)")],
)
def test_names_that_are_no_list_are_an_error(value: str, told: str) -> None:
    fields = _fields(f"names: {value}")

    assert fields.names("names") == ()
    assert _told(fields)[0].endswith(told)


def test_maps_are_a_list() -> None:
    fields = _fields("maps: [{a: b}, c, {d: e}]")

    assert [node.keys() for node in fields.maps("maps")] == [("a",), ("d",)]
    assert _told(fields) == ["f:1:16: 'maps' of the thing holds a single value (it must be a list of maps)"]


@pytest.mark.parametrize("text", ["{}", "maps:", "maps: []"])
def test_no_maps_are_none(text: str) -> None:
    assert _fields(text).maps("maps") == ()


def test_a_map_is_a_map() -> None:
    fields = _fields("map: [a]")

    assert fields.mapping("map") is None
    assert _told(fields) == ["f:1:6: 'map' of the thing is a list (it must be a map)"]
    assert _fields("map: {a: b}").mapping("map") is not None


def test_a_quantity_is_read_or_told() -> None:
    fields = _fields("text: soon")

    assert _fields("text: 5m").parsed("text", quantities.timeout, None) == 300
    assert _fields("{}").parsed("text", quantities.retry, 1) == 1
    assert fields.parsed("text", quantities.timeout, None) is None
    assert _told(fields)[0].startswith("f:1:7: 'text' of the thing: 'soon' is not a duration (")


def test_a_place_is_that_of_the_value_else_of_the_map() -> None:
    fields = _fields("flag: true\ntext: a")

    assert [str(fields.place(key)) for key in ("text", "word")] == ["f:2:7", "f:1:1"]


def test_keys_that_nobody_knows_are_warnings() -> None:
    assert _told(_fields("txt: a\nzzz: b")) == [
        "f:1:1: warning: the thing has no key 'txt' (did you mean 'text'?)",
        "f:2:1: warning: the thing has no key 'zzz' (it is ignored)",
    ]


def test_where_other_keys_may_stand_none_is_unknown() -> None:
    assert _told(_fields("zzz: b", Kind(name="open", keys=(), others=KIND))) == []


def test_what_is_beneath_is_checked_as_well() -> None:
    fields = _fields("map: {zzz: a}")
    node = fields.mapping("map")
    assert node is not None

    inner = fields.beneath(node, "the inner one", KIND)

    assert inner.text("text") == ""
    assert _told(fields) == ["f:1:7: warning: the inner one has no key 'zzz' (it is ignored)"]


@pytest.mark.parametrize("key", ["nothing", "names"])
def test_to_read_a_key_as_what_it_is_not_is_our_mistake(key: str) -> None:
    with pytest.raises(LookupError, match=f"a thing has no key {key!r} of the form text or flag"):
        _fields("{}").text(key)
