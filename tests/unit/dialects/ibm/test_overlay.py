"""Version 2: what tasks become in a kind of pipeline."""

import pytest

from runner.dialects.ibm.work import BASE_IMAGE
from runner.plan.model import BlockedBy, Plan, PullPolicy, Step, Told
from runner.plan.trigger import Trigger
from tests.support.ibm import PUSH, async_stage, findings_of, needs, plan_of, validated, warnings_of, why_pruned

NOT_OURS = "and IBM's default implementation is not part of this runner"


def _task(keys: str, name: str = "code-build", why: str | Trigger = "ci") -> Plan:
    return plan_of(f"version: '2'\ntasks:\n  {name}: {{{keys}}}\n", why)


def _step(keys: str, name: str = "unit-test") -> Step:
    """Compile a file of one step with these keys."""
    plan = _task(f"steps: [{{name: {name}, script: run, {keys}}}]")
    (step,) = plan.stage("code-build").steps
    return step


def _warnings(keys: str) -> list[str]:
    plan = _task(f"steps: [{{name: unit-test, script: run, {keys}}}]")
    return [warning.partition(": warning: ")[2] for warning in plan.warnings]


def test_a_task_is_a_stage_of_its_steps_in_the_order_of_the_pipeline() -> None:
    plan = plan_of(
        """
        version: '2'
        tasks:
          code-build:
            steps:
              - {name: sign-artifact, image: sign:1, script: sign}
              - {name: setup, script: set up}
              - {name: build-artifact, image: build:1, script: build}
        """
    )

    assert [(step.name, step.image, step.script) for step in plan.stage("code-build").steps] == [
        ("setup", BASE_IMAGE, "set up"),
        ("build-artifact", "build:1", "build"),
        ("sign-artifact", "sign:1", "sign"),
    ]


def test_tasks_wait_for_those_before_them_also_through_those_that_the_file_lacks() -> None:
    plan = plan_of(
        """
        version: '2'
        finally:
          code-ci-finish: {steps: [{name: run-stage, script: f}]}
        tasks:
          deploy-release: {steps: [{name: run-stage, script: r}]}
          code-checks: {steps: [{name: checks-setup, script: c}]}
          code-build: {steps: [{name: setup, script: s}]}
        """
    )

    assert needs(plan) == {
        "code-checks": (),
        "code-build": (),
        "deploy-release": ("code-checks", "code-build"),
        "code-ci-finish": ("code-checks", "code-build", "deploy-release"),
    }


def test_the_last_task_runs_whatever_has_happened_and_hears_of_it() -> None:
    plan = plan_of(
        """
        version: '2'
        tasks: {code-build: {steps: [{name: setup, script: s}]}}
        finally: {code-ci-finish: {steps: [{name: run-stage, script: f}]}}
        """
    )

    last = plan.stage("code-ci-finish")
    assert (last.independent, last.blocked_by) == (True, BlockedBy.NOTHING)
    assert last.steps[0].told == {"PIPELINE_STATUS": Told.PIPELINE_STATUS}
    assert last.steps[0].environment == {"finish_evaluate_exit_code": "0"}
    assert plan.stage("code-build").blocked_by is BlockedBy.RUN


@pytest.mark.parametrize("name", ["code-ci-finish", "ci-finish"])
@pytest.mark.parametrize("section", ["tasks", "finally"])
def test_the_last_task_is_known_in_both_spellings_and_places(name: str, section: str) -> None:
    plan = plan_of(f"version: '2'\n{section}: {{{name}: {{steps: [{{name: run-stage, script: f}}]}}}}\n")

    assert plan.stage(name).independent
    assert plan.warnings == ()


def test_each_step_is_told_its_name_as_stage() -> None:
    assert _step("image: a").environment == {"STAGE": "unit-test"}


