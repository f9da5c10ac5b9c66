"""Version 1: what stages become in a kind of pipeline."""

import pytest

from runner.dialects.ibm.work import BASE_IMAGE
from runner.plan.model import BlockedBy, Plan, PullPolicy, Step, Told
from runner.plan.trigger import Trigger
from tests.support.ibm import (
    PUSH,
    async_stage,
    findings_of,
    needs,
    plan_of,
    trigger_of,
    validated,
    warnings_of,
    why_pruned,
)

CI = """
    version: '1'
    setup: {image: base:1, script: set up}
    containerize: {image: build:1, script: build}
    deploy: {image: deploy:1, script: deploy}
"""


def _step(plan: Plan, stage: str) -> Step:
    (step,) = plan.stage(stage).steps
    return step


def _setup(keys: str, why: str | Trigger = "pr") -> Plan:
    """Compile a pull request pipeline whose only stage has these keys."""
    return plan_of(f"version: '1'\nsetup: {{script: set up, {keys}}}\n", why)


def test_a_stage_runs_its_script_in_one_step_as_it_stands() -> None:
    script = '#!/usr/bin/env bash\nset -x\necho "${HOME} $$"\n'
    plan = plan_of(
        f"version: '1'\nsetup:\n  image: base:1\n  script: |\n    {script.replace(chr(10), chr(10) + '    ')}\n", "pr"
    )

    step = _step(plan, "setup")
    assert (step.name, step.image, step.script, step.commands) == ("run-stage", "base:1", script, ())


def test_stages_stand_in_the_order_of_the_pipeline_not_of_the_file() -> None:
    plan = plan_of(
        """
        version: '1'
        finish: {script: f}
        deploy: {script: d}
        containerize: {script: c}
        test: {script: t}
        setup: {script: s}
        """
    )

    assert needs(plan) == {
        "setup": (),
        "test": ("setup",),
        "containerize": ("setup",),
        "deploy": ("containerize",),
        "finish": ("setup", "test", "containerize", "deploy"),
    }


def test_a_stage_waits_through_those_that_the_file_lacks() -> None:
    plan = plan_of(CI + "    release: {script: release}\n")

    assert set(needs(plan)["release"]) == {"setup", "containerize", "deploy"}
    assert needs(plan)["deploy"] == ("containerize",)


@pytest.mark.parametrize("name", ["test", "unit-tests", "unit-test"])
def test_the_stage_of_tests_keeps_the_name_that_its_file_has_for_it(name: str) -> None:
    plan = plan_of(f"version: '1'\nsetup: {{script: s}}\n{name}: {{script: t}}\n", "pr")

    assert needs(plan) == {"setup": (), name: ("setup",)}
    assert plan.async_stages == ()


def test_of_two_spellings_the_further_one_is_an_async_stage() -> None:
    plan = plan_of("version: '1'\nsetup: {script: s}\nunit-tests: {script: u}\ntest: {script: t}\n", "pr")

    assert list(needs(plan)) == ["setup", "test"]
    assert [stage.name for stage in plan.async_stages] == ["unit-tests"]


def test_no_stage_but_the_last_runs_once_another_has_failed() -> None:
    plan = plan_of(CI + "    finish: {script: f}\n")

    assert [stage.blocked_by for stage in plan.stages] == [*[BlockedBy.RUN] * 3, BlockedBy.NOTHING]
    assert [stage.independent for stage in plan.stages] == [False, False, False, True]


def test_only_finish_hears_how_the_pipeline_has_ended() -> None:
    plan = plan_of(CI + "    finish: {script: f}\n")

    assert plan.environment == {"PIPELINE_STATUS": ""}
    assert _step(plan, "finish").told == {"PIPELINE_STATUS": Told.PIPELINE_STATUS}
    assert _step(plan, "finish").environment == {"finish_evaluate_exit_code": "0"}
    assert _step(plan, "setup").told == {}


