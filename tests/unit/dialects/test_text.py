import pytest

from runner.dialects.text import examine, to_plan
from runner.errors import InvalidPipelineError, Severity, UsageError
from runner.plan.model import Facts
from runner.plan.trigger import Trigger

TRIGGER = Trigger(facts=Facts(branch="main", event="push"))
VELA = b"version: '1'\nsteps:\n  - {name: s, image: i, commands: [ls]}\n"


def test_a_text_becomes_the_plan_of_its_facts() -> None:
    plan = to_plan(VELA, "p.yml", TRIGGER)

    assert (plan.dialect, plan.facts) == ("vela", TRIGGER.facts)
    assert [(stage.name, [step.name for step in stage.steps]) for stage in plan.stages] == [("steps", ["s"])]


def test_the_dialect_can_be_asked_for() -> None:
    assert to_plan(VELA, "p.yml", TRIGGER, dialect="vela") == to_plan(VELA, "p.yml", TRIGGER)


def test_a_file_of_ibms_is_compiled_by_its_own_compiler() -> None:
    plan = to_plan(b"version: '1'\nsetup: {script: s}\n", "p.yml", Trigger(kind="pr"))

    assert (plan.dialect, plan.kind) == ("ibm", "pr")
    assert [stage.name for stage in plan.stages] == ["setup"]


def test_the_dialect_asked_for_reads_the_file_whatever_it_looks_like() -> None:
    with pytest.raises(InvalidPipelineError, match="the stage 'steps' is a list"):
        to_plan(VELA, "p.yml", TRIGGER, dialect="ibm")


def test_a_kind_of_pipeline_that_does_not_exist_is_bad_usage() -> None:
    with pytest.raises(UsageError, match="no kind of pipeline 'xx'"):
        to_plan(b"setup: {script: s}\n", "p.yml", Trigger(kind="xx"))


def test_a_dialect_that_does_not_exist_is_bad_usage() -> None:
    with pytest.raises(UsageError, match="no dialect 'vala'"):
        to_plan(VELA, "p.yml", TRIGGER, dialect="vala")


def test_an_application_of_metalus_is_found_out_from_its_executions() -> None:
    text = b"executions: [{id: A, pipelines: [{id: p, steps: [{id: s, image: i}]}]}]\n"

    plan = to_plan(text, "p.yml", TRIGGER)

    assert plan.dialect == "metalus"
    assert [(stage.name, [step.name for step in stage.steps]) for stage in plan.stages] == [("A", ["p/s"])]


def test_warnings_are_part_of_the_plan_and_errors_when_strict() -> None:
    content = VELA + b"colour: red\n"

    (warning,) = to_plan(content, "p.yml", TRIGGER).warnings

    assert warning.startswith("p.yml:4:1: ")
    with pytest.raises(InvalidPipelineError, match=r"^p\.yml:4:1: "):
        to_plan(content, "p.yml", TRIGGER, strict=True)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a: [", b"- - -", b"\x00", b"3"], ids=repr)
def test_whatever_is_no_pipeline_is_refused_with_its_place(content: bytes) -> None:
    with pytest.raises(InvalidPipelineError, match=r"(?m)^p\.yml:\d+:\d+: "):
        to_plan(content, "p.yml", TRIGGER)


def test_what_is_examined_has_findings_in_the_order_of_the_file_and_a_plan() -> None:
    examined = examine(b"colour: red\n" + VELA + b"shape: round\n", "p.yml", TRIGGER)

    assert [finding.place.line for finding in examined.findings] == [1, 5]
    assert examined.plan is not None
    assert examined.plan.warnings == tuple(map(str, examined.findings))


def test_what_has_an_error_has_no_plan_and_all_its_findings() -> None:
    examined = examine(b"colour: red\nsteps: [{name: s}]\n", "p.yml", TRIGGER)

    assert examined.plan is None
    assert sorted((finding.place.line, finding.severity) for finding in examined.findings) == [
        (1, Severity.ERROR),
        (1, Severity.WARNING),
        (2, Severity.ERROR),
    ]


RULED = b"""version: '1'
stages:
  a: {ruleset: {branch: dev}, steps: [{name: s, image: i}]}
  b:
    needs: a
    steps:
      - {name: t, image: i, ruleset: {event: tag}, commands: ['echo ${VELA_BUILD_BRANCH}']}
      - {name: t, image: i, ruleset: {event: push}}
services: [{name: d, image: i, ruleset: {event: tag}}]
"""


def test_what_is_not_to_run_keeps_everything_and_its_variables_open() -> None:
    plan = examine(RULED, "p.yml", None).plan

    assert plan is not None
    assert plan.pruned == ()
    assert [(stage.name, len(stage.steps)) for stage in plan.stages] == [("a", 1), ("b", 2)]
    assert plan.stage("b").needs == ("a",)
    assert plan.stage("b").steps[0].commands == ("echo ${VELA_BUILD_BRANCH}",)
    assert [service.name for service in plan.services] == ["d"]


def test_what_is_not_to_run_must_be_right_also_where_a_run_would_not_come_to_it() -> None:
    text = VELA.replace(b"commands: [ls]", b"ruleset: {branch: [main, '[']}")

    (error,) = examine(text, "p.yml", None).findings
    (warning,) = examine(text, "p.yml", TRIGGER).findings

    assert (error.severity, warning.severity) == (Severity.ERROR, Severity.WARNING)


def test_two_steps_of_one_name_that_no_rule_tells_apart_are_wrong_for_every_run() -> None:
    text = b"version: '1'\nsteps: [{name: s, image: i}, {name: s, image: i}]\n"

    (error,) = examine(text, "p.yml", None).findings

    assert "the step 's' is already defined" in error.message


@pytest.mark.parametrize(
    ("text", "place"),
    [("version: 1\n{{ range .a }}\nsteps: []\n", "2:1"), ("steps:\n  - name: {{ .Name }}\n", "2:11")],
)
def test_a_template_is_told_as_one_where_it_is_no_yaml(text: str, place: str) -> None:
    (finding,) = examine(text.encode(), "p.yml", TRIGGER).findings

    assert str(finding).startswith(f"p.yml:{place}: this is a Go template")


def test_braces_in_quotes_make_no_template() -> None:
    text = VELA.replace(b"[ls]", b"[\"docker inspect -f '{{.Id}}'\"]")

    assert examine(text, "p.yml", TRIGGER).findings == ()
