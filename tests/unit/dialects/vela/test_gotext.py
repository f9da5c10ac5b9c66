"""Single values as Go writes them; every expected text was compared with what Vela's libraries write."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.dialects.vela.gotext import alone, in_json, in_yaml
from runner.dialects.vela.typed import Timestamp, Value

DAY = Timestamp(text="2024-01-02T00:00:00Z")


@pytest.mark.parametrize(
    ("value", "text"),
    [("a<b", "a<b"), ("", ""), (True, "true"), (False, "false"), (493, "493"), (-1, "-1"), (2**64 - 1, str(2**64 - 1))],
)
def test_texts_booleans_and_integers_are_the_same_alone_and_in_a_list(value: Value, text: str) -> None:
    assert (alone(value), in_yaml(value)) == (text, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.2, "1.2"),
        (1000.0, "1000"),
        (0.0, "0"),
        (-0.0, "-0"),
        (100000.0, "100000"),
        (999999.5, "999999.5"),
        (1e6, "1e+06"),
        (1234567.5, "1.2345675e+06"),
        (1e20, "1e+20"),
        (1e100, "1e+100"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (-1.5e-7, "-1.5e-07"),
        (5e-324, "5e-324"),
        (2.0**-24, "5.960464477539063e-08"),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)
def test_a_float_has_the_fewest_digits_and_an_exponent_from_a_million_on(value: float, text: str) -> None:
    assert (alone(value), in_yaml(value)) == (text, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.2, "1.2"),
        (1000.0, "1000"),
        (0.0, "0"),
        (-0.0, "0"),
        (1e6, "1000000"),
        (1234567.5, "1234567.5"),
        (1e20, "100000000000000000000"),
        (123456789012345678901.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (1e100, "1e+100"),
        (0.000001, "0.000001"),
        (0.0000001, "1e-7"),
        (-1.5e-9, "-1.5e-9"),
        (1e-10, "1e-10"),
        (2.0**-24, "5.960464477539063e-8"),
        (2.0**-1074, "5e-324"),
    ],
)
def test_a_float_in_json_has_an_exponent_where_javascript_has_one(value: float, text: str) -> None:
    assert in_json(value) == text


def test_what_is_no_number_has_other_words_alone_than_in_a_list() -> None:
    values = (math.nan, math.inf, -math.inf)

    assert [alone(value) for value in values] == ["NaN", "+Inf", "-Inf"]
    assert [in_yaml(value) for value in values] == [".nan", ".inf", "-.inf"]


def test_a_timestamp_has_quotes_unless_it_is_an_item_of_a_list() -> None:
    assert [alone(DAY), in_yaml(DAY), in_json(DAY)] == [f'"{DAY.text}"', DAY.text, f'"{DAY.text}"']


@pytest.mark.parametrize(
    ("value", "text"), [(None, "null"), (True, "true"), (2**64 - 1, "18446744073709551615"), ("x", '"x"'), ("", '""')]
)
def test_null_booleans_integers_and_texts_are_what_json_has(value: Value, text: str) -> None:
    assert in_json(value) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("<a> & b", r'"\u003ca\u003e \u0026 b"'),
        ("\u2028\u2029", r'"\u2028\u2029"'),
        ('"\\/', r'"\"\\/"'),
        ("\b\f\n\r\t\x01\x1f", r'"\b\f\n\r\t\u0001\u001f"'),
        ("é€😀\x7f\x85", '"é€😀\x7f\x85"'),
    ],
)
def test_a_text_in_json_escapes_what_html_and_javascript_read(text: str, written: str) -> None:
    assert in_json(text) == written


@given(st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text())
def test_what_is_written_in_json_means_the_value(value: Value) -> None:
    assert json.loads(in_json(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_digits_of_a_float_in_json_mean_the_float(value: float) -> None:
    assert json.loads(in_json(value), parse_int=float) == value


@given(st.floats(allow_nan=False))
def test_the_digits_of_a_float_mean_the_float(value: float) -> None:
    assert float(alone(value)) == value