def test_variables_of_whoever_asks_are_in_every_step_and_count() -> None:
    trigger = Trigger(facts=PUSH, kind="ci", environment={"A": "b", "DOCKER_HOST": "tcp://mine:1"})
    plan = plan_of(CI + "    test: {script: t, dind: true}\n", trigger)

    assert _step(plan, "setup").environment == {"A": "b", "DOCKER_HOST": "tcp://mine:1"}
    assert _step(plan, "test").environment["DOCKER_HOST"] == "tcp://mine:1"


def test_without_an_image_it_is_ibms_base_image() -> None:
    assert _step(_setup("dind: false"), "setup").image == BASE_IMAGE


@pytest.mark.parametrize(
    ("word", "policy"),
    [("Always", PullPolicy.ALWAYS), ("IfNotPresent", PullPolicy.NOT_PRESENT), ("Never", PullPolicy.NEVER)],
)
def test_the_pull_policy_is_that_of_kubernetes(word: str, policy: PullPolicy) -> None:
    assert _step(_setup(f"image_pull_policy: {word}"), "setup").pull is policy


@pytest.mark.parametrize(
    ("word", "allowed"), [("false", True), ("'false'", True), ("no", True), ("true", False), ("~", False)]
)
def test_a_stage_can_be_let_fail(word: str, *, allowed: bool) -> None:
    assert _setup(f"abort_on_failure: {word}").stage("setup").allow_failure is allowed


def test_configmap_and_secret_are_names_of_the_stages_own_configuration() -> None:
    assert _setup("configmap: settings, secret: $creds").stage("setup").config == ("settings", "$creds")


def test_the_size_of_ibms_machine_means_nothing() -> None:
    plan = _setup("runtimeClassName: x86-xlarge")

    assert plan.stage("setup") == _setup("dind: false").stage("setup")
    assert plan.warnings == ()


def test_docker_is_a_privileged_service_of_the_stages_that_want_it() -> None:
    plan = plan_of(CI + "    test: {script: t, dind: true}\n    release: {script: r, dind: true}\n")

    (service,) = plan.services
    assert (service.name, service.image, service.privileged) == ("dind", "docker:dind", True)
    assert service.environment == {"DOCKER_TLS_CERTDIR": ""}
    assert service.ready is not None
    assert service.ready.port == 2375
    assert {stage.name: stage.services for stage in plan.stages if stage.services} == {
        "test": ("dind",),
        "release": ("dind",),
    }
    assert _step(plan, "test").environment == {"DOCKER_HOST": "tcp://dind:2375"}
    assert _step(plan, "setup").environment == {}


def test_each_image_of_docker_is_a_service_of_its_own() -> None:
    trigger = trigger_of("ci", {"dind-image": "docker:26-dind"})
    plan = plan_of(
        CI + "    test: {script: t, dind: true}\n    release: {script: r, dind: true, dind_image: other:1}\n", trigger
    )

    assert [(service.name, service.image) for service in plan.services] == [
        ("dind", "docker:26-dind"),
        ("dind-2", "other:1"),
    ]
    assert _step(plan, "release").environment == {"DOCKER_HOST": "tcp://dind-2:2375"}


def test_a_stage_that_is_passed_over_needs_no_docker() -> None:
    plan = plan_of(CI + "    test: {script: t, dind: true, skip: true}\n")

    assert plan.services == ()
    assert plan.stage("test").services == ()


def test_an_image_of_docker_alone_asks_for_none() -> None:
    assert _setup("dind_image: docker:27-dind").services == ()


def test_run_after_adds_to_the_order_of_the_pipeline() -> None:
    plan = plan_of(CI + "    test: {script: t, runAfter: static-scan}\n    static-scan: {script: x}\n")

    assert needs(plan)["test"] == ("setup", "static-scan")
    assert list(needs(plan)).index("static-scan") < list(needs(plan)).index("test")


def test_run_after_waits_through_a_stage_that_the_file_lacks() -> None:
    plan = plan_of(CI + "    test: {script: t, runAfter: sign-artifact}\n")

    assert needs(plan)["test"] == ("setup", "containerize")