def test_one_file_serves_several_kinds_of_pipelines() -> None:
    text = """
        version: '2'
        tasks:
          pr-code-checks: {steps: [{name: unit-test, script: t}]}
          code-build: {steps: [{name: unit-test, script: t}]}
          cd-deploy: {steps: [{name: deploy, script: d}]}
          cc-repo-scan: {steps: [{name: static-scan, script: s}]}
        """

    found = {kind: list(needs(plan_of(text, kind))) for kind in ("ci", "cd", "pr", "cc")}

    assert found == {"ci": ["code-build"], "cd": ["cd-deploy"], "pr": ["pr-code-checks"], "cc": ["cc-repo-scan"]}
    assert why_pruned(plan_of(text, "pr"))["code-build"] == "a pr pipeline has no such task"
    assert plan_of(text, "pr").warnings == ()


def test_a_task_that_no_pipeline_has_is_ignored_with_the_nearest_name() -> None:
    plan = _task("steps: [{name: setup, script: s}]", name="code-biuld")

    assert plan.stages == ()
    assert plan.warnings == ("in.yml:3:3: warning: no pipeline has a task 'code-biuld' (did you mean 'code-build'?)",)


def test_a_step_that_its_task_does_not_have_is_ignored_with_the_nearest_name() -> None:
    plan = _task("steps: [{name: unit-tests, script: s}, {name: setup, script: s}, {name: zzz, script: z}]")

    assert [step.name for step in plan.stage("code-build").steps] == ["setup"]
    assert why_pruned(plan)["code-build/unit-tests"] == "the task has no such step"
    nearest, listed = plan.warnings
    assert nearest.endswith("task 'code-build' has no step 'unit-tests' (did you mean 'unit-test'?)")
    assert listed.endswith("(it has setup, unit-test, build-artifact, sign-artifact, scan-artifact)")


def test_a_step_without_a_script_is_left_out() -> None:
    plan = _task("steps: [{name: setup, script: s}, {name: scan-artifact, image: scan:1}]")

    assert [step.name for step in plan.stage("code-build").steps] == ["setup"]
    assert why_pruned(plan) == {"code-build/scan-artifact": f"in.yml gives no script for it, {NOT_OURS}"}


@pytest.mark.parametrize("keys", ["steps: []", "include: [dind]", "steps: [{name: setup}, {name: unit-test}]", ""])
def test_a_task_without_a_script_is_left_out_whole(keys: str) -> None:
    plan = _task(keys)

    assert plan.stages == ()
    assert why_pruned(plan) == {"code-build": f"in.yml gives no script for its steps, {NOT_OURS}"}


@pytest.mark.parametrize("name", ["start", "collect-evidence"])
def test_ibms_own_steps_are_passed_over_in_silence(name: str) -> None:
    plan = _task(f"steps: [{{name: {name}, script: x}}, {{name: setup, script: s}}]")

    assert [step.name for step in plan.stage("code-build").steps] == ["setup"]
    assert plan.warnings == ()


def test_of_tasks_whose_steps_nobody_has_published_every_step_runs_in_the_order_of_the_file() -> None:
    plan = _task("steps: [{name: zebra, script: z}, {name: apple, script: a}]", name="cd-deploy", why="cd")

    assert [step.name for step in plan.stage("cd-deploy").steps] == ["zebra", "apple"]


def test_a_task_that_is_all_ibms_own_has_no_steps() -> None:
    plan = _task("steps: [{name: setup, script: s}]", name="ci-start")

    assert plan.stages == ()
    assert plan.warnings[0].endswith("task 'ci-start' has no step 'setup' (it is one of 'code-build')")


def test_a_step_of_another_task_is_told_with_that_task() -> None:
    plan = _task("steps: [{name: deploy, script: s}]", name="code-checks")

    (warning,) = plan.warnings
    assert warning.endswith("task 'code-checks' has no step 'deploy' (it is one of 'deploy-checks')")


def test_a_step_that_is_written_as_a_task_is_told_with_its_task() -> None:
    plan = _task("when: false", name="sign-artifact")

    (warning,) = plan.warnings
    assert warning.endswith("no pipeline has a task 'sign-artifact' (it is a step of 'code-build')")


@pytest.mark.parametrize("keys", ["when: 'false'", "when: false", "skip: true"])
def test_a_step_that_its_task_does_not_have_may_be_switched_off_in_silence(keys: str) -> None:
    plan = _task(f"steps: [{{name: dynamic-scan, {keys}}}, {{name: setup, script: s}}]")

    assert [step.name for step in plan.stage("code-build").steps] == ["setup"]
    assert why_pruned(plan) == {"code-build/dynamic-scan": "the task has no such step"}
    assert [warning for warning in plan.warnings if "has no step" in warning] == []


