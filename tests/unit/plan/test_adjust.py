from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from runner.dialects.findings import nearest
from runner.errors import UsageError
from runner.plan.adjust import Choice, Replacement, adjust
from runner.plan.model import Plan, Pruned, PullPolicy, SecretUse, Service, Stage, Step, Workspace

CHOSEN = "not chosen by --stage"
STEPS = "not chosen by --step"
SKIPPED = "left out by --skip-step"


def _step(name: str, image: str = "alpine", *, secrets: Iterable[str] = ()) -> Step:
    uses = tuple(SecretUse(source=secret, target=secret.upper()) for secret in secrets)
    return Step(name=name, image=image, secrets=uses)


def _plan() -> Plan:
    """Return a plan of a chain of three stages and one beside it; ``deploy`` was pruned, and a step of ``test``."""
    return Plan(
        dialect="vela",
        stages=(
            Stage(name="build", steps=(_step("make", "golang:1.24"), _step("pack", secrets=["key"]))),
            Stage(name="lint", steps=(_step("ruff"),)),
            Stage(name="test", steps=(_step("unit", "golang"), _step("pack")), needs=("build",)),
            Stage(name="report", steps=(_step("mail", secrets=["token"]),), needs=("test", "lint")),
        ),
        origins=(_step("vault", "vault", secrets=["role"]),),
        secrets=("key", "token", "role", "spare"),
        pruned=(Pruned(stage="test", step="slow", why="rules"), Pruned(stage="deploy", step="", why="rules")),
    )


def _adjust(plan: Plan | None = None, **choice: Any) -> Plan:  # noqa: ANN401 - the fields of `Choice`, which checks them
    return adjust(plan or _plan(), Choice(**choice), nearest)


def _shape(plan: Plan) -> dict[str, tuple[list[str], tuple[str, ...]]]:
    return {stage.name: ([step.name for step in stage.steps], stage.needs) for stage in plan.stages}


def _gone(plan: Plan) -> list[str]:
    """Return what went in addition to what was pruned already."""
    return [f"{gone.stage}/{gone.step}: {gone.why}" for gone in plan.pruned[2:]]


def test_no_choice_changes_nothing() -> None:
    assert _adjust() == _plan()


def test_only_the_chosen_stages_run_and_wait_for_none_that_went() -> None:
    plan = _adjust(stages=("test", "report"))

    assert _shape(plan) == {"test": (["unit", "pack"], ()), "report": (["mail"], ("test",))}
    assert _gone(plan) == [f"build/: {CHOSEN}", f"lint/: {CHOSEN}"]


def test_a_stage_that_went_from_the_middle_is_waited_through_by_nobody() -> None:
    assert _shape(_adjust(stages=("build", "report"))) == {"build": (["make", "pack"], ()), "report": (["mail"], ())}


def test_with_needs_the_stages_that_a_chosen_one_needs_come_too() -> None:
    plan = _adjust(stages=("test",), needs=True)

    assert _shape(plan) == {"build": (["make", "pack"], ()), "test": (["unit", "pack"], ("build",))}


def test_only_the_chosen_steps_run() -> None:
    plan = _adjust(steps=("test/unit", "ruff"))

    assert _shape(plan) == {"lint": (["ruff"], ()), "test": (["unit"], ())}
    assert _gone(plan) == [f"build/: {STEPS}", f"test/pack: {STEPS}", f"report/: {STEPS}"]


def test_a_step_without_its_stage_means_that_of_every_stage() -> None:
    assert _shape(_adjust(steps=("pack",))) == {"build": (["pack"], ()), "test": (["pack"], ("build",))}


def test_steps_are_chosen_within_the_chosen_stages() -> None:
    assert _shape(_adjust(stages=("test",), steps=("pack",))) == {"test": (["pack"], ())}
    with pytest.raises(UsageError, match="--step build/pack: there is no such step"):
        _adjust(stages=("test",), steps=("build/pack",))


def test_with_needs_the_stages_that_a_chosen_step_needs_come_whole() -> None:
    plan = _adjust(steps=("unit",), needs=True)

    assert _shape(plan) == {"build": (["make", "pack"], ()), "test": (["unit"], ("build",))}


