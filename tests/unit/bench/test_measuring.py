"""Rounds of a work: in turn, without what both sides do beside, and with a daemon where one is needed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bench import measuring
from tests.bench.gauges import Gauge, Wall
from tests.bench.measuring import Take, measure
from tests.bench.running import BenchError, Place
from tests.bench.works import Work

OURS, THEIRS, BASE = Wall(command=("ours",)), Wall(command=("theirs",)), Wall(command=("base",))


def a_work(**changes: Any) -> Work:  # noqa: ANN401 - a work's fields
    facts: dict[str, Any] = {"name": "w", "title": "a work", "ours": OURS, "reference": THEIRS}
    return Work(**(facts | {"must": 0.5, "aim": 0.25} | changes))


def scripted(figures: Mapping[Wall, list[list[float]]], calls: list[tuple[Gauge, Place]]) -> Take:
    def take(gauge: Gauge, place: Place) -> list[float]:
        calls.append((gauge, place))
        assert isinstance(gauge, Wall)
        return figures[gauge].pop(0)

    return take


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(folder=tmp_path)


def test_rounds_are_interleaved_and_the_idle_time_is_taken_off_both_sides(place: Place) -> None:
    calls: list[tuple[Gauge, Place]] = []
    figures = {OURS: [[5.0], [9.0], [6.0]], THEIRS: [[8.0], [8.0], [30.0]]}

    row = measure(a_work(idle=4.0), 3, place, scripted(figures, calls))

    assert [gauge for gauge, _ in calls] == [OURS, THEIRS] * 3
    assert (row.ours, row.reference) == ((1.0, 5.0, 2.0), (4.0, 4.0, 26.0))
    assert (row.figure, row.base, row.value) == (2.0, 4.0, 0.5)


def test_what_both_do_beside_is_measured_in_each_round_and_taken_off_both(place: Place) -> None:
    figures = {BASE: [[1.0], [2.0]], OURS: [[3.0], [5.0]], THEIRS: [[2.0], [4.0]]}

    row = measure(a_work(base=BASE), 2, place, scripted(figures, []))

    assert (row.ours, row.reference) == ((2.0, 3.0), (1.0, 2.0))


def test_all_figures_of_a_round_count(place: Place) -> None:
    figures = {OURS: [[1.0, 2.0], [3.0, 4.0]], THEIRS: [[10.0, 10.0, 10.0], [20.0]]}

    row = measure(a_work(), 2, place, scripted(figures, []))

    assert (row.figure, row.base) == (2.5, 10.0)


def test_a_work_that_takes_long_has_no_more_rounds_than_it_says(place: Place) -> None:
    figures = {OURS: [[1.0], [3.0], [100.0]], THEIRS: [[2.0], [4.0], [100.0]]}

    row = measure(a_work(most=2), 3, place, scripted(figures, []))

    assert (row.ours, row.reference) == ((1.0, 3.0), (2.0, 4.0))


def test_a_work_without_a_reference_has_the_figure_itself_as_its_value(place: Place) -> None:
    row = measure(a_work(reference=None, unit="MB", must=130), 1, place, scripted({OURS: [[98.0]]}, []))

    assert (row.base, row.value, row.unit, row.within) == (None, 98.0, "MB", True)


def test_gauges_are_told_the_number_of_the_round(place: Place) -> None:
    calls: list[tuple[Gauge, Place]] = []

    measure(a_work(reference=None), 3, place, scripted({OURS: [[1.0], [1.0], [1.0]]}, calls))

    assert [here.number for _, here in calls] == [0, 1, 2]


def test_commands_of_a_work_that_needs_a_daemon_find_one_and_it_ends_with_the_work(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    class FakeLives:
        data = Path("/the/data")

        def start(self) -> None:
            said.append("start")

        def end(self) -> None:
            said.append("end")

    @contextmanager
    def fake(folder: Path) -> Iterator[FakeLives]:
        assert folder.is_dir()
        yield FakeLives()

    monkeypatch.setattr(measuring, "lives_in", fake)
    calls: list[tuple[Gauge, Place]] = []
    measure(a_work(daemon=True), 1, place, scripted({OURS: [[1.0]], THEIRS: [[1.0]]}, calls))

    assert said == ["start", "end"]
    assert [dict(here.environment) for _, here in calls] == [{"RUNNER_DATA_DIR": "/the/data"}] * 2


def test_a_side_that_does_not_do_its_work_ends_the_measurement_of_it(place: Place) -> None:
    with pytest.raises(BenchError, match="exit 1"):
        measure(a_work(ours=Wall(command=("false",))), 1, place)
