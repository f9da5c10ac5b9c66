"""What pictures show, before it is drawn."""

import pytest

from tests.bench.panels import bars, contests, panels
from tests.bench.peers import Job
from tests.bench.pipelines import LINES
from tests.bench.results import Entry, Point, Row


def a_row(ours: float, *, reference: tuple[float, ...] = (1.0,), unit: str = "s") -> Row:
    return Row(name="w", title="a work", unit=unit, must=0.5, aim=0.25, ours=(ours,), reference=reference)


def a_point(stages: int, steps: int, sleep: float, ours: float = 1.0, docker: float = 2.0) -> Point:
    idle = steps * sleep
    return Point(stages=stages, steps=steps, sleep=sleep, ours=(idle + ours,), docker=(idle + docker,))


def test_a_bar_is_a_part_of_the_limit_and_so_is_its_aim() -> None:
    (bar,) = bars([a_row(0.6)])

    assert (bar.part, bar.aim, bar.verdict) == (1.2, 0.5, "OVER")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (a_row(0.1234), "0.123 of 0.5"),
        (a_row(0.1234, reference=(), unit="MB"), "0.123 of 0.5 MB"),
        (a_row(12.34, reference=(), unit="s"), "12.3 of 0.5 s"),
    ],
)
def test_a_bar_tells_its_value_with_a_unit_where_it_is_no_ratio(row: Row, told: str) -> None:
    assert [bar.told for bar in bars([row])] == [told]


def test_runners_are_grouped_by_their_work_with_the_fastest_first() -> None:
    groups = contests(
        [
            Entry(job=Job.SEQUENTIAL, peer="act", seconds=(9.0, 3.0, 4.0)),
            Entry(job=Job.SEQUENTIAL, peer="runner", seconds=(2.0,)),
            Entry(job=Job.PARALLEL, peer="act", seconds=(1.0,)),
        ]
    )

    assert [group.title for group in groups] == [Job.SEQUENTIAL, Job.PARALLEL]
    assert (groups[0].names, groups[0].seconds, groups[0].notes) == (("runner", "act"), (2.0, 4.0), ("2.00", "4.00"))


def test_who_has_failed_is_not_drawn_nor_is_a_work_that_nobody_did() -> None:
    failed = Entry(job=Job.SEQUENTIAL, peer="act", seconds=(), failure="exit 1")

    assert contests([failed]) == []
    (group,) = contests([failed, Entry(job=Job.SEQUENTIAL, peer="runner", seconds=(2.0,))])
    assert group.names == ("runner",)


@pytest.mark.parametrize(
    ("lines", "note"),
    [(LINES, "2.00"), (LINES // 4, "2.00, 75% lost"), (0, "2.00, 100% lost")],
)
def test_lines_that_were_lost_are_noted(lines: int, note: str) -> None:
    (group,) = contests([Entry(job=Job.LOG, peer="act", seconds=(2.0,), lines=lines)])

    assert group.notes == (note,)


def test_there_is_a_row_for_each_number_of_stages_and_a_panel_for_each_length_of_a_step() -> None:
    points = [a_point(stages, steps, sleep) for sleep in (0.4, 0) for steps in (20, 1) for stages in (8, 1)]

    grid = panels(points)

    assert [[panel.title for panel in row] for row in grid] == [
        ["1 stage, steps of 0 s", "1 stage, steps of 0.4 s"],
        ["8 stages, steps of 0 s", "8 stages, steps of 0.4 s"],
    ]
    assert {panel.steps for row in grid for panel in row} == {(1, 20)}


def test_a_curve_is_what_goes_beyond_the_sleep_and_a_row_has_one_height() -> None:
    ((first, second),) = panels([a_point(1, 5, 0, ours=1.0, docker=2.0), a_point(1, 5, 2, ours=0.5, docker=7.0)])

    assert (first.ours, first.docker) == ((1.0,), (2.0,))
    assert second.ours == pytest.approx((0.5,))
    assert (first.top, second.top) == (7.0, 7.0)


def test_without_points_there_are_no_panels() -> None:
    assert panels([]) == []