@pytest.mark.parametrize("value", ["false", "'false'", "False", "no"])
def test_a_step_is_switched_off_by_when_false(value: str) -> None:
    assert _step(f"when: {value}").skip == "the file says 'when: false'"


def test_a_step_that_is_switched_off_needs_no_script() -> None:
    plan = _task("steps: [{name: unit-test, when: 'false'}]")

    assert [(step.name, bool(step.skip)) for step in plan.stage("code-build").steps] == [("unit-test", True)]


@pytest.mark.parametrize("value", ["true", "'true'", "~"])
def test_a_step_is_left_on_by_when_true(value: str) -> None:
    assert _step(f"when: {value}").skip == ""


def test_a_task_that_is_switched_off_takes_its_steps_with_it() -> None:
    plan = _task("when: 'false', steps: [{name: setup, script: s}, {name: unit-test, script: t}]")

    assert [step.skip for step in plan.stage("code-build").steps] == ["the file says 'when: false'"] * 2


def test_a_task_that_is_switched_off_and_says_nothing_else_is_left_out() -> None:
    assert why_pruned(_task("when: false")) == {"code-build": "the file says 'when: false'"}


def test_a_failure_that_may_be_lets_the_task_go_on() -> None:
    assert _step("onError: continue").ruleset.proceed
    assert not _step("onError: stopAndFail").ruleset.proceed
    assert not _step("image: a").ruleset.proceed


def test_what_a_task_says_of_errors_is_for_steps_that_say_nothing() -> None:
    plan = _task(
        "onError: continue, steps: [{name: setup, script: s}, {name: unit-test, script: t, onError: stopAndFail}]"
    )

    assert [step.ruleset.proceed for step in plan.stage("code-build").steps] == [True, False]


def test_tasks_and_steps_have_time_limits() -> None:
    plan = _task("timeout: 1h30m, steps: [{name: setup, script: s, timeout: 90s}]")

    assert (plan.stage("code-build").timeout, plan.stage("code-build").steps[0].timeout) == (5400, 90)


def test_docker_is_for_steps_that_include_its_socket() -> None:
    plan = _task(
        "include: [dind], steps: [{name: setup, script: s}, {name: unit-test, script: t, include: [docker-socket]}]"
    )

    setup, test = plan.stage("code-build").steps
    assert "DOCKER_HOST" not in setup.environment
    assert test.environment["DOCKER_HOST"] == "tcp://dind:2375"
    assert plan.stage("code-build").services == ("dind",)
    assert [(service.image, service.privileged) for service in plan.services] == [("docker:dind", True)]


def test_nothing_is_started_for_a_task_whose_steps_do_not_ask_for_docker() -> None:
    plan = _task(
        "include: [dind], steps: [{name: setup, script: s}, {name: unit-test, when: false, include: [docker-socket]}]"
    )

    assert plan.services == ()
    assert plan.stage("code-build").services == ()


def test_rootful_podman_asks_for_a_privileged_step() -> None:
    assert _step("include: [rootful-podman]").privileged
    assert not _step("include: [docker-socket]").privileged


def test_run_after_adds_to_the_order_of_the_pipeline() -> None:
    plan = plan_of(
        """
        version: '2'
        tasks:
          code-checks: {runAfter: [code-build], steps: [{name: static-scan, script: s}]}
          code-build: {steps: [{name: unit-test, script: t}]}
        """
    )

    assert needs(plan) == {"code-build": (), "code-checks": ("code-build",)}


@pytest.mark.parametrize("value", ["code-build", "'code-build'", "{a: b}"])
def test_run_after_is_a_list(value: str) -> None:
    (finding,) = findings_of(f"version: '2'\ntasks: {{code-checks: {{runAfter: {value}}}}}\n")

    assert finding.endswith("(it must be a list)")


