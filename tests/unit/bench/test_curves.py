"""The curves: every point of the grid, both sides in turn, with as many containers on either."""

import json
import os
from pathlib import Path

import pytest

from runner.dialects.text import to_plan
from runner.plan.trigger import Trigger
from tests.bench.curves import QUICK, Grid, command, docker, ours, points
from tests.bench.gauges import Gauge, Wall
from tests.bench.running import Place, run


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(folder=tmp_path)


def test_the_grid_has_the_points_that_the_picture_promises() -> None:
    assert Grid() == Grid(stages=(1, 8), steps=(1, 5, 20), sleeps=(0, 0.1, 0.4, 2))


def test_every_point_is_measured_in_interleaved_rounds(place: Place) -> None:
    calls: list[Gauge] = []

    def taking(gauge: Gauge, _: Place) -> list[float]:
        calls.append(gauge)
        return [float(len(calls))]

    first, second = points(QUICK, 2, place, taking)

    assert (first.steps, first.ours, first.docker) == (1, (1.0, 3.0), (2.0, 4.0))
    assert (second.steps, second.ours, second.docker) == (2, (5.0, 7.0), (6.0, 8.0))
    assert calls[:4] == [ours("curve-1-1-0.yml", 1), docker(1, 1, 0)] * 2


def test_our_side_is_a_pipeline_of_so_many_stages_and_steps(place: Place) -> None:
    (found,) = points(Grid(stages=(8,), steps=(5,), sleeps=(0.1,)), 1, place, lambda *_: [1.0])
    text = (place.folder / "curve-8-5-0.1.yml").read_text()
    plan = to_plan(text.encode(), "a.yml", Trigger(), strict=True)

    assert [len(stage.steps) for stage in plan.stages] == [5] * 8
    assert {step.commands for stage in plan.stages for step in stage.steps} == {("sleep 0.1",)}
    assert json.loads(text)["stages"]["stage0"]["independent"] is True
    assert (found.stages, found.steps, found.sleep) == (8, 5, 0.1)


def test_all_stages_of_ours_run_at_a_time() -> None:
    gauge = ours("a.yml", 8)

    assert isinstance(gauge, Wall)
    assert gauge.command[-3:] == ("--max-parallel", "8", "a.yml")


@pytest.mark.parametrize(("sleep", "words"), [(0, ("true",)), (0.1, ("sleep", "0.1")), (2, ("sleep", "2"))])
def test_a_step_of_no_length_is_true(sleep: float, words: tuple[str, ...]) -> None:
    assert command(sleep) == words


def test_the_other_side_runs_as_many_containers_with_the_same_command(place: Place) -> None:
    (place.folder / "docker").write_text(f'#!/bin/sh\necho "$@" >>{place.folder}/calls\n')
    (place.folder / "docker").chmod(0o755)
    here = Place(folder=place.folder, environment={"PATH": f"{place.folder}:{os.environ['PATH']}"})
    gauge = docker(2, 3, 0.1)

    assert isinstance(gauge, Wall)
    run(gauge.command, here)

    assert (place.folder / "calls").read_text() == "run --rm busybox:local sleep 0.1\n" * 6


def test_a_container_that_fails_ends_its_loop_and_the_work_is_not_done(place: Place) -> None:
    (place.folder / "docker").write_text(f"#!/bin/sh\necho x >>{place.folder}/calls\nexit 1\n")
    (place.folder / "docker").chmod(0o755)
    here = Place(folder=place.folder, environment={"PATH": f"{place.folder}:{os.environ['PATH']}"})
    gauge = docker(1, 3, 0)

    assert isinstance(gauge, Wall)
    with pytest.raises(Exception, match="exit 123"):
        run(gauge.command, here)
    assert (place.folder / "calls").read_text() == "x\n"
