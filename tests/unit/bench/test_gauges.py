"""What gauges read off: gaps between stamps, copies, and figures that a round shares."""

from pathlib import Path

import pytest

from tests.bench import gauges
from tests.bench.gauges import Copied, First, Gaps, Killed, Wall
from tests.bench.gauges import gaps as gaps_of
from tests.bench.running import BenchError, Place
from tests.support.fleet import Recovery


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(folder=tmp_path)


def prints(*lines: str) -> tuple[str, ...]:
    return ("printf", "%s\\n", *lines)


def test_gaps_are_from_the_end_of_a_step_to_the_begin_of_the_next(place: Place) -> None:
    printed = (
        "10.000000 begin",
        "11.000000 end",
        "11.250000 begin",
        "13.000000 end",
        "13.500000 begin",
        "14.000000 end",
    )

    assert Gaps(command=prints(*printed), steps=3).take(place) == [0.25, 0.5]


def test_gaps_are_found_behind_prefixes_and_between_other_lines(place: Place) -> None:
    printed = (
        "steps/step0 | $ echo begin | ts %.s",
        "steps/step0 | 10.000000 begin",
        "steps/step0 | 11.000000 end\r",
        "steps/step1 | 11.125000 begin",
        "steps/step1 | 12.000000 end",
        "success in 2.0 s",
    )

    assert Gaps(command=prints(*printed), steps=2).take(place) == [0.125]


@pytest.mark.parametrize("words", [["begin", "end"], ["begin", "begin", "end", "end"], ["begin", "end", "begin"], []])
def test_stamps_that_are_missing_or_mixed_up_are_no_gaps(words: list[str]) -> None:
    with pytest.raises(BenchError, match="stamps of 2 steps"):
        gaps_of([(float(at), word) for at, word in enumerate(words)], 2)


def test_a_wall_takes_the_seconds_of_a_command(place: Place) -> None:
    (seconds,) = Wall(command=("sleep", "0.1")).take(place)

    assert 0.1 <= seconds < 2


def test_a_first_line_is_waited_for(place: Place) -> None:
    (seconds,) = First(command=("sh", "-c", "sleep 0.1; echo here; sleep 0.3"), text="here").take(place)

    assert 0.1 <= seconds < 0.4


def test_the_source_of_many_files_is_made_once_and_its_copies_do_not_stay(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gauges, "FILES", 20)
    monkeypatch.setattr(gauges, "DIRECTORIES", 4)

    first, second = Copied().take(place), Copied().take(place)

    assert min(first + second) > 0
    assert sum(path.is_file() for path in (place.folder / "many").rglob("*")) == 20
    assert not (place.folder / "copy").exists()


def test_the_figures_of_a_killed_daemon_are_taken_once_in_a_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def fake(folder: Path) -> Recovery:
        asked.append(folder)
        return Recovery(begun=9.0, idle=98.0, each=0.5, answered=1.0, driven=(2.0, 3.0, 2.5))

    monkeypatch.setattr(gauges, "recovery", fake)
    figures = [Killed(figure=name).take(Place(folder=tmp_path, number=2)) for name in ("last", "idle", "each", "half")]

    assert figures == [[3.0], [98.0], [0.5], [2.5]]
    assert set(asked) == {tmp_path / "fleet2"}
