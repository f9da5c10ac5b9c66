"""Steps and services."""

from dataclasses import replace

import pytest

from runner.plan.model import (
    Bind,
    Limits,
    PullPolicy,
    Ready,
    Ruleset,
    SecretUse,
    Service,
    Step,
    Ulimit,
)
from tests.support.pipelines import findings_of, plan_of, step_findings, step_of, step_warnings, variables_of


def _service(keys: str, top: str = "") -> Service:
    plan = plan_of(
        f"version: 1\n{top}\nservices: [{{name: db, image: postgres, {keys}}}]\nsteps: [{{name: s, image: i}}]"
    )
    assert plan.warnings == ()
    return plan.services[0]


def _bare(step: Step) -> Step:
    """Return a step with those variables only that the pipeline gives it."""
    return replace(step, environment=variables_of(step))


def test_a_step_of_only_an_image_is_enough() -> None:
    assert _bare(step_of("")) == Step(name="s", image="alpine")


def test_every_key_of_a_step_reaches_the_plan() -> None:
    step = (
        plan_of("""
        version: 1
        secrets: [{name: token}]
        steps:
          - name: s
            image: alpine
            pull: always
            commands: [go build, go test]
            entrypoint: [/bin/tool, run]
            environment: {A: 1}
            parameters: {dry-run: true}
            secrets: [token]
            user: "1000:1000"
            ruleset: {continue: true}
            timeout: 90s
            retry: 2
            shell: bash
            working_dir: sub
            limits: {cpus: 1.5, memory: 64m, pids: 100}
            ulimits: [nofile=1024:2048]
            volumes: [/src:/dst:rw]
            cache: [{key: go, paths: [/root/go, .cache]}]
            artifacts: {paths: ["*.xml"]}
            privileged: true
    """)
        .stages[0]
        .steps[0]
    )

    assert _bare(step) == Step(
        name="s",
        image="alpine",
        pull=PullPolicy.ALWAYS,
        commands=("go build", "go test"),
        entrypoint=("/bin/tool", "run"),
        environment={"A": "1", "PARAMETER_DRY-RUN": "true"},
        secrets=(SecretUse(source="token", target="TOKEN"),),
        user="1000:1000",
        ruleset=Ruleset(proceed=True),
        timeout=90,
        retry=2,
        shell="bash",
        working_dir="sub",
        limits=Limits(cpus=1.5, memory=64 * 1024**2, pids=100),
        ulimits=(Ulimit(name="nofile", soft=1024, hard=2048),),
        volumes=(Bind(source="/src", target="/dst", read_only=False),),
        caches=step.caches,
        artifacts=("*.xml",),
        privileged=True,
    )
    assert [cache.path for cache in step.caches] == ["/root/go", ".cache"]


def test_a_step_can_be_detached() -> None:
    assert step_of("detach: true").detach


def test_a_detached_step_has_neither_timeout_nor_retry_since_nobody_waits_for_it() -> None:
    timeout, retry = step_findings("detach: true\ntimeout: 5s\nretry: 1")

    assert "it: 'timeout' means nothing" in timeout
    assert "it: 'retry' means nothing" in retry


@pytest.mark.parametrize(
    ("command", "reaches_the_shell"),
    [
        ("echo ${A}", "echo ${A}"),
        ("echo $A $(date)", "echo $A $(date)"),
        ("echo $$", "echo $"),
        ("echo $$$$", "echo $$"),
        ("echo $${A} $${B[@]}", "echo ${A} ${B[@]}"),
        (r"sed 's/a\/b/c/' \\", r"sed 's/a\/b/c/' \\"),
        ("echo 'a: b' # c", "echo 'a: b' # c"),
    ],
)
def test_a_command_reaches_the_shell_as_written_but_for_velas_escape(command: str, reaches_the_shell: str) -> None:
    assert step_of(f"commands:\n  - |-\n    {command}").commands == (reaches_the_shell,)


@pytest.mark.parametrize("yaml", ["commands: [1.20, true, null]", "commands:\n  - 1.20\n  - true"])
def test_commands_are_source_text(yaml: str) -> None:
    assert step_of(yaml).commands == ("1.20", "true")


def test_a_single_command_needs_no_list() -> None:
    assert step_of("commands: make").commands == ("make",)


VARIABLES = "environment: {V: '3', WORD: always, ON: 'true', NAME: x, LIMIT: 64m, DIR: /d}\n"


