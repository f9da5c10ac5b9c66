"""The clock: what a command takes, and that it has done its work."""

from pathlib import Path

import pytest

from tests.bench import running
from tests.bench.running import BenchError, Place, run, runner, seconds_to


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(folder=tmp_path)


def test_the_seconds_of_a_command_are_its_wall_time(place: Place) -> None:
    assert 0.2 <= run(("sh", "-c", "sleep 0.2; echo ab"), place, 3).seconds < 2


def test_the_clock_is_not_one_that_asks_every_fifty_milliseconds(place: Place) -> None:
    """Else all of these would be one of 1.5, 3.5, 7.5, 15.5, 31.5, 63.5 ms: doubled intervals, one after the other."""
    seconds = sorted(run(("sleep", "0.033"), place).seconds for _ in range(5))

    assert seconds[0] < 0.055


def test_what_a_command_printed_is_in_a_file(place: Place) -> None:
    assert run(("echo", "ab"), place).printed.read_text() == "ab\n"


def test_a_command_that_fails_is_told_with_what_it_said(place: Place) -> None:
    with pytest.raises(BenchError, match=r"exit 3[\s\S]*no such thing"):
        run(("sh", "-c", "echo no such thing >&2; exit 3"), place)


def test_a_command_that_prints_too_little_has_not_done_its_work(place: Place) -> None:
    with pytest.raises(BenchError, match="3 bytes printed by echo ab"):
        run(("echo", "ab"), place, 4)


def test_a_command_that_does_not_end_is_killed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "COMMAND_DEADLINE", 0.1)

    with pytest.raises(BenchError, match="exit -9"):
        run(("sleep", "60"), place)


def test_commands_run_in_the_folder_with_the_variables_of_the_place(tmp_path: Path) -> None:
    place = Place(folder=tmp_path, environment={"WHERE": "here"})

    printed = run(("sh", "-c", 'echo "$WHERE" "$PWD" "${PATH:+path}"'), place).printed

    assert printed.read_text().split() == ["here", str(tmp_path), "path"]


def test_the_clock_to_a_line_stops_when_it_comes_and_waits_for_the_end(place: Place) -> None:
    command = ("sh", "-c", "echo other; echo the first line; sleep 0.5; touch ended")

    seconds = seconds_to("first line", command, place)

    assert 0 < seconds < 0.5
    assert (place.folder / "ended").exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [("echo other", "exit 0, 'the first line' never came"), ("echo the first line; exit 3", "exit 3, .* came")],
)
def test_a_line_that_never_comes_or_a_command_that_fails_has_no_time(place: Place, command: str, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        seconds_to("the first line", ("sh", "-c", command), place)


def test_the_runner_that_is_measured_is_that_of_the_checkout() -> None:
    program, *arguments = runner("exec", "a.yml")

    assert Path(program).parts[-3:] == (".venv", "bin", "runner")
    assert arguments == ["exec", "a.yml"]
