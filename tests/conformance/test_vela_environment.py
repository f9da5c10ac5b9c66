"""The forms of Vela's environment, as data."""

import json
from pathlib import Path
from typing import Any

import pytest

from runner.errors import InvalidPipelineError
from tests.support.pipelines import step_of, variables_of

DATA = Path(__file__).parent / "data" / "vela_substitution.json"
CASES = json.loads(DATA.read_text(encoding="utf-8"))["environment_forms"]["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_an_environment_gives_the_variables_that_vela_gives(case: dict[str, Any]) -> None:
    if case["expected"] == "error":
        with pytest.raises(InvalidPipelineError):
            step_of(case["step"])
    else:
        assert variables_of(step_of(case["step"])) == case["expected"]
