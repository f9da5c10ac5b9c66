"""The types of plain words; every expected value was compared with what go-yaml v3 makes of the word."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.dialects.nodes import Scalar
from runner.dialects.vela.typed import Timestamp, Value, typed
from runner.errors import Place


def _typed(text: str, *, plain: bool = True) -> Value:
    return typed(Scalar(text=text, place=Place(file="f"), plain=plain))


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
def test_a_null_word_is_null(text: str) -> None:
    assert _typed(text) is None


@pytest.mark.parametrize("text", ["", "null", "true", "1", "1.20", ".inf", "2024-01-02", "0x1F"])
def test_a_quoted_value_is_its_text(text: str) -> None:
    assert _typed(text, plain=False) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False)],
)
def test_true_and_false_are_booleans(text: str, *, value: bool) -> None:
    assert _typed(text) is value


@pytest.mark.parametrize(
    "text", ["yes", "no", "on", "off", "y", "N", "tRUE", "nil", "None", "<<", "=", "nan", "Infinity"]
)
def test_all_other_words_are_texts(text: str) -> None:
    assert _typed(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-0", 0),
        ("+0", 0),
        ("1", 1),
        ("+12", 12),
        ("-12", -12),
        ("1_000", 1000),
        ("1__0_", 10),
        ("-_1", -1),
        ("0755", 493),
        ("-0755", -493),
        ("00", 0),
        ("0_7", 7),
        ("0o755", 493),
        ("-0O17", -15),
        ("0x1F", 31),
        ("+0X1f", 31),
        ("0x_1_F", 31),
        ("0b101", 5),
        ("-0B11", -3),
        ("0" * 5000 + "7", 7),
    ],
)
def test_an_integer_has_four_bases_and_underscores(text: str, value: int) -> None:
    found = _typed(text)

    assert (type(found), found) == (int, value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9223372036854775807", 2**63 - 1),
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
        ("+9223372036854775807", 2**63 - 1),
        ("0xffffffffffffffff", 2**64 - 1),
        ("01777777777777777777777", 2**64 - 1),
    ],
)
def test_an_integer_has_64_bits(text: str, value: int) -> None:
    found = _typed(text)

    assert (type(found), found) == (int, value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18446744073709551616", 2.0**64),
        ("-9223372036854775809", -(2.0**63)),
        ("+9223372036854775808", 2.0**63),
        ("1" + "0" * 300, 1e300),
        ("02777777777777777777777", 2777777777777777777777.0),
        ("08", 8.0),
    ],
)
def test_a_decimal_that_is_no_integer_of_64_bits_is_a_float(text: str, value: float) -> None:
    found = _typed(text)

    assert (type(found), found) == (float, value)


@pytest.mark.parametrize("text", ["0x10000000000000000", "0o2777777777777777777777", "1e400", "-1e400", "9" * 5000])
def test_a_number_that_is_too_large_for_any_type_is_a_text(text: str) -> None:
    assert _typed(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.20", 1.2),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        ("1E-3", 0.001),
        ("+1.5e+2", 150.0),
        ("09.5", 9.5),
        ("1_000.5_0", 1000.5),
        ("1_e_1", 10.0),
        (".5_0", 0.5),
        (".5e1_0", 5e9),
        ("1e-400", 0.0),
        ("5e-324", 5e-324),
    ],
)
def test_a_float_needs_no_digits_on_one_side_of_the_point(text: str, value: float) -> None:
    found = _typed(text)

    assert (type(found), found) == (float, value)


@pytest.mark.parametrize("word", [".inf", ".Inf", ".INF"])
def test_infinity_has_three_spellings_and_a_sign(word: str) -> None:
    assert [_typed(sign + word) for sign in ("", "+", "-")] == [math.inf, math.inf, -math.inf]


@pytest.mark.parametrize("word", [".nan", ".NaN", ".NAN"])
def test_what_is_not_a_number_has_three_spellings(word: str) -> None:
    found = _typed(word)

    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize("text", ["+", "-", ".", "0x", "0b", "0b2", "0o8", "_1", "._5", ".5__0", ".5_", "1.2.3"])
def test_what_only_looks_like_a_number_is_a_text(text: str) -> None:
    assert _typed(text) == text


@pytest.mark.parametrize(
    ("text", "rfc3339"),
    [
        ("2024-01-02", "2024-01-02T00:00:00Z"),
        ("2024-1-2", "2024-01-02T00:00:00Z"),
        ("2024-02-29", "2024-02-29T00:00:00Z"),
        ("0000-02-29", "0000-02-29T00:00:00Z"),
        ("9999-12-31", "9999-12-31T00:00:00Z"),
        ("2024-01-02 3:4:5", "2024-01-02T03:04:05Z"),
        ("2024-01-02   03:04:05", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02t03:04:05Z", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05+02:00", "2024-01-02T03:04:05+02:00"),
        ("2024-01-02T03:04:05-00:30", "2024-01-02T03:04:05-00:30"),
        ("2024-01-02T03:04:05-00:00", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05+24:60", "2024-01-02T03:04:05+25:00"),
        ("2024-01-02 03:04:05.120", "2024-01-02T03:04:05.12Z"),
        ("2024-01-02 03:04:05,5", "2024-01-02T03:04:05.5Z"),
        ("2024-01-02 03:04:05.000", "2024-01-02T03:04:05Z"),
        ("2024-01-02T03:04:05.123456789987Z", "2024-01-02T03:04:05.123456789Z"),
    ],
)
def test_a_date_or_time_is_written_in_rfc_3339(text: str, rfc3339: str) -> None:
    assert _typed(text) == Timestamp(text=rfc3339)


@pytest.mark.parametrize("text", ["1e", "1:30", "-.nan", "0x1.8p1", "1 2", "1\n", "0b-1"])
def test_what_no_number_can_hold_makes_a_text(text: str) -> None:
    assert _typed(text) == text


@pytest.mark.parametrize("text", ["\u0661", "\u0661.\u0662", "-\u0661", "1\u0662", "\u0662\u0660\u0662\u0664-1-1"])
def test_digits_of_other_scripts_are_no_digits(text: str) -> None:
    assert _typed(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-29",
        "2024-13-01",
        "2024-00-01",
        "2024-01-00",
        "2024-01-021",
        "24-01-02",
        "2024-01",
        "2024-01-02T03:04:05",
        "2024-01-02 03:04:05Z",
        "2024-01-02T03:04:05z",
        "2024-01-02T03:04:05+0200",
        "2024-01-02T03:04:05+25:00",
        "2024-01-02T03:04:05+00:61",
        "2024-01-02 24:00:00",
        "2024-01-02 23:60:00",
        "2024-01-02 23:59:60",
        "2024-01-02 03:04",
        "2024-01-02 03:04:05.",
    ],
)
def test_what_only_looks_like_a_date_is_a_text(text: str) -> None:
    assert _typed(text) == text


@given(st.text("0123456789+-_.:eExXoObBaAfFTtZz ", max_size=30) | st.text(max_size=10))
def test_every_word_has_a_type(text: str) -> None:
    value = _typed(text)

    assert not isinstance(value, str) or value == text
