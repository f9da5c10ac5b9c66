"""Vela's substitution and outputs files, as data: each text through the function that its caller calls."""

import json
from pathlib import Path
from typing import Any

import pytest

from runner.engine.envfile import BadLineError, parse
from runner.plan.substitution import BadTemplateError, early, late

DATA = Path(__file__).parent / "data" / "vela_substitution.json"
SECTIONS = json.loads(DATA.read_text(encoding="utf-8"))


def _cases(section: str) -> list[Any]:
    """The cases of a section; where Vela's answer is an accident, with the sane one."""
    cases = SECTIONS[section]["cases"]
    return [pytest.param(case | {"expected": case.get("sane", case["expected"])}, id=case["id"]) for case in cases]


@pytest.mark.parametrize("case", _cases("compile_substitution"))
def test_a_command_is_what_vela_compiles_it_to(case: dict[str, Any]) -> None:
    if case["expected"] == "error":
        with pytest.raises(BadTemplateError):
            early(case["command"], case["environment"])
    else:
        assert early(case["command"], case["environment"]) == case["expected"]


@pytest.mark.parametrize("case", _cases("runtime_substitution"))
def test_image_and_environment_are_what_vela_starts_a_step_with(case: dict[str, Any]) -> None:
    given = case["environment"]
    environment = {name: late(value, given) for name, value in given.items()}
    assert {"image": late(case["image"], given), "environment": environment} == case["expected"]


@pytest.mark.parametrize("case", _cases("outputs_files"))
def test_an_outputs_file_holds_what_vela_reads_from_it(case: dict[str, Any]) -> None:
    if case["expected"] == "error":
        with pytest.raises(BadLineError):
            parse(case["file"], keep_empty=False)
    else:
        assert parse(case["file"], keep_empty=False) == case["expected"]


def test_no_case_is_lost() -> None:
    assert [len(_cases(name)) for name in ("compile_substitution", "runtime_substitution", "outputs_files")] == [
        31,
        4,
        12,
    ]
