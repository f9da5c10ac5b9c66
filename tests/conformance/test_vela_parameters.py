"""Vela's parameters, as data: what becomes of the ``parameters`` of a step, through the function that reads them."""

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from runner.dialects.source import Findings, Mapping, load
from runner.dialects.vela import keys
from runner.dialects.vela.fields import Fields
from runner.dialects.vela.parameters import read_parameters

DATA = Path(__file__).parent / "data" / "vela_substitution.json"
CASES = json.loads(DATA.read_text(encoding="utf-8"))["parameters"]["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_parameters_become_the_variables_that_vela_makes(case: dict[str, Any]) -> None:
    findings = Findings()
    text = "parameters:\n" + textwrap.indent(case["parameters"], "  ")
    root = load(text.encode(), "in.yml", findings)
    assert isinstance(root, Mapping)

    assert read_parameters(Fields(root, "step 's'", findings, keys.STEP)) == case["expected"]
    assert findings.items == ()


def test_no_case_is_lost() -> None:
    assert len(CASES) == 18
