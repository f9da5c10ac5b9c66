"""The works as data: what they name is there, and both sides do as much."""

import json

import pytest

from runner.dialects.text import to_plan
from runner.plan.model import Fork, Plan
from runner.plan.trigger import Trigger
from tests.bench.gauges import First, Gaps, Gauge, Wall
from tests.bench.pipelines import FIRST, STAMPED, pipelines
from tests.bench.works import WORKS, Work


def command(gauge: Gauge | None) -> tuple[str, ...]:
    return gauge.command if isinstance(gauge, Wall | First | Gaps) else ()


def named(name: str) -> Work:
    return next(work for work in WORKS if work.name == name)


def plan(name: str) -> Plan:
    return to_plan(json.dumps(pipelines()[name]).encode(), name, Trigger(), strict=True)


def test_names_are_given_once() -> None:
    names = [work.name for work in WORKS]

    assert sorted(set(names)) == sorted(names)


def test_every_pipeline_that_a_work_names_is_written_and_no_other() -> None:
    commands = [command(gauge) for work in WORKS for gauge in (work.ours, work.reference, work.base)]

    assert {word for words in commands for word in words if word.endswith(".yml")} == set(pipelines())


@pytest.mark.parametrize("name", sorted(pipelines()))
def test_every_pipeline_is_valid_to_the_letter(name: str) -> None:
    assert plan(name).stages


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_an_aim_is_beyond_its_limit(work: Work) -> None:
    assert 0 < work.aim < work.must


def test_the_rows_that_must_be_reached_have_their_limits_and_aims() -> None:
    limits = {work.name: (work.must, work.aim) for work in WORKS}

    assert (
        limits.items()
        >= {
            "gap": (0.25, 0.15),
            "true": (0.45, 0.30),
            "stages": (0.85, 0.65),
            "between": (0.12, 0.07),
            "output": (1.0, 0.4),
            "workspace": (0.05, 0.01),
            "set_env": (4, 2),
            "start": (9, 4),
            "submit": (1.5, 1.1),
            "killed": (10, 3),
            "idle": (130, 100),
            "each": (2, 0.5),
        }.items()
    )


@pytest.mark.parametrize(("name", "stages"), [("matrix", ["each"]), ("fork", ["EACH", "ALL"])])
def test_the_works_with_branches_run_as_many_of_them_as_their_reference_runs_containers(
    name: str, stages: list[str]
) -> None:
    work = named(name)

    assert [stage.name for stage in plan(f"{name}.yml").stages] == stages
    assert plan(f"{name}.yml").stages[0].fork == Fork(values=list(range(200)), limit=8)
    assert command(work.ours)[-3:] == ("--max-parallel", "8", f"{name}.yml")
    assert command(work.reference)[-4:] == ("200", "8", "busybox:local", "true")


@pytest.mark.parametrize("name", ["gap", "true", "between"])
def test_the_works_of_ten_steps_run_ten_containers_of_the_same_script(name: str) -> None:
    work = named(name)
    (stage,) = plan(command(work.ours)[-1]).stages
    scripts = {step.commands for step in stage.steps}

    assert len(stage.steps) == 10
    assert command(work.reference)[4] == "10"
    assert scripts == {STAMPED if name == "between" else (" ".join(command(work.reference)[6:]),)}


def test_both_sides_print_the_line_that_stops_the_clock() -> None:
    work = named("submit")
    (stage,) = plan("first.yml").stages

    assert stage.steps[0].commands == (f"echo {FIRST}",)
    assert command(work.reference)[-2:] == ("echo", FIRST)


def test_both_sides_must_print_all_bytes() -> None:
    for name in ("output", "masked"):
        sides = (named(name).ours, named(name).reference)
        assert [side.output for side in sides if isinstance(side, Wall)] == [100_000_000] * 2


def test_the_quick_works_take_no_minutes() -> None:
    assert {work.name for work in WORKS if work.quick} == {"true", "start", "submit"}