def test_variables_are_put_into_every_value_of_a_step() -> None:
    step = step_of(
        VARIABLES
        + """
        commands: ["echo ${V}"]
        entrypoint: ["a${V}"]
        pull: ${WORD}
        detach: ${ON}
        user: ${NAME}
        ruleset: {branch: "${VELA_BUILD_BRANCH}", continue: true}
        shell: ${NAME}
        working_dir: ${DIR}
        limits: {cpus: "${V}", memory: "${LIMIT}"}
        ulimits: ["nofile=${V}", {name: "${NAME}", soft: "${V}"}]
        volumes: ["${DIR}:/t", {source: "${DIR}"}]
        privileged: ${ON}
        parameters: {tag: "v${V}"}
    """.replace("\n        ", "\n").rstrip()
    )

    assert _bare(step) == Step(
        name="s",
        image="alpine",
        commands=("echo 3",),
        entrypoint=("a3",),
        pull=PullPolicy.ALWAYS,
        detach=True,
        user="x",
        ruleset=step.ruleset,
        shell="x",
        working_dir="/d",
        limits=Limits(cpus=3, memory=64 * 1024**2),
        ulimits=(Ulimit(name="nofile", soft=3, hard=3), Ulimit(name="x", soft=3, hard=3)),
        volumes=(Bind(source="/d", target="/t"), Bind(source="/d", target="/d")),
        privileged=True,
        environment=variables_of(step),
    )
    assert step.ruleset.if_.branch == ("main",)
    assert step.environment["PARAMETER_TAG"] == "v3"


def test_variables_are_put_into_name_and_image_and_what_tells_of_them() -> None:
    plan = plan_of("""
        version: 1
        environment: {V: 3}
        steps: [{name: "s-${V}", image: "alpine:${V}", commands: ["echo ${VELA_STEP_NAME} ${VELA_STEP_IMAGE}"]}]
        services: [{name: "d-${V}", image: "redis:${V}", entrypoint: ["${VELA_SERVICE_NAME}"]}]
    """)
    step, service = plan.stages[0].steps[0], plan.services[0]

    assert (step.name, step.image, step.commands) == ("s-3", "alpine:3", ("echo s-3 alpine:3",))
    assert (step.environment["VELA_STEP_NAME"], step.environment["VELA_STEP_IMAGE"]) == ("s-3", "alpine:3")
    assert (service.name, service.image, service.entrypoint) == ("d-3", "redis:3", ("d-3",))
    assert service.environment["VELA_SERVICE_NAME"] == "d-3"


def test_two_names_that_variables_make_one_are_a_duplicate() -> None:
    (told,) = findings_of("""
        version: 1
        environment: {V: a}
        steps: [{name: a, image: i}, {name: "${V}", image: i}]
    """)

    assert "the step 'a' is already defined at in.yml:4:16" in told


@pytest.mark.parametrize(
    "yaml", ["entrypoint: ['${OUT}']", "user: '${OUT}'", "working_dir: '${OUT}'", "environment: {A: '${OUT}'}"]
)
def test_a_step_that_refers_to_what_comes_later_is_looked_at_again_at_its_start(yaml: str) -> None:
    assert step_of(yaml).late


@pytest.mark.parametrize("yaml", ["commands: ['echo ${OUT}']", "environment: {A: $B}", "user: a", "shell: '${OUT}'"])
def test_another_step_is_not(yaml: str) -> None:
    assert not step_of(yaml).late


def test_an_image_may_come_from_an_output() -> None:
    step = plan_of("version: 1\nsteps: [{name: s, image: 'alpine:${OUT}', pull: on_start}]").stages[0].steps[0]

    assert (step.image, step.late) == ("alpine:${OUT}", True)


def test_a_substitution_that_cannot_be_is_an_error_at_its_place() -> None:
    assert step_findings("commands:\n  - ls\n  - echo ${A[0]}") == [
        (
            "in.yml:7:9: 'commands' of step 's': ${A[0]} is not a variable that can be substituted "
            "(write $${A[0]} so that the shell sees it)"
        )
    ]


def test_a_pull_policy_that_a_variable_should_give_later_is_none() -> None:
    (told,) = step_findings("pull: ${OUT}")

    assert "'pull' of step 's' is '${OUT}' (it must be one of" in told


def test_a_ruleset_is_compared_with_the_variables_of_its_step() -> None:
    plan = plan_of("""
        version: 1
        environment: {A: "${VELA_BUILD_BRANCH}"}
        steps:
          - {name: kept, image: i, ruleset: {eval: "A == 'main' && OWN == 'x'"}, environment: {OWN: x}}
          - {name: gone, image: i, ruleset: {eval: "A == 'main' && OWN == 'x'"}}
    """)

    assert [step.name for step in plan.stages[0].steps] == ["kept"]


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("{image: i}", "a step has no 'name' (each needs a name of its own)"),
        ("{name: '', image: i}", "a step has no 'name' (each needs a name of its own)"),
        ("{name: [a], image: i}", "'name' of a step is a list (it must be a single value)"),
        ("{name: s}", "step 's' has no 'image' (name the image that it runs in)"),
        ("{name: s, image: }", "step 's' has no 'image' (name the image that it runs in)"),
        ("text", "a step of the pipeline is not a map (write its name and image)"),
        ("null", "a step of the pipeline is not a map (write its name and image)"),
        ("[a]", "a step of the pipeline is not a map (write its name and image)"),
        ('{name: "a\\nb", image: i}', r"the name 'a\nb' holds a control character (keep to one line of text)"),
    ],
)
def test_a_step_that_cannot_be_says_what_would_be_right(step: str, told: str) -> None:
    (found,) = findings_of(f"version: 1\nsteps:\n  - {step}")

    assert found.split(": ", 1)[1] == told


