"""The tables as text: every line tells its figures under its heading."""

from tests.bench import table
from tests.bench.peers import Job
from tests.bench.results import Entry, Point, Results, Row
from tests.bench.works import WORKS


def a_row(title: str = "a work", *, unit: str = "s", ours: float = 0.3, reference: tuple[float, ...] = (1.0,)) -> Row:
    return Row(name="w", title=title, unit=unit, must=0.5, aim=0.25, ours=(ours,), reference=reference)


def test_a_row_tells_both_sides_the_ratio_the_limits_and_what_is_left_to_the_aim() -> None:
    assert table.row(a_row()).split() == [
        "a",
        "work",
        "0.300",
        "s",
        "1.000",
        "s",
        "0.300",
        "0.5",
        "0.25",
        "+0.050",
        "ok",
    ]


def test_beyond_the_aim_what_is_left_is_negative() -> None:
    assert table.row(a_row(ours=0.2)).split()[-2:] == ["-0.050", "aim"]


def test_a_row_over_its_limit_says_so() -> None:
    assert table.row(a_row(ours=0.6)).endswith("OVER")


def test_a_row_without_a_reference_has_no_ratio() -> None:
    row = table.row(a_row(unit="MB", ours=98.04, reference=()))

    assert row.split() == ["a", "work", "98.0", "MB", "-", "-", "0.5", "0.25", "+97.790", "OVER"]


def test_columns_stand_under_their_headings() -> None:
    for work in WORKS:
        line = table.row(a_row(work.title))
        assert line.index("0.300 s") + len("0.300 s") == table.HEADER.index("ours") + len("ours"), work.title
        assert line.index("ok") == table.HEADER.index("verdict")


def test_a_point_tells_what_goes_beyond_the_sleep() -> None:
    point = Point(stages=8, steps=5, sleep=0.4, ours=(2.5,), docker=(4.0,))

    assert table.point(point).split() == ["8", "0.4", "5", "0.500", "2.000", "0.25"]
    assert len(table.point(point)) == len(table.CURVES_HEADER)


def test_runners_are_told_with_their_ratio_to_plain_docker_and_the_lines_that_came() -> None:
    docker = Entry(job=Job.LOG, peer="docker run", seconds=(4.0,), lines=1_000_000)
    act = Entry(job=Job.LOG, peer="act", seconds=(9.0, 6.0, 5.0), lines=391_745)

    lines = [table.peer(docker, docker), table.peer(act, docker)]

    assert lines[0].split()[-3:] == ["4.000", "1.00", "all"]
    assert lines[1].split()[-4:] == ["act", "6.000", "1.50", "391745"]
    assert {len(line) for line in lines} == {len(table.PEERS_HEADER)}


def test_there_is_no_ratio_where_plain_docker_failed_and_no_lines_where_none_are_counted() -> None:
    failed = Entry(job=Job.SEQUENTIAL, peer="docker run", seconds=(), failure="exit 1")

    line = table.peer(Entry(job=Job.SEQUENTIAL, peer="act", seconds=(3.0,)), failed)

    assert line.split()[-3:] == ["3.000", "-", "-"]


def test_a_runner_that_failed_is_told_with_the_first_line_of_why() -> None:
    failed = Entry(job=Job.LOG, peer="act", seconds=(), failure="exit 1\nand much more")

    assert table.peer(failed, failed).endswith("failed: exit 1")


def test_the_last_line_says_what_it_was_taken_on() -> None:
    footer = table.footer(Results(rounds=5, cores=2, engine="20.10.24", load=1.26))

    assert footer == "medians of at most 5 interleaved rounds; Docker 20.10.24, 2 cores, load average 1.3"