def test_needs_without_a_choice_is_bad_usage() -> None:
    with pytest.raises(UsageError, match="--needs adds to a choice"):
        _adjust(needs=True)


def test_a_skipped_step_does_not_run_and_a_stage_without_steps_goes() -> None:
    plan = _adjust(skipped=("build/pack", "unit", "test/pack"))

    assert _shape(plan) == {
        "build": (["make"], ()),
        "lint": (["ruff"], ()),
        "report": (["mail"], ("lint",)),
    }
    assert _gone(plan) == [f"build/pack: {SKIPPED}", f"test/: {SKIPPED}"]


def test_a_plugin_that_fetches_secrets_can_be_skipped() -> None:
    plan = _adjust(skipped=("vault",))

    assert plan.origins == ()
    assert _gone(plan) == [f"@secrets/vault: {SKIPPED}"]
    assert _shape(plan) == _shape(_plan())


def test_when_nothing_is_left_no_plugin_runs_either() -> None:
    plan = _adjust(skipped=("make", "pack", "ruff", "unit", "mail"))

    assert (plan.stages, plan.origins) == ((), ())


def test_what_rules_have_pruned_can_be_named_and_stays_pruned() -> None:
    assert _shape(_adjust(stages=("deploy",))) == {}
    assert _shape(_adjust(steps=("slow",))) == {}
    assert _shape(_adjust(skipped=("test/slow",))) == _shape(_plan())