def test_steps_that_are_no_list_are_an_error() -> None:
    (told,) = findings_of("version: 1\nsteps: {s: {image: i}}")

    assert told == "in.yml:2:8: 'steps' of the pipeline is a map (it must be a list)"


def test_findings_about_several_steps_come_at_once() -> None:
    told = findings_of("version: 1\nsteps:\n  - {name: a}\n  - {name: b, image: i, retry: -1}\n  - {image: i}")

    assert [line.split(":")[1] for line in told] == ["3", "4", "5"]


def test_a_service_has_fewer_keys_than_a_step() -> None:
    service = _service(
        "entrypoint: [a, b], environment: [A=1], pull: never, user: me, ulimits: nofile=5, privileged: true, "
        "ready: {port: 5432, timeout: 5s}"
    )

    assert replace(service, environment=variables_of(service)) == Service(
        name="db",
        image="postgres",
        entrypoint=("a", "b"),
        environment={"A": "1"},
        pull=PullPolicy.NEVER,
        user="me",
        ulimits=(Ulimit(name="nofile", soft=5, hard=5),),
        privileged=True,
        ready=Ready(port=5432, timeout=5),
    )


def test_a_service_receives_the_global_environment_under_its_own() -> None:
    assert variables_of(_service("environment: {A: 1}", "environment: {A: 0, G: 2}")) == {"A": "1", "G": "2"}


def test_commands_of_a_service_are_a_warning() -> None:
    plan = plan_of("version: 1\nservices: [{name: d, image: i, commands: [ls]}]\nsteps: [{name: s, image: i}]")

    assert plan.warnings == ("in.yml:2:32: warning: service 'd' has no key 'commands' (it is ignored)",)


def test_a_service_without_a_name_or_image_is_an_error() -> None:
    told = findings_of("version: 1\nservices: [{name: d}, {image: i}, text]\nsteps: [{name: s, image: i}]")

    assert [line.split(": ", 1)[1] for line in told] == [
        "service 'd' has no 'image' (name the image that it runs)",
        "a service has no 'name' (each needs a name of its own)",
        "a service of the pipeline is not a map (write its name and image)",
    ]


def test_a_name_that_is_taken_for_our_own_is_refused() -> None:
    for name in ("@services", "@secrets"):
        assert f"nothing can be named '{name}'" in findings_of(f"version: 1\nsteps: [{{name: '{name}', image: i}}]")[0]


def test_a_variable_that_nothing_sets_in_the_name_of_an_image_is_a_warning() -> None:
    (warning,) = plan_of('version: 1\nsteps: [{name: s, image: "app:${TAG}"}]').warnings

    assert "nothing sets TAG for the image of step 's'" in warning


@pytest.mark.parametrize("image", ["app:${VELA_BUILD_BRANCH}", "app:${TAG}, pull: on_start", "app"])
def test_an_image_that_can_be_known_is_silent(image: str) -> None:
    name, _, more = image.partition(", ")

    assert plan_of(f'version: 1\nsteps: [{{name: s, image: "{name}"{", " + more if more else ""}}}]').warnings == ()


@pytest.mark.parametrize(
    "text", ["entrypoint: [sh, -c, 'until [ -f /vela/src/go ]; do :; done']", "environment: {A: $VELA_WORKSPACE}"]
)
def test_a_service_that_names_the_workspace_is_a_warning(text: str) -> None:
    (warning,) = plan_of(
        f"version: 1\nservices: [{{name: d, image: i, {text}}}]\nsteps: [{{name: s, image: i}}]"
    ).warnings

    assert "service 'd' names the workspace, and services see none (a step with 'detach: true' sees it)" in warning


def test_artifacts_of_a_step_that_nobody_waits_for_are_a_warning() -> None:
    (warning,) = step_warnings("detach: true\nartifacts: {paths: [a]}")

    assert warning.endswith("step 's' is detached, and nobody waits for its artifacts (they are not copied out)")


def test_variables_are_put_into_the_patterns_of_artifacts() -> None:
    assert step_of('artifacts: {paths: "*.${VELA_BUILD_BRANCH}"}').artifacts == ("*.main",)