@pytest.mark.parametrize(
    ("name", "hint"), [("code-biuld", "did you mean 'code-build'?"), ("zzz", "there are ci-start, ")]
)
def test_run_after_what_the_pipeline_does_not_have_is_refused(name: str, hint: str) -> None:
    (finding,) = findings_of(f"version: '2'\ntasks: {{code-checks: {{runAfter: [{name}]}}}}\n")

    assert f"'runAfter' of task 'code-checks' names {name!r}, which it cannot wait for ({hint}" in finding


def test_tasks_that_would_wait_for_each_other_are_refused() -> None:
    (finding,) = findings_of("version: '2'\ntasks: {code-build: {runAfter: [deploy-checks]}}\n")

    assert finding.startswith("in.yml:2:33: 'runAfter' names 'deploy-checks', which itself waits for it")


FAN_OUT = """
    version: '2'
    tasks:
      code-build: {steps: [{name: unit-test, script: one}]}
      code-build-two:
        from: code-build
        steps: [{name: unit-test, script: two}, {name: no-such-step, script: x}]
      deploy-checks: {steps: [{name: deploy, script: d}]}
"""


def test_a_further_one_of_a_task_runs_beside_it_with_what_the_file_says_of_it() -> None:
    plan = plan_of(FAN_OUT)

    assert needs(plan) == {"code-build": (), "code-build-two": (), "deploy-checks": ("code-build",)}
    assert [step.script for step in plan.stage("code-build-two").steps] == ["two"]
    assert "code-build-two/no-such-step" in why_pruned(plan)


def test_a_further_one_can_be_waited_for() -> None:
    text = FAN_OUT.replace("deploy-checks: {", "deploy-checks: {runAfter: [code-build-two], ")

    assert needs(plan_of(text))["deploy-checks"] == ("code-build", "code-build-two")


def test_a_further_one_of_a_task_of_another_kind_is_ignored() -> None:
    assert why_pruned(plan_of(FAN_OUT, "pr"))["code-build-two"] == "a pr pipeline has no task 'code-build'"


@pytest.mark.parametrize("origin", ["foo", "code-build-two", "code-ci-finish"])
def test_a_further_one_of_what_there_is_not_is_refused_in_ibms_words(origin: str) -> None:
    (finding,) = findings_of(FAN_OUT.replace("from: code-build", f"from: {origin}"))

    assert finding == (
        f"in.yml:6:11: the task specified to fan out from {origin!r} is invalid "
        "(a ci pipeline can have further ones of ci-start, code-checks, code-build, deploy-checks, deploy-release)"
    )


def test_a_further_one_that_says_nothing_of_its_steps_does_what_its_task_does() -> None:
    plan = plan_of("""
        version: '2'
        tasks:
          code-build: {steps: [{name: setup, script: s}, {name: unit-test, script: one, image: node}]}
          code-build-two: {from: code-build}
    """)

    first, second = plan.stage("code-build"), plan.stage("code-build-two")
    assert [(step.name, step.script, step.image) for step in second.steps] == [
        ("setup", "s", BASE_IMAGE),
        ("unit-test", "one", "node"),
    ]
    assert [step.script for step in first.steps] == ["s", "one"]
    assert needs(plan) == {"code-build": (), "code-build-two": ()}


def test_a_copy_of_a_task_keeps_a_condition_of_its_own() -> None:
    plan = plan_of("""
        version: '2'
        tasks:
          code-build: {steps: [{name: unit-test, script: one}]}
          code-build-two: {from: code-build, when: 'false'}
    """)

    assert [step.skip != "" for step in plan.stage("code-build-two").steps] == [True]
    assert [step.skip for step in plan.stage("code-build").steps] == [""]


def test_a_further_one_of_a_task_that_the_file_says_nothing_of_does_nothing() -> None:
    plan = plan_of("""
        version: '2'
        tasks:
          code-build-two: {from: code-build}
          code-checks: {steps: [{name: static-scan, script: x}]}
    """)

    assert needs(plan) == {"code-checks": ()}
    assert "gives no script for its steps" in why_pruned(plan)["code-build-two"]