@pytest.mark.parametrize(
    ("choice", "message", "hint"),
    [
        ({"stages": ("biuld",)}, "--stage biuld: there is no such stage", "did you mean 'build'?"),
        ({"stages": ("xyzzy",)}, "--stage xyzzy: ", "there are: build, deploy, lint, report, test"),
        ({"steps": ("test/unti",)}, "--step test/unti: there is no such step", "did you mean 'test/unit'?"),
        ({"skipped": ("rufff",)}, "--skip-step rufff: there is no such step", "did you mean 'ruff'?"),
    ],
)
def test_what_the_pipeline_does_not_have_is_refused_with_the_nearest_name(
    choice: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        _adjust(**choice)

    assert caught.value.hint == hint


def _images(plan: Plan) -> list[str]:
    return [step.image for stage in plan.stages for step in stage.steps]


@pytest.mark.parametrize(
    ("pattern", "images"),
    [
        ("golang", ["new", "alpine", "alpine", "new", "alpine", "alpine"]),
        ("golang:1.24", ["new", "alpine", "alpine", "golang", "alpine", "alpine"]),
        ("go*", ["new", "alpine", "alpine", "new", "alpine", "alpine"]),
        ("docker.io/library/golang", ["golang:1.24", "alpine", "alpine", "golang", "alpine", "alpine"]),
    ],
)
def test_an_image_is_replaced_where_its_name_or_a_pattern_fits(pattern: str, images: list[str]) -> None:
    assert _images(_adjust(images=(Replacement(pattern=pattern, image="new"),))) == images


def test_of_several_replacements_the_first_that_fits_is_taken_once() -> None:
    rules = (Replacement(pattern="golang", image="alpine"), Replacement(pattern="alpine", image="busybox"))

    assert _images(_adjust(images=rules)) == ["alpine", "busybox", "busybox", "alpine", "busybox", "busybox"]


def test_an_image_in_which_a_variable_stands_can_be_named_as_it_is_written() -> None:
    plan = replace(_plan(), stages=(Stage(name="s", steps=(_step("a", "app:${TAG[0]}"),)),))

    assert _images(_adjust(plan, images=(Replacement(pattern="app:${TAG[0]}", image="app:1"),))) == ["app:1"]


def test_images_of_services_and_plugins_are_replaced_too() -> None:
    plan = _adjust(images=(Replacement(pattern="vault", image="local"),))

    assert [origin.image for origin in plan.origins] == ["local"]


def test_an_image_that_nothing_has_is_told_as_a_warning() -> None:
    plan = _adjust(images=(Replacement(pattern="golagn:1.24", image="new"),))

    assert plan.warnings == (
        "--image golagn:1.24: nothing that is to run has this image (did you mean 'golang:1.24'?)",
    )
    assert _images(plan) == _images(_plan())


def test_a_wildcard_means_any_text_of_an_image_also_its_slashes() -> None:
    plan = _adjust(images=(Replacement(pattern="*", image="new"),))

    assert set(_images(plan)) == {"new"}


def test_a_pull_policy_is_that_of_everything() -> None:
    plan = _adjust(pull=PullPolicy.NEVER)

    assert {step.pull for stage in plan.stages for step in stage.steps} == {PullPolicy.NEVER}
    assert [origin.pull for origin in plan.origins] == [PullPolicy.NEVER]


def test_a_workspace_is_that_of_every_stage_that_has_one() -> None:
    stages = tuple(Stage(name=kind, steps=(_step("a"),), workspace=kind) for kind in Workspace)

    plan = _adjust(replace(_plan(), stages=stages), workspace=Workspace.SHARED)

    assert {stage.name: stage.workspace for stage in plan.stages} == {
        "own": Workspace.SHARED,
        "shared": Workspace.SHARED,
        "fresh": Workspace.SHARED,
        "none": Workspace.NONE,
    }


def test_a_chosen_stage_that_needs_what_is_not_chosen_is_told() -> None:
    assert _adjust(stages=("report",)).warnings == (
        "stage report needs what was not chosen: test, lint (--needs adds it)",
    )
    assert _adjust(stages=("report",), needs=True).warnings == ()
    assert _adjust(stages=("lint",)).warnings == ()


def _ibm() -> Plan:
    """Return a plan whose order stays: a chain, of which the file lacks ``build``; ``scan`` is IBM's own."""
    return Plan(
        dialect="ibm",
        kind="ci",
        stages=(
            Stage(name="setup", steps=(_step("run-stage"),)),
            Stage(name="test", steps=(_step("run-stage"),), needs=("setup",), services=("dind",)),
            Stage(name="build", steps=(), needs=("setup",), fault="not defined"),
            Stage(name="deploy", steps=(_step("run-stage"),), needs=("test", "build")),
        ),
        undefined=(Stage(name="scan", steps=(), needs=("build",), fault="not defined either"),),
        async_stages=(Stage(name="slow", steps=(_step("run-stage", "slow:1"),), async_=True, services=("dind-2",)),),
        services=tuple(Service(name=name, image="docker:dind") for name in ("db", "dind", "dind-2")),
        pruned=(Pruned(stage="scan", step="", why="not defined"),),
    )


def test_the_order_of_a_pipeline_of_a_kind_stays_whatever_part_of_it_runs() -> None:
    plan = _adjust(_ibm(), stages=("setup", "deploy"))

    assert _shape(plan) == {"setup": (["run-stage"], ()), "deploy": (["run-stage"], ("setup",))}


def test_a_stage_with_a_fault_goes_if_it_is_not_chosen() -> None:
    assert "build" not in _shape(_adjust(_ibm(), stages=("setup",)))


def test_a_stage_with_a_fault_stays_if_it_is_chosen() -> None:
    plan = _adjust(_ibm(), stages=("setup", "build"))

    assert plan.stage("build").fault == "not defined"
    assert _shape(plan) == {"setup": (["run-stage"], ()), "build": ([], ("setup",))}


def test_a_stage_with_a_fault_stays_if_a_chosen_one_needs_it_and_that_is_wanted() -> None:
    assert list(_shape(_adjust(_ibm(), stages=("deploy",), needs=True))) == ["setup", "test", "build", "deploy"]


def test_a_stage_with_a_fault_has_no_step_that_could_be_chosen() -> None:
    assert "build" not in _shape(_adjust(_ibm(), steps=("run-stage",)))


def test_leaving_out_steps_leaves_faults_in() -> None:
    assert list(_shape(_adjust(_ibm(), skipped=("test/run-stage",)))) == ["setup", "build", "deploy"]


def test_nobody_is_told_to_add_a_stage_that_only_fails() -> None:
    (warning,) = _adjust(_ibm(), stages=("deploy",)).warnings

    assert warning == "stage deploy needs what was not chosen: test (--needs adds it)"
    assert _adjust(_ibm(), stages=("setup", "test", "deploy")).warnings == ()


def test_a_stage_that_the_file_lacks_can_be_asked_for_and_fails() -> None:
    plan = _adjust(_ibm(), stages=("setup", "scan"))

    assert plan.stage("scan").fault == "not defined either"
    assert plan.stage("scan").needs == ("setup",)
    assert (plan.undefined, [gone.stage for gone in plan.pruned]) == ((), ["test", "build", "deploy"])


def test_a_stage_that_the_file_lacks_stays_apart_if_nobody_asks_for_it() -> None:
    plan = _adjust(_ibm(), stages=("setup",))

    assert [stage.name for stage in plan.undefined] == ["scan"]
    assert plan.pruned[0] == Pruned(stage="scan", step="", why="not defined")


def test_an_async_stage_is_none_that_can_be_chosen() -> None:
    with pytest.raises(UsageError) as caught:
        _adjust(_ibm(), stages=("slow",))

    assert caught.value.message == "--stage slow: that is an async stage"
    assert caught.value.hint == "a step starts it, with trigger-task"


def test_a_service_goes_with_the_last_stage_that_it_is_for() -> None:
    assert [service.name for service in _adjust(_ibm(), stages=("setup",)).services] == ["db", "dind-2"]
    assert [service.name for service in _adjust(_ibm(), stages=("test",)).services] == ["db", "dind", "dind-2"]


def test_async_stages_get_the_images_pulls_and_workspaces_that_are_wanted_too() -> None:
    plan = _adjust(
        _ibm(),
        images=(Replacement(pattern="slow", image="fast:1"),),
        pull=PullPolicy.NEVER,
        workspace=Workspace.SHARED,
    )

    (stage,) = plan.async_stages
    assert plan.warnings == ()
    assert (stage.steps[0].image, stage.steps[0].pull, stage.workspace) == (
        "fast:1",
        PullPolicy.NEVER,
        Workspace.SHARED,
    )


def _fan() -> Plan:
    """Return a plan of a kind in which most stages stand beside each other."""
    return Plan(
        dialect="ibm",
        kind="ci",
        stages=(
            Stage(name="setup", steps=(_step("run-stage"),)),
            Stage(name="scan", steps=(_step("run-stage"),), needs=("setup",)),
            Stage(name="test", steps=(_step("run-stage"),), needs=("setup", "detect")),
            Stage(name="detect", steps=(_step("run-stage"),), needs=("setup",)),
            Stage(name="finish", steps=(_step("run-stage"),), needs=("setup", "scan", "test", "detect")),
        ),
    )


def _runs(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {stage.name: stage.needs for stage in plan.stages}


def test_chosen_stages_of_a_pipeline_of_a_kind_run_one_after_the_other() -> None:
    plan = _adjust(_fan(), stages=("scan", "detect", "finish"))

    assert _runs(plan) == {"scan": (), "detect": ("scan",), "finish": ("scan", "detect")}


def test_a_chosen_stage_that_has_to_run_after_another_does_wherever_it_stands() -> None:
    plan = _adjust(_fan(), stages=("test", "scan", "detect"))

    assert _runs(plan) == {"scan": (), "test": ("detect",), "detect": ("scan",)}


def test_stages_that_come_by_need_stand_in_the_same_row() -> None:
    plan = _adjust(_fan(), stages=("scan", "test"), needs=True)

    assert _runs(plan) == {
        "setup": (),
        "scan": ("setup",),
        "test": ("setup", "detect"),
        "detect": ("setup", "scan"),
    }


@pytest.mark.parametrize("choice", [{}, {"steps": ("run-stage",)}, {"skipped": ("scan/other",)}])
def test_without_chosen_stages_the_graph_of_a_pipeline_of_a_kind_stays(choice: dict[str, Any]) -> None:
    of = _fan()
    first = replace(of.stages[1], steps=(*of.stages[1].steps, _step("other")))
    of = replace(of, stages=(of.stages[0], first, *of.stages[2:]))

    assert _runs(_adjust(of, **choice)) == _runs(of)


def test_chosen_stages_of_other_pipelines_stay_beside_each_other() -> None:
    plan = _adjust(replace(_fan(), dialect="vela", kind=""), stages=("scan", "detect", "setup"))

    assert _runs(plan) == {"setup": (), "scan": ("setup",), "detect": ("setup",)}
