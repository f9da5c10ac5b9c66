"""What is found: medians, verdicts, and that it is the same after it was written and read."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.results import Entry, Point, Results, Row, read, write


def a_row(*ours: float, reference: tuple[float, ...] = (1.0,), must: float = 0.5, aim: float = 0.25) -> Row:
    return Row(name="w", title="a work", unit="s", must=must, aim=aim, ours=ours, reference=reference)


RESULTS = Results(
    rounds=3,
    cores=2,
    engine="20.10.24",
    load=0.5,
    rows=(a_row(0.3, 0.2, 0.4), a_row(98.0, reference=(), must=130, aim=100)),
    curves=(Point(stages=8, steps=5, sleep=0.4, ours=(2.5, 2.75), docker=(4.0, 5.0)),),
    peers=(
        Entry(job="a log", peer="act", seconds=(9.0, 8.0), lines=999_999),
        Entry(job="a log", peer="other", seconds=(), failure="exit 1"),
    ),
)


def test_a_value_is_the_ratio_of_the_medians() -> None:
    row = a_row(0.1, 5.0, 0.2, reference=(1.0, 0.5, 9.0))

    assert (row.figure, row.base, row.value) == (0.2, 1.0, 0.2)


@pytest.mark.parametrize(
    ("figure", "verdict", "within"),
    [(0.25, "aim", True), (0.26, "ok", True), (0.5, "ok", True), (0.51, "OVER", False)],
)
def test_a_verdict_says_what_is_reached(figure: float, verdict: str, *, within: bool) -> None:
    for row in (a_row(figure), a_row(figure * 7, reference=(7.0,)), a_row(figure, reference=())):
        assert (row.verdict, row.within) == (verdict, within)


def test_what_goes_beyond_the_sleep_is_that_of_all_steps_one_after_the_other() -> None:
    (point,) = RESULTS.curves

    assert point.overhead(point.ours) == pytest.approx(0.625)
    assert point.overhead(point.docker) == pytest.approx(2.5)


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    write(RESULTS, tmp_path / "results.json")

    assert read(tmp_path / "results.json") == RESULTS


def test_every_figure_is_in_the_file_and_of_the_machine_no_more_than_this(tmp_path: Path) -> None:
    write(RESULTS, tmp_path / "results.json")
    document = json.loads((tmp_path / "results.json").read_text())

    assert document["rows"][0]["ours"] == [0.3, 0.2, 0.4]
    assert document.keys() == {"rounds", "cores", "engine", "load", "rows", "curves", "peers"}


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"version": "1"}')

    with pytest.raises(ValueError, match="cores"):
        read(tmp_path / "other.json")


def test_a_row_that_is_measured_again_takes_the_place_of_the_one_before() -> None:
    first, second, other = a_row(0.1), replace(a_row(0.2), name="x"), a_row(0.3)

    assert replace(RESULTS, rows=(first, second)).having(other).rows == (other, second)
    assert replace(RESULTS, rows=(first,)).having(second).rows == (first, second)
