import pytest

from runner.dialects.text import to_plan
from runner.errors import InvalidPipelineError, UsageError
from runner.plan.model import Facts

FACTS = Facts(branch="main", event="push")
VELA = b"version: '1'\nsteps:\n  - {name: s, image: i, commands: [ls]}\n"


def test_a_text_becomes_the_plan_of_its_facts() -> None:
    plan = to_plan(VELA, "p.yml", FACTS)

    assert (plan.dialect, plan.facts) == ("vela", FACTS)
    assert [(stage.name, [step.name for step in stage.steps]) for stage in plan.stages] == [("steps", ["s"])]


def test_the_dialect_can_be_asked_for() -> None:
    assert to_plan(VELA, "p.yml", FACTS, dialect="vela") == to_plan(VELA, "p.yml", FACTS)


def test_a_dialect_that_does_not_exist_is_bad_usage() -> None:
    with pytest.raises(UsageError, match="no dialect 'vala'"):
        to_plan(VELA, "p.yml", FACTS, dialect="vala")


def test_a_dialect_that_cannot_be_read_yet_is_a_finding_in_the_file() -> None:
    with pytest.raises(InvalidPipelineError, match=r"^p\.yml:1:1: the dialect 'metalus'"):
        to_plan(b"executions: []\n", "p.yml", FACTS)


def test_warnings_are_part_of_the_plan_and_errors_when_strict() -> None:
    content = VELA + b"colour: red\n"

    (warning,) = to_plan(content, "p.yml", FACTS).warnings

    assert warning.startswith("p.yml:4:1: ")
    with pytest.raises(InvalidPipelineError, match=r"^p\.yml:4:1: "):
        to_plan(content, "p.yml", FACTS, strict=True)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"a: [", b"- - -", b"\x00", b"3"], ids=repr)
def test_whatever_is_no_pipeline_is_refused_with_its_place(content: bytes) -> None:
    with pytest.raises(InvalidPipelineError, match=r"(?m)^p\.yml:\d+:\d+: "):
        to_plan(content, "p.yml", FACTS)
