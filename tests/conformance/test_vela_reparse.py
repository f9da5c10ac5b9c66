"""Vela's substitution as data, through whole pipelines: a step is what Vela compiles it to and starts.

Vela writes a step out as YAML, substitutes in that text and reads it again. Where that is an accident the sane answer
counts: a value stays the text that it is.
"""

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.dialects.text import to_plan
from runner.dialects.vela import defaults
from runner.errors import InvalidPipelineError
from runner.plan import substitution
from runner.plan.model import Step
from runner.plan.trigger import Trigger
from tests.support.pipelines import PUSH, step_of, variables_of

DATA = Path(__file__).parent / "data" / "vela_substitution.json"
SECTIONS = json.loads(DATA.read_text(encoding="utf-8"))


def _cases(section: str) -> list[Any]:
    """The cases of a section; where Vela's answer is an accident, with the sane one."""
    cases = SECTIONS[section]["cases"]
    return [pytest.param(case | {"expected": case.get("sane", case["expected"])}, id=case["id"]) for case in cases]


def _step(written: dict[str, Any]) -> Step:
    """Compile a pipeline of one step."""
    text = yaml.safe_dump({"version": "1", "steps": [{"name": "s", "image": "i", **written}]})
    return to_plan(text.encode(), "in.yml", Trigger(facts=PUSH), dialect="vela").stages[0].steps[0]


@pytest.mark.parametrize("case", _cases("compile_substitution"))
def test_a_command_of_a_step_is_what_vela_compiles_it_to(case: dict[str, Any]) -> None:
    written = {"commands": [case["command"]], "environment": case["environment"]}
    if case["expected"] == "error":
        with pytest.raises(InvalidPipelineError):
            _step(written)
    else:
        assert _step(written).commands == (case["expected"],)


@pytest.mark.parametrize("case", _cases("compile_substitution"))
def test_variables_that_are_given_are_put_into_commands_as_those_of_the_file_are(case: dict[str, Any]) -> None:
    yaml_ = f"commands:\n{textwrap.indent(yaml.safe_dump([case['command']]), '  ')}"
    trigger = Trigger(facts=PUSH, environment=case["environment"])
    if case["expected"] == "error":
        with pytest.raises(InvalidPipelineError):
            step_of(yaml_, trigger)
    else:
        assert step_of(yaml_, trigger).commands == (case["expected"],)


@pytest.mark.parametrize("case", _cases("compile_substitution_reparse"))
def test_a_step_is_what_vela_reads_after_the_substitution(case: dict[str, Any]) -> None:
    written = yaml.safe_load(case["step"])
    environment = written.get("environment", {}) | case["environment"]
    step = _step(written | {"environment": environment})

    expected = case["expected"]
    parameters = {f"PARAMETER_{name.upper()}": value for name, value in expected.get("parameters", {}).items()}
    variables = variables_of(step)
    assert variables == environment | expected.get("environment", {}) | parameters
    assert step.commands == tuple(expected.get("commands", ["echo hi"]))


@pytest.mark.parametrize("case", _cases("runtime_substitution"))
def test_what_vela_leaves_for_the_start_of_a_step_is_put_in_then(case: dict[str, Any]) -> None:
    written = {"image": _twice(case["image"]), "environment": {n: _twice(v) for n, v in case["environment"].items()}}

    step = _step(written)

    assert step.late
    environment = {name: value for name, value in step.environment.items() if name not in defaults.OWN}
    started = {name: substitution.late(value, environment) for name, value in environment.items()}
    assert {"image": substitution.late(step.image, environment), "environment": started} == case["expected"]


def _twice(text: str) -> str:
    """What must be written so that compiling leaves that text."""
    return text.replace("$", "$$")


def test_no_case_is_lost() -> None:
    sections = ("compile_substitution", "compile_substitution_reparse", "runtime_substitution")

    assert [len(_cases(name)) for name in sections] == [31, 4, 4]