ASYNC = """
    version: '2'
    tasks:
      code-build: {steps: [{name: unit-test, script: trigger-task owasp-zap}]}
      async-stage:
        include: [dind]
        timeout: 1h
        steps:
          - {name: run-stage, image: base:1, include: [docker-socket]}
          - {name: owasp-zap, script: scan, onError: continue}
          - {name: own, image: own:1, script: run}
          - {name: start, script: x}
"""


def test_the_steps_of_async_stage_are_async_stages() -> None:
    plan = plan_of(ASYNC)

    assert [stage.name for stage in plan.async_stages] == ["owasp-zap", "own"]
    assert list(needs(plan)) == ["code-build"]
    stage = async_stage(plan, "owasp-zap")
    assert (stage.async_, stage.timeout, stage.services) == (True, 3600, ("dind",))
    (step,) = stage.steps
    assert (step.name, step.image, step.script, step.ruleset.proceed) == ("run-stage", "base:1", "scan", True)
    assert step.environment == {"DOCKER_HOST": "tcp://dind:2375"}


def test_an_async_stage_may_have_an_image_of_its_own() -> None:
    assert async_stage(plan_of(ASYNC), "own").steps[0].image == "own:1"


def test_run_stage_may_be_left_out() -> None:
    plan = _task("steps: [{name: zap, script: z}]", name="async-stage")

    (step,) = async_stage(plan, "zap").steps
    assert (step.image, step.environment) == (BASE_IMAGE, {})


def test_async_stages_belong_to_every_kind_of_pipeline() -> None:
    assert [stage.name for stage in plan_of(ASYNC, "cc").async_stages] == ["owasp-zap", "own"]


def test_an_async_stage_without_a_script_fails_when_it_is_triggered() -> None:
    plan = _task("steps: [{name: zap}, {name: off, when: false}]", name="async-stage")

    assert async_stage(plan, "zap").fault == "Stage 'zap' has no script in 'in.yml'"
    assert async_stage(plan, "off").fault == ""
    assert async_stage(plan, "off").steps[0].skip


def test_an_async_stage_that_nothing_can_trigger_is_a_warning() -> None:
    (warning,) = _task("steps: [{name: My_Scan, script: z}]", name="async-stage").warnings

    assert "no step can trigger the async stage 'My_Scan'" in warning


@pytest.mark.parametrize(
    ("keys", "step"),
    [
        ("dind: true", {"environment": {"STAGE": "unit-test", "DOCKER_HOST": "tcp://dind:2375"}}),
        ("image_pull_policy: Always", {"pull": PullPolicy.ALWAYS}),
        ("skip: true", {"skip": "the file says 'skip: true'"}),
    ],
)
def test_keys_of_version_1_count_in_steps(keys: str, step: dict[str, object]) -> None:
    found = _step(keys)

    assert {name: getattr(found, name) for name in step} == step


def test_a_step_may_be_let_fail_in_the_words_of_version_1() -> None:
    assert _step("abort_on_failure: false").ruleset.proceed
    assert not _step("abort_on_failure: true").ruleset.proceed


def test_keys_of_version_1_are_told_with_what_version_2_has_for_them() -> None:
    (warning,) = _warnings("abort_on_failure: false")
    assert warning.startswith("'abort_on_failure' of step 'unit-test' belongs to version 1, and counts all the same")
    assert warning.endswith("(in version 2: onError: continue for false)")
    assert "(in version 2: include: [docker-socket])" in _warnings("dind: true")[0]
    assert "(in version 2: when: false)" in _warnings("skip: true")[0]


@pytest.mark.parametrize("value", ["[code-checks]", "code-checks"])
def test_run_after_on_a_step_means_nothing(value: str) -> None:
    assert _warnings(f"runAfter: {value}") == [
        "'runAfter' of step 'unit-test' means nothing (steps run in the order of their task)"
    ]


@pytest.mark.parametrize("keys", ["displayName: Test it", "runtimeClassName: x86-xlarge"])
def test_what_is_about_ibms_pages_and_machines_is_taken_in_silence(keys: str) -> None:
    assert _warnings(keys) == []


