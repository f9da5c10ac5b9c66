"""Applications become plans."""

import json
import textwrap

import pytest

from runner.plan.model import BlockedBy, Facts, Fork, Workspace
from runner.plan.trigger import Trigger
from tests.support.metalus import WORK, examined, executions, finding_of, findings_of, plan_of, stage_of, warnings_of

EXAMPLE = """
    globals: {registry: 'localhost:5000'}
    pipelines:
      - id: make
        steps:
          - {id: list, image: i, commands: [ls]}
          - {id: count, image: i}
      - {id: build, steps: [{id: image, image: i, environment: {SVC: '!executionForkValue'}}]}
    executions:
      - {id: ROOT, pipelineIds: [make]}
      - {id: EACH, parents: [ROOT], executionType: fork, forkByValue: ROOT.globals.x, pipelineIds: [build]}
      - {id: ALL, parents: [EACH], executionType: join}
"""


def test_an_execution_is_a_stage_and_its_pipelines_are_steps_in_a_row() -> None:
    plan = plan_of(EXAMPLE)

    assert [(stage.name, stage.needs) for stage in plan.stages] == [
        ("ROOT", ()),
        ("EACH", ("ROOT",)),
        ("ALL", ("EACH",)),
    ]
    assert [step.name for step in plan.stage("ROOT").steps] == ["make/list", "make/count"]
    assert [step.name for step in plan.stage("ALL").steps] == ["make/list", "make/count", "build/image"]
    assert [(step.pipeline, step.id) for step in plan.stage("ROOT").steps] == [("make", "list"), ("make", "count")]


def test_all_work_in_one_directory_and_references_are_resolved() -> None:
    plan = plan_of(EXAMPLE)

    assert (plan.dialect, plan.home, plan.workdir, plan.mapped) == ("metalus", "/workspace", "/workspace", True)
    assert all(stage.workspace is Workspace.OWN for stage in plan.stages)


def test_a_failure_concerns_nobody_but_those_that_need_the_execution() -> None:
    plan = plan_of(EXAMPLE)

    assert all(stage.independent for stage in plan.stages)
    assert {stage.blocked_by for stage in plan.stages} == {BlockedBy.NEEDS}


@pytest.mark.parametrize(("word", "blocked"), [("always", BlockedBy.FORK), ("success", BlockedBy.NEEDS)])
def test_a_join_can_run_whatever_has_become_of_the_branches(word: str, blocked: BlockedBy) -> None:
    plan = plan_of(EXAMPLE.replace("executionType: join", f"executionType: join, joinOn: {word}"))

    assert plan.stage("ALL").blocked_by is blocked
    assert plan.stage("EACH").blocked_by is BlockedBy.NEEDS


def test_what_is_a_parent_twice_is_needed_once() -> None:
    plan = plan_of(executions("{id: A}\n{id: B, parents: [A, A]}"))

    assert plan.stage("B").needs == ("A",)


def test_the_facts_of_the_trigger_are_those_of_the_plan() -> None:
    facts = Facts(branch="main", event="push")

    assert plan_of(EXAMPLE, Trigger(facts=facts)).facts == facts


def test_an_application_may_stand_in_a_wrapper_as_answers_of_rest_do() -> None:
    wrapped = "application:\n" + textwrap.indent(textwrap.dedent(EXAMPLE), "  ")

    assert plan_of(wrapped) == plan_of(EXAMPLE)


def test_what_stands_beside_a_wrapped_application_is_told_of() -> None:
    text = executions("{id: A}")
    wrapped = "colour: red\napplication:\n" + textwrap.indent(text, "  ")

    assert warnings_of(wrapped) == ["1:1: warning: the document has no key 'colour' (it is ignored)"]


def test_an_application_may_be_json() -> None:
    document = {
        "pipelines": [{"id": "p", "steps": [{"id": "s", "image": "i", "environment": {"A": "!x || none", "N": 1}}]}],
        "executions": [{"id": "A", "globals": {"x": [1, True, None, "t"]}}],
    }

    (stage,) = plan_of(json.dumps(document)).stages

    assert stage.globals == {"x": [1, True, None, "t"]}
    assert stage.steps[0].environment == {"A": "!x || none", "N": "1"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "1:1: an application is a map"),
        ("text", "1:1: an application is a map"),
        ("pipelines: []", "1:1: the application has no executions"),
        ("executions:", "1:12: the application has no executions"),
        ("executions: []", "1:13: the application has no executions"),
        ("executions: {A: {}}", "1:13: 'executions' of the application is a map (it must be a list)"),
        ("executions: [A]", "1:14: 'executions' of the application holds a single value (it must be a list of maps)"),
        ("executions: [{id: A, pipelines: {id: p}}]", "1:33: 'pipelines' of execution 'A' is a map"),
    ],
)
def test_what_is_no_application_is_refused(text: str, told: str) -> None:
    assert findings_of(text)[0].startswith(told)


def test_keys_of_metalus_that_mean_nothing_here_are_told_of() -> None:
    text = executions("{id: A, securityManager: {}}", "sparkConf: {}\nstepPackages: [a]\n")

    assert warnings_of(text) == [
        "1:1: warning: 'sparkConf' of the application means something to Metalus only (it is ignored)",
        "2:1: warning: 'stepPackages' of the application means something to Metalus only (it is ignored)",
        "6:13: warning: 'securityManager' of execution 'A' means something to Metalus only (it is ignored)",
    ]


