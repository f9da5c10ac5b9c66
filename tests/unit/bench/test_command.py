"""The command of the benchmark: what it measures, what it writes, and its exit code. (That it runs: tests/e2e.)"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bench import command, contest, curves, results
from tests.bench.command import chosen, main, options_of
from tests.bench.curves import Grid
from tests.bench.results import Entry, Point, Row
from tests.bench.running import BenchError, Place
from tests.bench.works import WORKS, Work
from tests.support.lives import LateError


class Machine:
    """Measures nothing. Works in ``failing`` do not do their work; those in ``over`` are over their limits."""

    def __init__(self) -> None:
        self.failing: set[str] = set()
        self.over: set[str] = set()
        self.rounds: list[int] = []
        self.said: list[str] = []

    def measure(self, work: Work, rounds: int, place: Place) -> Row:
        self.rounds.append(rounds)
        assert (place.folder / "true.yml").exists()
        if work.name in self.failing:
            raise BenchError("exit 1\nno such image")
        ours = work.must * (2 if work.name in self.over else 0.9)
        return Row(name=work.name, title=work.title, unit=work.unit, must=work.must, aim=work.aim, ours=(ours,))

    def points(self, grid: Grid, rounds: int, place: Place) -> Iterator[Point]:
        self.rounds.append(rounds)
        yield Point(stages=grid.stages[-1], steps=1, sleep=0, ours=(1.0,), docker=(2.0,))

    def entries(self, peers: Any, rounds: int, place: Place) -> Iterator[Entry]:  # noqa: ANN401 - as the real one
        for peer in peers:
            yield Entry(job="the work", peer=peer.name, seconds=(1.0,), failure="exit 1" * (peer.name in self.failing))

    def run(self, *arguments: str) -> int:
        return main(arguments, self.said.append)

    @property
    def names(self) -> list[str]:
        """The works that were told, in their order."""
        titles = {work.title: work.name for work in WORKS}
        return [titles[title] for line in self.said for title in titles if line.startswith(title + " ")]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(command, "measure", made.measure)
    monkeypatch.setattr(curves, "points", made.points)
    monkeypatch.setattr(contest, "entries", made.entries)
    monkeypatch.setattr(results, "engine_version", lambda: "20.10.24")
    return made


def test_without_names_all_works_are_measured_in_five_rounds(machine: Machine) -> None:
    assert machine.run() == 0

    assert machine.names == [work.name for work in WORKS]
    assert set(machine.rounds) == {5}


def test_works_are_measured_in_the_order_of_the_table(machine: Machine) -> None:
    machine.run("--rounds", "2", "true", "gap")

    assert machine.names == ["gap", "true"]
    assert machine.rounds == [2, 2]


def test_none_is_for_those_who_want_other_runners_only(machine: Machine) -> None:
    machine.run("none", "--peers")

    assert machine.names == []
    assert [line.split()[2] for line in machine.said if line.startswith("the work")] == ["docker", "runner"]


def test_quick_is_one_round_of_what_is_cheap(machine: Machine) -> None:
    machine.run("--quick")

    assert machine.names == [work.name for work in WORKS if work.quick]
    assert set(machine.rounds) == {1}
    assert chosen(options_of(["--quick", "gap"])) == [WORKS[0]]


@pytest.mark.parametrize(("gate", "code"), [((), 0), (("--gate",), 1)])
def test_a_value_over_its_limit_is_told_and_fails_the_gate_only(machine: Machine, gate: tuple[str], code: int) -> None:
    machine.over = {"gap"}

    assert machine.run("gap", "true", *gate) == code
    assert [line.split()[-1] for line in machine.said[1:3]] == ["OVER", "ok"]


def test_what_does_not_do_its_work_is_told_and_the_rest_is_measured_and_kept(machine: Machine, tmp_path: Path) -> None:
    machine.failing = {"gap"}

    assert machine.run("gap", "true", "--json", str(tmp_path / "a.json")) == 1

    assert any("beyond 4 s: failed: exit 1\nno such image" in line for line in machine.said)
    assert [row.name for row in results.read(tmp_path / "a.json").rows] == ["true"]


def test_a_daemon_that_does_not_answer_ends_only_its_own_work(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(work: Work, rounds: int, place: Place) -> Row:
        if work.daemon:
            raise LateError("a daemon that answers")
        return machine.measure(work, rounds, place)

    monkeypatch.setattr(command, "measure", measure)

    assert machine.run("start", "submit", "killed") == 1
    assert [("failed: a daemon that answers" in line) for line in machine.said[1:4]] == [False, True, False]


def test_a_runner_that_fails_is_in_the_exit_code(machine: Machine) -> None:
    machine.failing = {"runner"}

    assert machine.run("none", "--peers") == 1


def test_other_runners_that_are_not_there_are_named(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    machine.run("none", "--peers")

    assert "not on PATH: act, gitlab-ci-local, gitlabci-local, woodpecker, drone" in machine.said[0]


def test_all_that_was_measured_is_kept(machine: Machine, tmp_path: Path) -> None:
    machine.run("gap", "--peers", "--json", str(tmp_path / "a.json"))
    kept = results.read(tmp_path / "a.json")

    assert ([row.name for row in kept.rows], kept.engine, kept.rounds) == (["gap"], "20.10.24", 5)
    assert [entry.peer for entry in kept.peers][:2] == ["docker run", "runner"]
    assert kept.curves == ()


def test_curves_are_measured_in_three_rounds_at_most_and_kept(machine: Machine, tmp_path: Path) -> None:

    machine.run("none", "--curves", str(tmp_path / "a.svg"), "--json", str(tmp_path / "a.json"))

    assert machine.rounds == [3]
    assert [point.stages for point in results.read(tmp_path / "a.json").curves] == [8]
    assert (tmp_path / "a.svg").exists()


def test_what_was_kept_is_gone_on_with(machine: Machine, tmp_path: Path) -> None:
    kept = str(tmp_path / "a.json")
    machine.run("gap", "true", "--json", kept)
    machine.over = {"gap"}

    machine.run("--from", kept, "--peers", "--json", kept)
    machine.run("--from", kept, "--rounds", "2", "stages", "gap", "--json", kept)

    found = results.read(tmp_path / "a.json")
    assert machine.names == ["gap", "true", "gap", "stages"]
    assert [(row.name, row.verdict) for row in found.rows] == [("gap", "OVER"), ("true", "ok"), ("stages", "ok")]
    assert [entry.peer for entry in found.peers][:2] == ["docker run", "runner"]
    assert found.rounds == 2


def test_curves_that_were_kept_are_drawn_and_not_measured(machine: Machine, tmp_path: Path) -> None:
    kept, picture = str(tmp_path / "a.json"), tmp_path / "a.svg"
    machine.run("none", "--curves", str(picture), "--json", kept)
    picture.unlink()

    machine.run("--from", kept, "--curves", str(picture))

    assert machine.rounds == [3]
    assert picture.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gap", "gpa"], "no work is called gpa; there are gap, true, stages"),
        (["--rounds", "0"], "--rounds must be at least 1"),
    ],
)
def test_nonsense_is_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        options_of(arguments)

    assert stop.value.code == 2
    assert said in capsys.readouterr().err
