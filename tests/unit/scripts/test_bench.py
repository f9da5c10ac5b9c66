"""The benchmark's bookkeeping: rounds, medians, limits. (What it measures needs an engine: ``make bench``.)"""

import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from runner.dialects.text import to_plan
from runner.plan.model import Fork
from runner.plan.trigger import Trigger
from tests.support.scripts import load


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load("bench")


def a_work(script: ModuleType, **changes: Any) -> Any:  # noqa: ANN401  # the type lives in the loaded script
    facts: dict[str, Any] = {"name": "w", "title": "a work", "ours": ("ours",), "reference": ("theirs",)}
    return script.Work(**(facts | {"must": 0.5, "aim": 0.25} | changes))


def test_rounds_are_interleaved_and_the_figures_are_medians_without_the_idle_time(
    script: ModuleType, tmp_path: Path
) -> None:
    seconds = {"ours": [5.0, 9.0, 6.0], "theirs": [8.0, 8.0, 30.0]}
    calls: list[str] = []

    def clock(command: Sequence[str], folder: Path, output: int) -> float:
        calls.append(command[0])
        return seconds[command[0]].pop(0)

    result = script.compare(a_work(script, idle=4.0), 3, tmp_path, clock)

    assert calls == ["ours", "theirs"] * 3
    assert (result.ours, result.reference, result.ratio) == (2.0, 4.0, 0.5)


def test_a_work_that_takes_long_has_no_more_rounds_than_it_says(script: ModuleType, tmp_path: Path) -> None:
    seconds = iter([1.0, 2.0, 3.0, 4.0, 100.0, 100.0])

    result = script.compare(a_work(script, most=2), 3, tmp_path, lambda *_: next(seconds))

    assert (result.ours, result.reference) == (2.0, 3.0)


def test_what_both_do_beside_is_measured_in_each_round_and_taken_off_both(script: ModuleType, tmp_path: Path) -> None:
    seconds = {"base": [1.0, 2.0, 3.0], "ours": [3.0, 5.0, 7.0], "theirs": [2.0, 3.0, 4.0]}

    work = a_work(script, base=("base",))
    result = script.compare(work, 3, tmp_path, lambda command, *_: seconds[command[0]].pop(0))

    assert (result.ours, result.reference) == (3.0, 1.0)


@pytest.mark.parametrize(
    ("ours", "now", "verdict"), [(0.5, None, "ok"), (0.51, None, "OVER"), (0.51, 0.6, "ok"), (0.61, 0.6, "OVER")]
)
def test_a_row_says_whether_the_limit_that_holds_now_is_kept(
    script: ModuleType, ours: float, now: float | None, verdict: str
) -> None:
    row = script.row(script.Result(work=a_work(script, now=now), ours=ours, reference=1.0))

    assert row.startswith("a work ")
    assert row.split()[-1] == verdict


def test_a_command_that_fails_ends_the_benchmark_with_what_it_said(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"exit 3[\s\S]*no such thing"):
        script.timed(("sh", "-c", "echo no such thing >&2; exit 3"), tmp_path, 0)


def test_a_command_that_prints_too_little_ends_the_benchmark(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="3 bytes printed"):
        script.timed(("echo", "ab"), tmp_path, 4)


def test_the_seconds_of_a_command_are_its_wall_time(script: ModuleType, tmp_path: Path) -> None:
    assert 0.2 <= script.timed(("sh", "-c", "sleep 0.2; echo ab"), tmp_path, 3) < 2


def test_an_unknown_name_is_refused_with_those_there_are(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        script.main(["gap", "gpa"])

    assert stop.value.code == 2
    assert "no work is called gpa; there are gap, true, stages" in capsys.readouterr().err


def test_every_pipeline_that_a_work_names_is_written(script: ModuleType) -> None:
    commands = [command for work in script.WORKS for command in (work.ours, work.reference, work.base)]
    named = {argument for command in commands for argument in command if argument.endswith(".yml")}

    assert named == set(script.pipelines())


@pytest.mark.parametrize(("name", "stages"), [("matrix", ["each"]), ("fork", ["EACH", "ALL"])])
def test_the_works_with_branches_run_as_many_of_them_as_their_reference_runs_containers(
    script: ModuleType, tmp_path: Path, name: str, stages: list[str]
) -> None:
    work = next(work for work in script.WORKS if work.name == name)

    text = json.dumps(script.pipelines()[f"{name}.yml"])
    plan = to_plan(text.encode(), f"{name}.yml", Trigger(), strict=True)

    assert [stage.name for stage in plan.stages] == stages
    assert plan.stages[0].fork == Fork(values=list(range(200)), limit=8)
    assert work.ours[-3:] == ("--max-parallel", "8", f"{name}.yml")
    assert work.reference[-4:] == ("200", "8", "busybox:local", "true")


def test_the_clock_to_a_first_line_stops_when_it_comes_and_waits_for_the_end(
    script: ModuleType, tmp_path: Path
) -> None:
    command = ("sh", "-c", "echo other; echo the first line; sleep 0.5; touch ended")

    seconds = script.timed_to("first line")(command, tmp_path, 0)

    assert 0 < seconds < 0.5
    assert (tmp_path / "ended").exists()


@pytest.mark.parametrize("command", ["echo other", "echo the first line; exit 3"])
def test_a_first_line_that_never_comes_or_a_command_that_fails_ends_the_benchmark(
    script: ModuleType, tmp_path: Path, command: str
) -> None:
    with pytest.raises(SystemExit, match="bench: exit"):
        script.timed_to("first line")(("sh", "-c", command), tmp_path, 0)