def test_keys_that_nobody_knows_are_told_of_with_the_nearest() -> None:
    assert warnings_of(executions("{id: A, parent: []}", "colour: red\nx-own: 1\n.own: 2\n")) == [
        "1:1: warning: the application has no key 'colour' (it is ignored)",
        "7:13: warning: execution 'A' has no key 'parent' (did you mean 'parents'?)",
    ]


def test_two_executions_of_one_id_are_an_error_and_what_else_is_wrong_is_told_too() -> None:
    first, second = findings_of(executions("{id: A}\n{id: A}\n{id: B, pipelineIds: [v]}"))

    assert first.startswith("5:10: the execution 'A' is already defined at in.yml:4:10")
    assert second.startswith("6:27: 'pipelineIds' of execution 'B' names the pipeline 'v'")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("parents: []", "4:5: an execution has no 'id' (each needs an id of its own)"),
        ("id:", "4:8: an execution has no 'id'"),
        ("id: ''", "4:9: an execution has no 'id'"),
        ("id: [A]", "4:9: 'id' of an execution is a list (it must be a single value)"),
        ("id: a/b", "4:9: the id 'a/b' holds a control character, or one of / [ ]"),
        ("id: 'A[0]'", "4:9: the id 'A[0]' holds a control character, or one of / [ ]"),
        ('id: "a\\nb"', "4:9: the id 'a\\nb' holds a control character, or one of / [ ]"),
    ],
)
def test_an_execution_needs_an_id_that_can_be_shown(keys: str, told: str) -> None:
    text = f"pipelines:\n- {WORK}\nexecutions:\n  - {keys}\n  - id: B\n"

    assert finding_of(text).startswith(told)


@pytest.mark.parametrize("name", ["a.b", "a || b"])
def test_an_id_that_no_reference_can_name_is_told_of(name: str) -> None:
    assert warnings_of(executions(f"{{id: '{name}'}}")) == [
        f"4:10: warning: no reference can name the id {name!r} (keep to letters, digits, '-' and '_')"
    ]


def test_numbers_may_be_ids() -> None:
    plan = plan_of(executions("{id: 0}\n{id: 1, parents: [0]}"))

    assert [(stage.name, stage.needs) for stage in plan.stages] == [("0", ()), ("1", ("0",))]


def test_what_only_validate_looks_at_becomes_the_same_plan() -> None:
    plan = plan_of(EXAMPLE)

    assert examined(EXAMPLE) == plan


def test_secrets_that_steps_ask_for_are_those_of_the_plan_each_once() -> None:
    steps = "[{id: s, image: i, secrets: [one]}, {id: t, image: i, secrets: [two, one]}]"

    plan = plan_of(f"executions: [{{id: A, pipelines: [{{id: p, steps: {steps}}}]}}]")

    assert plan.secrets == ("one", "two")


def test_variables_given_from_outside_take_the_place_of_those_of_steps_and_are_no_references() -> None:
    given = Trigger(environment={"SVC": "!x", "MORE": "1"})
    steps = "[{id: s, image: i, environment: {SVC: '!y', OWN: a}, parameters: {more: '!z'}}]"

    plan = plan_of(f"executions: [{{id: A, pipelines: [{{id: p, steps: {steps}}}]}}]", given)

    assert plan.environment == {"SVC": "!x", "MORE": "1"}
    assert plan.stages[0].steps[0].environment == {"OWN": "a", "PARAMETER_MORE": "!z"}


def test_evaluations_come_first_and_are_marked() -> None:
    more = "{id: ev, steps: [{id: s, image: i}, {id: t, image: i}]}"

    stage = stage_of(f"evaluationPipelines: [{more}], pipelineIds: [w]")

    assert [(step.name, step.evaluates) for step in stage.steps] == [
        ("ev/s", True),
        ("ev/t", True),
        ("w/s", False),
    ]


def test_a_pipeline_that_decides_and_runs_has_steps_of_two_names() -> None:
    stage = stage_of("evaluationPipelineIds: [w]")

    assert [(step.name, step.pipeline, step.id, step.evaluates) for step in stage.steps] == [
        ("evaluation/w/s", "w", "s", True),
        ("w/s", "w", "s", False),
    ]


def test_what_stands_between_a_fork_and_its_join_is_its_region() -> None:
    plan = plan_of(
        executions(
            """
            {id: EACH, executionType: fork, forkByValue: l, forkLimit: 2}
            {id: IN, parents: [EACH]}
            {id: LEAF, parents: [EACH]}
            {id: INNER, parents: [IN], executionType: fork, forkByValue: m}
            {id: ONE, parents: [INNER], executionType: join}
            {id: ALL, parents: [ONE], executionType: join}
            {id: AFTER, parents: [ALL]}
            """
        )
    )

    assert plan.stage("EACH").fork == Fork(values="l", stages=("IN", "LEAF", "INNER", "ONE"), limit=2)
    assert plan.stage("INNER").fork == Fork(values="m")
    assert [stage.name for stage in plan.stages if stage.fork] == ["EACH", "INNER"]