def test_run_after_takes_a_stage_in_any_spelling() -> None:
    plan = plan_of(CI + "    unit-tests: {script: t}\n    release: {script: r, runAfter: unit-test}\n")

    assert "unit-tests" in needs(plan)["release"]


@pytest.mark.parametrize("value", ["null", "~", "start"])
def test_run_after_nothing_changes_nothing(value: str) -> None:
    plan = plan_of(CI + f"    test: {{script: t, runAfter: {value}}}\n")

    assert needs(plan)["test"] == ("setup",)
    assert plan.warnings == ()


@pytest.mark.parametrize("target", ["no-such-stage", "verify-artifact", "own"])
def test_run_after_what_the_pipeline_does_not_have_is_refused(target: str) -> None:
    text = CI + f"    own: {{script: o}}\n    test:\n      script: t\n      runAfter: {target}\n"

    (finding,) = findings_of(text)

    assert finding.startswith(f"in.yml:9:13: 'runAfter' of stage 'test' names {target!r}, which it cannot wait for (")


def test_run_after_of_a_stage_that_is_not_there_does_no_harm() -> None:
    (warning,) = warnings_of("version: '1'\nsetup: {script: s}\ncompliance-checks: {runAfter: test}\n", "cc")

    assert warning.startswith("in.yml:3:31: warning: 'runAfter' of stage 'compliance-checks' names 'test', which it")


def test_run_after_has_the_nearest_name() -> None:
    (finding,) = findings_of(CI + "    test: {script: t, runAfter: static-scn}\n")

    assert finding.endswith("(did you mean 'static-scan'?)")


@pytest.mark.parametrize(
    "stages",
    [
        "test: {script: t, runAfter: test}",
        "test: {script: t, runAfter: finish}",
        "test: {script: t, runAfter: release}",
        "static-scan: {script: t, runAfter: dynamic-scan}\n    peer-review: {script: t, runAfter: static-scan}",
    ],
)
def test_stages_that_would_wait_for_each_other_are_refused(stages: str) -> None:
    (finding,) = findings_of(CI + f"    {stages}\n")

    assert "which itself waits for it" in finding


def test_of_two_that_wait_for_each_other_by_run_after_the_second_is_told() -> None:
    (finding,) = findings_of(
        CI
        + "    compliance-checks: {script: c, runAfter: peer-review}\n"
        + "    peer-review: {script: p, runAfter: compliance-checks}\n"
    )

    assert "which itself waits for it" in finding


def test_a_stage_that_can_be_skipped_is_there_and_says_why_it_does_not_run() -> None:
    plan = plan_of(CI + "    test: {image: t:1, script: t, skip: true}\n    dynamic-scan: {skip: true}\n")

    assert _step(plan, "test").skip == _step(plan, "dynamic-scan").skip == "the file says 'skip: true'"
    assert plan.warnings == ()


def test_what_comes_behind_a_skipped_stage_waits_for_it_where_that_takes_no_time() -> None:
    plan = plan_of(
        CI + "    test: {script: t, skip: true}\n    peer-review: {script: p}\n    static-scan: {skip: true}\n"
    )

    assert needs(plan)["containerize"] == ("setup", "test")
    assert needs(plan)["peer-review"] == ("setup", "test")
    assert needs(plan)["deploy"] == ("containerize",)  # not for static-scan, which waits for peer-review


def test_a_stage_that_ibm_does_not_skip_is_passed_over_with_a_warning() -> None:
    text = CI.replace("setup: {image: base:1, script: set up}", "setup: {skip: true}")

    assert _step(plan_of(text), "setup").skip
    (warning,) = warnings_of(text)
    assert warning.startswith("in.yml:3:15: warning: stage 'setup' is none of those that IBM's pipelines can skip")


