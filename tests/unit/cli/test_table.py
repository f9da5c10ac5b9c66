from datetime import UTC, datetime

import pytest

from runner.cli.table import between, descent, moment, span, table

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def test_columns_are_as_wide_as_they_need_to_be() -> None:
    assert table([("a", "bb", "c"), ("aaa", "", "cc\nc"), ("", "b", "")]) == "a    bb  c\naaa      cc c\n     b"


def test_a_cell_may_be_indented() -> None:
    assert table([("stage", "x"), ("  step", "y")]) == "stage   x\n  step  y"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1.0, "0.0 s"),
        (0.04, "0.0 s"),
        (12.34, "12.3 s"),
        (119.9, "119.9 s"),
        (120.0, "2 min"),
        (7199.0, "120 min"),
        (7200.0, "2 h"),
        (172_800.0, "2 d"),
        (1e7, "116 d"),
    ],
)
def test_a_duration_has_one_unit(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("begin", "end", "words"),
    [
        (None, None, ""),
        ("2026-01-01T11:59:50Z", None, "10.0 s"),
        ("2026-01-01T11:00:00+00:00", "2026-01-01T11:00:30.500+00:00", "30.5 s"),
        ("2026-01-01T13:00:00+02:00", None, "60 min"),
    ],
)
def test_the_time_between_two_times_is_up_to_now_without_an_end(begin: str | None, end: str | None, words: str) -> None:
    assert between(begin, end, NOW) == words


def test_a_time_is_told_in_utc() -> None:
    assert moment("2026-01-01T13:00:00.123+02:00") == "2026-01-01 11:00:00 UTC"


def test_an_async_stage_is_told_with_the_run_that_has_started_it_if_one_has() -> None:
    assert [descent("check", "0badcafe"), descent("check", ""), descent("", "")] == [
        "async stage check of run 0badcafe",
        "async stage check",
        "",
    ]
