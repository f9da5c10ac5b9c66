"""Texts that are no references, and how they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.plan import mapping
from runner.plan.mapping import Scope, literal


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain", "plain"),
        ("!x", r"\!x"),
        ("  @x.y", r"  \@x.y"),
        ("a !{x} b", r"a \!{x} b"),
        ("a || !b", r"a || \!b"),
        ("!{a || !b} || #c", r"\!{a || !b} || \#c"),
        ("!{a", r"\!{a"),
        ("a || b", "a || b"),
        ("#1 100%", "#1 100%"),
    ],
)
def test_a_literal_has_a_backslash_where_a_reference_could_begin(text: str, escaped: str) -> None:
    assert literal(text) == escaped


@given(st.text(alphabet="!@#${}|.ab0[] \n", max_size=16))
def test_a_literal_means_the_text_that_it_was_made_of(text: str) -> None:
    assert mapping.resolve(literal(text), Scope()) == text


@given(st.text(max_size=40))
def test_a_literal_can_be_made_of_any_text(text: str) -> None:
    assert isinstance(mapping.resolve(literal(text), Scope()), str)


def test_a_literal_is_made_in_time_that_grows_with_the_text() -> None:
    text = "!{" * 200_000

    assert len(literal(text)) == 3 * len(text) // 2