def test_a_required_stage_that_the_file_lacks_fails_the_run_in_ibms_words() -> None:
    plan = plan_of("version: '1'\nsetup: {script: s}\ndeploy: {script: d}\n")

    stage = plan.stage("containerize")
    assert (stage.fault, stage.steps, stage.needs) == (
        "Stage 'containerize' is not defined in 'in.yml'",
        (),
        ("setup",),
    )
    assert "containerize" not in why_pruned(plan)


@pytest.mark.parametrize(
    ("kind", "required"),
    [("ci", ["setup", "containerize", "deploy"]), ("cd", ["setup", "deploy"]), ("pr", ["setup"]), ("cc", ["setup"])],
)
def test_an_empty_file_lacks_what_its_kind_of_pipeline_cannot_do_without(kind: str, required: list[str]) -> None:
    plan = plan_of("version: '1'\n", kind)

    assert [stage.name for stage in plan.stages if stage.fault] == required == [stage.name for stage in plan.stages]


def test_other_stages_that_the_file_lacks_are_left_out_with_a_reason_and_can_be_asked_for() -> None:
    plan = plan_of(CI)

    assert why_pruned(plan)["detect-secrets"] == (
        "in.yml does not define it, and IBM's default implementation is not part of this runner"
    )
    assert why_pruned(plan)["test"] == "in.yml does not define it"
    found = {stage.name: stage for stage in plan.undefined}
    assert set(found) == set(why_pruned(plan))
    assert found["sign-artifact"].fault == "Stage 'sign-artifact' is not defined in 'in.yml'"
    assert found["sign-artifact"].needs == ("containerize",)


def test_a_stage_of_which_ibm_has_a_script_need_not_give_one() -> None:
    plan = plan_of(CI + "    static-scan: {image: scan:1, dind: true}\n")

    assert "static-scan" not in needs(plan)
    assert plan.services == () or plan.stage("setup").services == ()
    assert why_pruned(plan)["static-scan"].startswith("in.yml gives no script for it, and IBM's")
    assert [stage.fault for stage in plan.undefined if stage.name == "static-scan"] == [
        "Stage 'static-scan' has no script in 'in.yml'"
    ]


@pytest.mark.parametrize("stage", ["setup", "test", "deployment"])
def test_a_stage_of_which_ibm_has_no_script_must_give_one(stage: str) -> None:
    text = f"version: '1'\n{stage}: {{image: a}}\n"

    assert findings_of(text) == [f"in.yml:2:1: stage {stage!r} has no 'script' (write what it runs)"]


def test_a_stage_without_anything_is_one_without_a_script() -> None:
    assert "finish" in why_pruned(plan_of(CI + "    finish:\n"))


def test_every_other_stage_is_an_async_one_and_no_part_of_the_graph() -> None:
    plan = plan_of(
        CI + "    slow-scan: {image: scan:1, script: scan, abort_on_failure: false, secret: creds, dind: true}\n"
    )

    stage = async_stage(plan, "slow-scan")
    assert "slow-scan" not in needs(plan)
    assert (stage.async_, stage.needs, stage.allow_failure, stage.config) == (True, (), True, ("creds",))
    assert [(step.name, step.image, step.script) for step in stage.steps] == [("run-stage", "scan:1", "scan")]
    assert stage.services == ("dind",)
    assert plan.warnings == ()


def test_a_stage_of_another_kind_of_pipeline_is_an_async_one() -> None:
    plan = plan_of(CI, "pr")

    assert list(needs(plan)) == ["setup"]
    assert [stage.name for stage in plan.async_stages] == ["containerize", "deploy"]
    assert plan.warnings == ()


def test_an_async_stage_without_a_script_fails_when_it_is_triggered() -> None:
    plan = plan_of(CI + "    verify-artifact: {image: a}\n    mine: {image: a}\n")

    assert async_stage(plan, "mine").fault == "Stage 'mine' has no script in 'in.yml'"
    assert async_stage(plan, "verify-artifact").fault == "Stage 'verify-artifact' has no script in 'in.yml'"
    (warning,) = plan.warnings
    assert warning.startswith("in.yml:7:1: warning: no pipeline has a stage 'mine', and it has no script (")


