"""The values of the maps of an application."""

import pytest

from runner.dialects.definitions import Form, Key, Kind, text
from runner.dialects.metalus.fields import Fields
from runner.dialects.source import Findings, Mapping, load

INNER = Kind(name="entry", keys=(text("id", "."), text("a", ".")))
KIND = Kind(
    name="thing",
    keys=(
        text("id", "."),
        text("one", "."),
        Key(name="texts", form=Form.TEXTS, about="."),
        Key(name="inner", form=Form.MAP, about=".", kind=INNER),
        Key(name="list", form=Form.LIST, about=".", kind=INNER),
        Key(name="entries", form=Form.ENTRIES, about=".", kind=INNER),
    ),
)


def _fields(written: str) -> tuple[Fields, Findings]:
    findings = Findings()
    root = load(written.encode(), "f", findings)
    assert isinstance(root, Mapping)
    return Fields(root, "the thing", findings, KIND), findings


def _told(findings: Findings) -> list[str]:
    return [finding.message for finding in findings.items]


@pytest.mark.parametrize(
    ("written", "texts"),
    [("texts: a", ("a",)), ("texts: [a, 1, ~]", ("a", "1")), ("texts:", ()), ("one: b", ()), ("texts: []", ())],
)
def test_a_list_of_one_may_be_written_as_that_value(written: str, texts: tuple[str, ...]) -> None:
    fields, findings = _fields(written)

    assert fields.texts("texts") == texts
    assert _told(findings) == []


@pytest.mark.parametrize(
    ("written", "told"),
    [("texts: {a: b}", "'texts' of the thing is a map"), ("texts: [[a]]", "'texts' of the thing holds a list")],
)
def test_texts_are_single_values(written: str, told: str) -> None:
    fields, findings = _fields(written)

    assert fields.texts("texts") == ()
    assert _told(findings) == [told]


def test_maps_in_a_list_are_called_by_their_ids() -> None:
    fields, findings = _fields("list: [{id: x}, {a: 1}, {id: [y]}, {id: ''}, text]")

    assert [each.what for each in fields.all_beneath("list")] == ["entry 'x'", "an entry", "an entry", "an entry"]
    assert _told(findings) == ["'list' of the thing holds a single value"]


def test_a_map_inside_is_called_by_its_key() -> None:
    fields, findings = _fields("inner: {b: 1}")

    inner = fields.inner("inner")

    assert inner is not None
    assert inner.what == "'inner' of the thing"
    assert _told(findings) == ["'inner' of the thing has no key 'b'"]


@pytest.mark.parametrize(
    ("written", "lacks"),
    [("list:", True), ("list: []", True), ("one: 1", True), ("list: [a]", False), ("list: {a: b}", False)],
)
def test_a_list_is_lacking_where_it_is_empty_but_not_where_it_is_something_else(written: str, lacks: bool) -> None:  # noqa: FBT001 - a table's column
    fields, _ = _fields(written)

    assert fields.lacks("list") is lacks


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("one:", ["the thing has no 'one'"]),
        ("one: ''", ["the thing has no 'one'"]),
        ("id: x", ["the thing has no 'one'"]),
        ("one: [a]", ["'one' of the thing is a list"]),
        ("one: a", []),
    ],
)
def test_what_is_required_is_told_of_once(written: str, told: list[str]) -> None:
    fields, findings = _fields(written)

    fields.required("one", "why")

    assert _told(findings) == told


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("one: #x", "why; put one that begins with '#' in quotes"),
        ("one: ''", "why"),
        ("one: null", "why"),
        ("id: x", "why"),
    ],
)
def test_only_where_nothing_is_written_a_comment_may_have_been_meant(written: str, hint: str) -> None:
    fields, findings = _fields(written)

    fields.required("one", "why")

    assert [finding.hint for finding in findings.items] == [hint]


@pytest.mark.parametrize(("written", "count"), [("entries: a", 1), ("entries: [a, {id: b}, ~]", 3), ("entries:", 0)])
def test_entries_are_values_or_maps(written: str, count: int) -> None:
    fields, findings = _fields(written)

    assert len(fields.entries("entries")) == count
    assert _told(findings) == []


def test_a_key_is_placed_where_it_stands_or_at_its_map() -> None:
    fields, _ = _fields("id: x\none: y\n")

    assert (fields.key_place("one").line, fields.key_place("texts").line) == (2, 1)


def test_a_key_that_holds_no_maps_is_our_mistake() -> None:
    fields, _ = _fields("one: x")

    with pytest.raises(LookupError, match="'one' holds no maps"):
        fields.kind_in("one")