@pytest.mark.parametrize("machine", ["huge", "x86-xlrge", "''"])
def test_a_machine_that_ibm_does_not_have_is_refused_as_there(machine: str) -> None:
    (finding,) = findings_of(f"""
        version: '2'
        tasks:
          code-build:
            runtimeClassName: {machine}
            steps: [{{name: unit-test, script: x}}]
    """)

    assert f"'runtimeClassName' of task 'code-build' is {machine.strip(chr(39))!r}" in finding
    assert "it must be one of small, medium, large, x86-large" in finding


def test_of_two_steps_with_one_name_the_later_one_counts() -> None:
    plan = _task("steps: [{name: unit-test, script: one}, {name: unit-test, script: two}]")

    assert [step.script for step in plan.stage("code-build").steps] == ["two"]
    assert plan.warnings[0].endswith("task 'code-build' has two steps 'unit-test' (this one counts)")


def test_what_can_be_included_is_known() -> None:
    plan = _task("include: [docker], steps: [{name: setup, script: s, include: [docker-sockt, podman]}]")

    assert [warning.partition(": warning: ")[2] for warning in plan.warnings] == [
        "task 'code-build' includes 'docker' (it can include dind, podman)",
        "step 'setup' includes 'docker-sockt' (did you mean 'docker-socket'?)",
    ]


def test_keys_that_nobody_knows_are_warnings() -> None:
    text = "version: '2'\ntask: {}\ntasks: {code-build: {image: a, step: [], steps: [{name: setup, scrip: s}]}}\n"

    assert [warning.partition(": warning: ")[2] for warning in warnings_of(text)] == [
        "the file has no key 'task' (did you mean 'tasks'?)",
        "task 'code-build' has no key 'image' (it is ignored)",
        "task 'code-build' has no key 'step' (did you mean 'steps'?)",
        "step 'setup' has no key 'scrip' (did you mean 'script'?)",
    ]


def test_a_task_that_does_not_run_at_the_end_is_ignored_there() -> None:
    plan = plan_of("version: '2'\nfinally: {code-build: {steps: [{name: setup, script: s}]}}\n")

    assert plan.stages == ()
    assert why_pruned(plan) == {"code-build": "it does not run at the end"}
    assert plan.warnings[0].endswith("the task 'code-build' is none of the end (move it to 'tasks')")


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("tasks: []", "2:8: 'tasks' of the file is a list (it must be a map)"),
        (
            "tasks: {code-build: run}",
            "2:21: the task 'code-build' is a single value (write its keys under it, such as steps)",
        ),
        ("tasks: {code-build: {steps: {a: b}}}", "2:29: 'steps' of task 'code-build' is a map (it must be a list)"),
        (
            "tasks: {code-build: {steps: [a]}}",
            "2:30: 'steps' of task 'code-build' holds a single value (it must be a list of maps)",
        ),
        (
            "tasks: {code-build: {steps: [{script: a}]}}",
            "2:30: a step of task 'code-build' has no 'name' (name the step of the task)",
        ),
        ("tasks: {'@services': {}}", "2:9: nothing can be named '@services' (choose another name)"),
    ],
)
def test_what_has_another_shape_is_refused(text: str, finding: str) -> None:
    assert f"in.yml:{finding}" in findings_of(f"version: '2'\n{text}\n")


def test_nothing_in_the_file_is_nothing_to_run() -> None:
    plan = plan_of("version: '2'\n")

    assert (plan.stages, plan.async_stages, plan.undefined, plan.pruned) == ((), (), (), ())


def test_properties_give_the_image_of_docker() -> None:
    trigger = Trigger(facts=PUSH, kind="ci", properties={"dind-image": "mine:1"}, parameters={"dind-image": "its:1"})
    plan = _task("steps: [{name: setup, script: s, include: [docker-socket]}]", why=trigger)

    assert [service.image for service in plan.services] == ["its:1"]


def test_a_file_that_is_not_to_run_is_looked_at_for_every_kind() -> None:
    examined = validated("version: '2'\ntasks: {pr-code-checks: {runAfter: [zzz]}, code-build: {timeout: never}}\n")

    assert examined.plan is None
    assert any("'never' is not a duration" in str(finding) for finding in examined.findings)
    assert any("in a pr pipeline: 'runAfter' of task" in str(finding) for finding in examined.findings)