@pytest.mark.parametrize("name", ["Check", "my_check", "a" * 64, "check-", "-check"])
def test_an_async_stage_that_nothing_can_trigger_is_a_warning(name: str) -> None:
    (warning,) = warnings_of(CI + f"    {name}: {{script: c}}\n")

    assert warning.startswith("in.yml:6:1: warning: no step can trigger the async stage ")


def test_a_slip_in_the_name_of_a_stage_is_a_warning() -> None:
    (warning,) = warnings_of(CI + "    acceptence-test: {script: a}\n")

    assert warning.startswith("in.yml:6:1: warning: no pipeline has a stage 'acceptence-test'")
    assert warning.endswith("(did you mean 'acceptance-test'? as it stands, it is an async stage)")


@pytest.mark.parametrize("name", ["start", "change-request"])
def test_what_no_file_can_define_is_an_async_stage_with_a_warning(name: str) -> None:
    plan = plan_of(f"version: '1'\nsetup: {{script: s}}\ndeploy: {{script: d}}\n{name}: {{script: x}}\n", "cd")

    assert [stage.name for stage in plan.async_stages] == [name]
    assert f"no file can say what the stage {name!r} of IBM's pipelines does" in plan.warnings[0]


def test_keys_that_nobody_knows_are_warnings_with_the_nearest_one() -> None:
    assert warnings_of("version: '1'\nsetup: {script: s, imagge: a, timeout: 5m}\n", "pr") == [
        "in.yml:2:20: warning: stage 'setup' has no key 'imagge' (did you mean 'image'?)",
        "in.yml:2:31: warning: stage 'setup' has no key 'timeout' (it is ignored)",
    ]


@pytest.mark.parametrize("key", ["x-shared", ".shared"])
def test_a_key_that_only_holds_anchors_is_no_stage(key: str) -> None:
    plan = plan_of(f"version: '1'\n{key}: &shared {{image: base:1}}\nsetup: {{<<: *shared, script: s}}\n", "pr")

    assert _step(plan, "setup").image == "base:1"
    assert plan.async_stages == ()


@pytest.mark.parametrize("name", ["'@services'", "'@secrets'", '"two\\nlines"', "''"])
def test_a_name_that_nothing_can_have_is_refused(name: str) -> None:
    assert any(
        "the name" in finding or "nothing can be" in finding
        for finding in findings_of(CI + f"    {name}: {{script: c}}\n")
    )


@pytest.mark.parametrize(("value", "kind"), [("run it", "a single value"), ("[a]", "a list"), ("''", "a single value")])
def test_a_stage_is_a_map(value: str, kind: str) -> None:
    (finding,) = findings_of(f"version: '1'\nsetup: {value}\n", "pr")[:1]

    assert f"the stage 'setup' is {kind} (write its keys under it" in finding


def test_everything_that_is_wrong_is_told_at_once() -> None:
    found = findings_of(
        "version: '1'\nsetup: {dind: perhaps, image: [a]}\ntest: {script: t, image_pull_policy: always}\n", "pr"
    )

    assert [finding.split(": ", 1)[0] for finding in found] == [
        "in.yml:2:1",
        "in.yml:2:15",
        "in.yml:2:31",
        "in.yml:3:38",
    ]


def test_a_file_that_is_not_to_run_need_only_be_right_for_one_kind() -> None:
    examined = validated(CI + "    test: {script: t, runAfter: static-scan}\n")

    assert examined.plan is not None
    (finding,) = map(str, examined.findings)
    assert "warning: in a pr pipeline: 'runAfter' of stage 'test' names 'static-scan', which it cannot" in finding


def test_a_file_that_is_right_for_no_kind_has_its_errors_each_once() -> None:
    examined = validated("version: '1'\nsetup: {image: a}\n")

    assert examined.plan is None
    assert [str(finding) for finding in examined.findings] == [
        "in.yml:2:1: stage 'setup' has no 'script' (write what it runs)"
    ]
