"""Our own keys timeout and retry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.plan.quantities import BadValueError, retry, timeout


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30),
        ("1.5", 1.5),
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h30m15s", 5415),
        ("1.5s", 1.5),
        ("0.5h", 1800),
        ("2h5s", 7205),
        ("366h", 366 * 3600),
    ],
)
def test_a_duration_is_read_as_seconds(text: str, seconds: float) -> None:
    assert timeout(text) == seconds


@pytest.mark.parametrize("text", ["0", "0s", "0h0m", "0.0"])
def test_nought_means_no_timeout(text: str) -> None:
    assert timeout(text) is None


@pytest.mark.parametrize(
    "text", ["", "-1", "-5m", "5 m", "m", "5min", "1m1h", "1e3", "inf", "nan", "٣", "1d", "5m\n", "1.", ".5", "+5"]
)
def test_nonsense_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(BadValueError, match="is not a duration") as caught:
        timeout(text)

    assert "90s, 5m or 1h30m" in caught.value.hint


@pytest.mark.parametrize("text", ["9000h", "9" * 400, "9" * 400 + "h"])
def test_more_than_a_year_is_refused(text: str) -> None:
    with pytest.raises(BadValueError, match="is longer than a year"):
        timeout(text)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(1, 59))
def test_units_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert timeout(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds


@given(st.text(max_size=6))
def test_no_text_gives_a_negative_timeout_or_another_error(text: str) -> None:
    try:
        seconds = timeout(text)
    except BadValueError:
        return
    assert seconds is None or seconds > 0


@pytest.mark.parametrize(("text", "attempts"), [("0", 0), ("3", 3), ("10", 10), ("010", 10)])
def test_retry_is_a_number_of_further_attempts(text: str, attempts: int) -> None:
    assert retry(text) == attempts


@pytest.mark.parametrize("text", ["11", "-1", "1.5", "", "two", "1000", "²", "1 "])
def test_another_retry_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(BadValueError, match="is not a number of further attempts") as caught:
        retry(text)

    assert caught.value.hint == "write how often to try again: 0 to 10"
