"""The tables of the tasks of v11."""

import pytest

from runner.dialects.ibm.pipelines import KINDS
from runner.dialects.ibm.tasks import ASYNC, OWN_STEPS, TASK_PIPELINES, owner_of, task_names
from runner.plan import graph


def _whole(kind: str) -> dict[str, tuple[str, ...]]:
    return {task.name: task.needs for task in TASK_PIPELINES[kind].tasks}


def test_there_are_tasks_for_every_kind() -> None:
    assert set(TASK_PIPELINES) == set(KINDS)
    assert all(TASK_PIPELINES[kind].kind == kind for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_tasks_stand_in_an_order_in_which_they_can_run(kind: str) -> None:
    whole = _whole(kind)

    assert graph.order(whole) == tuple(whole)
    assert {need for needs in whole.values() for need in needs} <= whole.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_all_begins_with_a_task_that_no_file_can_say_anything_of(kind: str) -> None:
    first, *others = TASK_PIPELINES[kind].tasks

    assert (first.name, first.fixed, first.steps) == (f"{kind}-start", True, ())
    assert all(first.name in graph.transitive_needs(_whole(kind), task.name) for task in others)
    assert not any(task.fixed for task in (*others, TASK_PIPELINES[kind].last))


def test_the_tasks_of_ci_are_those_of_the_page() -> None:
    whole = _whole("ci")

    assert whole["code-checks"] == whole["code-build"] == ("ci-start",)
    assert whole["deploy-checks"] == ("code-build",)
    assert set(whole["deploy-release"]) == {"code-checks", "deploy-checks"}


def test_ibms_own_steps_are_no_steps_of_a_file() -> None:
    steps = {step for pipeline in TASK_PIPELINES.values() for task in pipeline.every() for step in task.steps}

    assert steps.isdisjoint(OWN_STEPS)


@pytest.mark.parametrize(
    ("kind", "name", "task"),
    [("ci", "ci-finish", "code-ci-finish"), ("pr", "pr-finish", "code-pr-finish"), ("cd", "cd-finish", "cd-finish")],
)
def test_the_last_task_is_found_in_every_spelling(kind: str, name: str, task: str) -> None:
    found = TASK_PIPELINES[kind].task(name)

    assert found is not None
    assert found.name == task
    assert found == TASK_PIPELINES[kind].last


def test_a_task_of_another_kind_is_not_found_but_known() -> None:
    assert TASK_PIPELINES["pr"].task("code-build") is None
    assert {"code-build", "pr-code-checks", "cd-deploy", "cc-repo-scan", ASYNC} <= set(task_names())


@pytest.mark.parametrize(
    ("step", "task"),
    [("deploy", "deploy-checks"), ("build-artifact", "code-build"), ("run-stage", ""), ("start", ""), ("zzz", "")],
)
def test_a_step_is_that_of_one_task_unless_many_have_it(step: str, task: str) -> None:
    assert owner_of(step) == task
