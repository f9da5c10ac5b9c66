"""What is chosen of a plan with forks: they stay whole, and what stands in their branches stays behind them."""

from typing import Any

import pytest

from runner.dialects.findings import nearest
from runner.errors import UsageError
from runner.plan.adjust import Choice, Replacement, adjust
from runner.plan.model import Fork, Plan, Stage, Step

SKIPPED = "left out by --skip-step"


def _step(name: str, *, image: str = "alpine", evaluates: bool = False) -> Step:
    return Step(name=name, image=image, pipeline="evaluate" if evaluates else "steps", id=name, evaluates=evaluates)


PLAN = Plan(
    dialect="vela",
    mapped=True,
    stages=(
        Stage(name="discover", steps=(_step("list"),)),
        Stage(
            name="each",
            steps=(_step("changed", image="!git", evaluates=True), _step("make", image="!{registry}/gcc")),
            needs=("discover",),
            fork=Fork(values="!discover.pipelineParameters.steps.list.primaryReturn", stages=("unit", "scan"), limit=2),
        ),
        Stage(name="unit", steps=(_step("test"),), needs=("each",)),
        Stage(name="scan", steps=(_step("look"),), needs=("unit",)),
        Stage(name="all", steps=(_step("report"),), needs=("scan",)),
    ),
)


def _adjust(**choice: Any) -> Plan:  # noqa: ANN401 - the fields of `Choice`, which checks them
    return adjust(PLAN, Choice(**choice), nearest)


def _shown(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {stage.name: tuple(step.name for step in stage.steps) for stage in plan.stages}


def _fork(plan: Plan) -> Fork:
    fork = plan.stage("each").fork
    assert fork is not None
    return fork


def test_a_chosen_fork_is_that_stage_alone_for_each_of_its_values() -> None:
    plan = _adjust(stages=("each",))

    assert _shown(plan) == {"each": ("changed", "make")}
    assert _fork(plan) == Fork(values=_fork(PLAN).values, limit=2)
    assert plan.warnings == ("stage each needs what was not chosen: discover (--needs adds it)",)


def test_with_its_needs_a_join_brings_all_that_it_joins() -> None:
    plan = _adjust(stages=("all",), needs=True)

    assert plan.stages == PLAN.stages


def test_a_stage_in_the_branches_that_is_not_chosen_passes_on_what_it_needed() -> None:
    plan = _adjust(stages=("each", "scan", "all"))

    assert _fork(plan).stages == ("scan",)
    assert (plan.stage("scan").needs, plan.stage("all").needs) == (("each",), ("scan",))


@pytest.mark.parametrize("name", ["changed", "each/changed"])
def test_a_step_that_decides_can_be_left_out(name: str) -> None:
    plan = _adjust(skipped=(name,))

    assert _shown(plan)["each"] == ("make",)
    assert _fork(plan) == _fork(PLAN)


def test_a_step_can_be_chosen_without_those_that_decide() -> None:
    assert _shown(_adjust(steps=("make",))) == {"each": ("make",)}


def test_a_step_that_decides_can_be_chosen_alone() -> None:
    assert _shown(_adjust(steps=("changed",))) == {"each": ("changed",)}


def test_a_step_in_a_branch_can_be_left_out_and_its_stage_goes() -> None:
    plan = _adjust(skipped=("unit/test",))

    assert (_fork(plan).stages, plan.stage("scan").needs) == (("scan",), ("each",))


def test_a_fork_of_which_no_step_is_left_takes_its_branches_with_it() -> None:
    plan = _adjust(skipped=("make",))

    assert _shown(plan) == {"discover": ("list",), "all": ("report",)}
    assert [(gone.stage, gone.step, gone.why) for gone in plan.pruned] == [
        (name, "", SKIPPED) for name in ("each", "unit", "scan")
    ]


def test_a_stage_without_a_fork_takes_nobody_with_it() -> None:
    plan = _adjust(skipped=("list",))

    assert (plan.stage("each").needs, _fork(plan)) == ((), _fork(PLAN))


def test_images_that_are_references_can_be_replaced_as_they_are_written() -> None:
    plan = _adjust(
        images=(
            Replacement(pattern="!git", image="busybox:local"),
            Replacement(pattern="!{registry}/gcc", image="gcc:14"),
        )
    )

    assert [step.image for step in plan.stage("each").steps] == ["busybox:local", "gcc:14"]
    assert plan.warnings == ()


def test_a_branch_is_no_stage_that_could_be_chosen() -> None:
    with pytest.raises(UsageError, match=r"--stage each\[0\]: there is no such stage"):
        _adjust(stages=("each[0]",))
