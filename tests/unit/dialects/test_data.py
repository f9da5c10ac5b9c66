"""What values of a file are as JSON data."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.dialects.data import data_of, texts_of
from runner.dialects.nodes import Mapping, Node, Scalar
from runner.dialects.source import Findings, load
from runner.errors import Place
from runner.plan.model import Json


def _node(text: str) -> Node:
    root = load(f"value: {text}\n".encode(), "in.yml", Findings())
    assert isinstance(root, Mapping)
    value = root.get("value")
    assert value is not None
    return value


def _plain(text: str) -> Json:
    return data_of(Scalar(text=text, place=Place(file="f"), plain=True))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("true", True), ("false", False)),
        *(("0", 0), ("42", 42), ("-7", -7), ("123456789012345678", 123456789012345678)),
        *(("1.5", 1.5), ("0.1", 0.1), ("-2.25", -2.25), ("1.0", 1.0), ("1.5e+300", 1.5e300)),
    ],
)
def test_a_word_that_its_value_is_spelled_as_has_a_type(text: str, value: Json) -> None:
    found = _plain(text)

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
def test_null_is_null_however_it_is_spelled(text: str) -> None:
    assert _plain(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("1.20", "007", "-0", "+1", "1e3", "1.", ".5", "0x1f", "1_000", "0o7", "1.10e+5"),
        *("yes", "no", "on", "True", "FALSE", "nan", "inf", "-inf", ".inf", "Infinity", "2024-01-02"),
        *("1234567890123456789", "9" * 5000, "0.1000000000000000055511151231257827", "1.5e+999"),
    ],
)
def test_a_word_whose_spelling_would_be_lost_stays_a_text(text: str) -> None:
    assert _plain(text) == text


@pytest.mark.parametrize("text", ["'true'", '"42"', "'1.5'", "'null'", '"~"', "''", "!!str 42"])
def test_what_stands_in_quotes_is_a_text(text: str) -> None:
    assert isinstance(data_of(_node(text)), str)


@given(st.text("0123456789.-+e", max_size=12) | st.integers().map(str) | st.floats().map(repr))
def test_no_number_is_written_otherwise_than_it_was(text: str) -> None:
    found = _plain(text)

    assert (found is None and not text) or found == text or json.dumps(found) == text


def test_lists_and_maps_hold_data_and_the_keys_of_maps_are_texts() -> None:
    assert data_of(_node("{a: [1, '1', {b: ~}], 2: true, 007: x, yes: []}")) == {
        "a": [1, "1", {"b": None}],
        "2": True,
        "007": "x",
        "yes": [],
    }


def test_an_alias_gives_the_same_data_again() -> None:
    assert data_of(_node("[&a {x: 1}, *a]")) == [{"x": 1}, {"x": 1}]


def test_the_texts_in_data_have_the_places_where_they_stand() -> None:
    found = texts_of(_node("{a: ['!x', 1, ~, {b: y}], c: true, d: 1.20}"))

    assert [(each.text, str(each.place)) for each in found] == [
        ("!x", "in.yml:1:13"),
        ("y", "in.yml:1:29"),
        ("1.20", "in.yml:1:46"),
    ]


def test_a_single_value_is_the_only_text_in_itself() -> None:
    assert [each.text for each in texts_of(_node("'!x'"))] == ["!x"]
    assert [*texts_of(_node("1"))] == []
