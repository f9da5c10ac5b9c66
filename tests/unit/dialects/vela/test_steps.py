"""Steps and services."""

import pytest

from runner.plan.model import PullPolicy, Ruleset, Service, Step
from tests.support.pipelines import findings_of, plan_of, step_findings, step_of


def _service(keys: str, top: str = "") -> Service:
    plan = plan_of(
        f"version: 1\n{top}\nservices: [{{name: db, image: postgres, {keys}}}]\nsteps: [{{name: s, image: i}}]"
    )
    assert plan.warnings == ()
    return plan.services[0]


def test_a_step_of_only_an_image_is_enough() -> None:
    assert step_of("") == Step(name="s", image="alpine")


def test_every_key_of_a_step_reaches_the_plan() -> None:
    step = step_of("""
        pull: always
        commands: [go build, go test]
        entrypoint: [/bin/tool, run]
        environment: {A: 1}
        user: "1000:1000"
        ruleset: {continue: true}
        timeout: 90s
        retry: 2
    """)

    assert step == Step(
        name="s",
        image="alpine",
        pull=PullPolicy.ALWAYS,
        commands=("go build", "go test"),
        entrypoint=("/bin/tool", "run"),
        environment={"A": "1"},
        user="1000:1000",
        ruleset=Ruleset(proceed=True),
        timeout=90,
        retry=2,
    )


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
        ("echo $A $$ $(date)", "echo $A $$ $(date)"),
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


@pytest.mark.parametrize("key", ["user", "entrypoint", "pull"])
def test_a_variable_in_a_step_is_refused_by_name(key: str) -> None:
    told = step_findings(f"{key}: '${{A}}'")

    assert f"'{key}' of step 's' holds '${{', and variables in a pipeline are not supported yet" in told[0]


def test_a_variable_in_an_image_is_refused_by_name() -> None:
    (told,) = findings_of("version: 1\nsteps: [{name: s, image: 'alpine:${TAG}'}]")

    assert told == (
        "in.yml:2:26: 'image' of step 's' holds '${', and variables in a pipeline are not supported yet "
        "(write the value itself; in commands the shell sees variables)"
    )


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
    service = _service("entrypoint: [a, b], environment: [A=1], pull: never, user: me")

    assert service == Service(
        name="db",
        image="postgres",
        entrypoint=("a", "b"),
        environment={"A": "1"},
        pull=PullPolicy.NEVER,
        user="me",
    )


def test_a_service_receives_the_global_environment_under_its_own() -> None:
    assert _service("environment: {A: 1}", "environment: {A: 0, G: 2}").environment == {"A": "1", "G": "2"}


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
