"""Stages of which some go: needs and the branches of forks."""

from dataclasses import replace

import pytest

from runner.plan.kept import without
from runner.plan.model import Fork, Stage
from tests.support.plans import stage, step

STAGES = (
    stage("a", step("s")),
    replace(stage("each", step("s"), needs=("a",)), fork=Fork(values=[1], stages=("one", "two"))),
    stage("one", step("s"), needs=("each",)),
    stage("two", step("s"), needs=("one",)),
    stage("all", step("s"), needs=("two",)),
    stage("end", step("s"), needs=("all",)),
)


def _left(*gone: str) -> dict[str, tuple[str, ...]]:
    return {each.name: each.needs for each in _without(*gone)}


def _without(*gone: str) -> tuple[Stage, ...]:
    return without([each for each in STAGES if each.name not in gone], [each for each in STAGES if each.name in gone])


def test_without_anything_gone_all_stays_as_it_was() -> None:
    assert _without() == STAGES


@pytest.mark.parametrize(("gone", "freed"), [("a", "each"), ("all", "end")])
def test_a_stage_outside_of_forks_frees_those_that_need_it(gone: str, freed: str) -> None:
    assert _left(gone)[freed] == ()


def test_one_in_a_branch_passes_on_what_it_needed() -> None:
    assert _left("one")["two"] == ("each",)
    assert _left("two")["all"] == ("one",)
    assert _left("one", "two")["all"] == ("each",)


def test_a_fork_forgets_what_went_from_its_branches() -> None:
    (each,) = (found for found in _without("one") if found.name == "each")

    assert each.fork == Fork(values=[1], stages=("two",))


def test_a_fork_that_went_is_waited_for_by_nobody() -> None:
    assert _left("each") == {"a": (), "one": (), "two": ("one",), "all": ("two",), "end": ("all",)}


def test_of_two_with_one_name_the_one_that_is_there_counts() -> None:
    twin = replace(STAGES[2], needs=("a",))

    left = without(STAGES, [twin])

    assert left == STAGES
