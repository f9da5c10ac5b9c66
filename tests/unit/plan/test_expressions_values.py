"""Values at run time: equality and order, and which parts of an expression are run at all."""

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.plan.expressions.evaluation import evaluate
from runner.plan.expressions.folding import fold
from runner.plan.expressions.parser import parse
from runner.plan.expressions.syntax import FaultError, Value
from runner.plan.expressions.values import equal, is_number, kind_of, ordered, valid

_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.0, 1.0, -1.5, 2.0]), st.text("ab", max_size=2)
)
_VALUES: st.SearchStrategy[Value] = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3).map(tuple))
_INTEGERS = st.integers(-(2**63), 2**63 - 1)


class _Recorder(Mapping[str, str]):
    """Variables that remember what was asked for."""

    def __init__(self, values: dict[str, str]) -> None:
        self.asked: list[str] = []
        self._values = values

    def __getitem__(self, name: str) -> str:
        self.asked.append(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("A == 'a' or B == 'b'", ["A"]),
        ("A == 'b' or B == 'b'", ["A", "B"]),
        ("A == 'b' and B == 'b'", ["A"]),
        ("A == 'a' and B == 'b' and C == 'c'", ["A", "B", "C"]),
        ("A == 'a' or B == 'b' or C == 'c'", ["A"]),
        ("A == 'a' ? B == 'b' : C == 'c'", ["A", "B"]),
        ("A == 'b' ? B == 'b' : C == 'c'", ["A", "C"]),
        ("A == 'a' ?: B == 'b'", ["A"]),
        ("(A ?? B) == 'a'", ["A"]),
        ("(nil ?? B) == 'b'", ["B"]),
        ("A < B < C", ["A", "B", "C"]),
        ("B < A < C", ["B", "A"]),
        ("A == B or true", []),
        ("A == B and false", []),
        ("A in [B, C, A]", ["A", "B", "C", "A"]),
    ],
)
def test_only_what_decides_is_run(text: str, asked: list[str]) -> None:
    variables = _Recorder({"A": "a", "B": "b", "C": "c"})

    evaluate(fold(parse(text)), variables)

    assert variables.asked == asked


def test_the_run_has_a_fault_of_its_own_where_kinds_were_unknown_before() -> None:
    with pytest.raises(FaultError) as caught:
        evaluate(parse("true and (X < (true ? 1 : 'a'))"), {})

    assert (caught.value.column, caught.value.reason) == (13, "orders a string and a number")


@given(one=_VALUES, other=_VALUES)
def test_equality_is_symmetric_and_every_value_equals_itself(one: Value, other: Value) -> None:
    assert equal(one, one)
    assert equal(one, other) is equal(other, one)


@given(one=_SCALARS, other=_SCALARS)
def test_values_of_unlike_kinds_are_unequal(one: Value, other: Value) -> None:
    assert equal(one, other) is (kind_of(one) == kind_of(other) and one == other)


@given(values=st.lists(_VALUES, max_size=3), other=st.lists(_VALUES, max_size=3))
def test_arrays_are_equal_when_their_items_are(values: list[Value], other: list[Value]) -> None:
    same = len(values) == len(other) and all(equal(one, two) for one, two in zip(values, other, strict=True))

    assert equal(tuple(values), tuple(other)) is same


@given(one=_VALUES, other=_VALUES)
def test_only_two_numbers_or_two_strings_have_an_order(one: Value, other: Value) -> None:
    both = (is_number(one) and is_number(other)) or (isinstance(one, str) and isinstance(other, str))

    assert (ordered("<", one, other) is not None) is both


@given(one=st.one_of(_INTEGERS, st.floats(allow_nan=False)), other=st.one_of(_INTEGERS, st.floats(allow_nan=False)))
def test_exactly_one_of_less_equal_and_more_holds_between_numbers(one: float, other: float) -> None:
    assert [ordered("<", one, other), equal(one, other), ordered(">", one, other)].count(True) == 1
    assert ordered("<=", one, other) is not ordered(">", one, other)
    assert ordered(">=", one, other) is not ordered("<", one, other)


@given(one=st.text(max_size=4).map(valid), other=st.text(max_size=4).map(valid))
def test_strings_are_ordered_by_their_bytes(one: str, other: str) -> None:
    assert ordered("<", one, other) is (one.encode() < other.encode())
    assert ordered(">=", one, other) is (one.encode() >= other.encode())


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "nil"),
        (True, "a boolean"),
        (1, "a number"),
        (1.5, "a number"),
        ("", "a string"),
        ((), "an array"),
    ],
)
def test_a_value_knows_its_kind(value: Value, kind: str) -> None:
    assert kind_of(value) == kind
    assert is_number(value) is (kind == "a number")


@given(text=st.text(st.characters(), max_size=6))
def test_a_valid_text_can_be_encoded_and_is_left_alone(text: str) -> None:
    made = valid(text)

    assert made.encode().decode() == made
    assert valid(made) == made
