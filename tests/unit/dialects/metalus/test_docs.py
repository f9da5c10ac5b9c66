"""What ``docs/metalus.md`` says."""

import re
from pathlib import Path
from typing import Final

import pytest

from runner.dialects.definitions import Key, Kind, Standing
from runner.dialects.metalus.keys import APPLICATION, EXECUTION, PIPELINE, STEP
from runner.plan.forks import MOST_BRANCHES
from tests.support.metalus import plan_of

PAGE: Final = (Path(__file__).parents[4] / "docs" / "metalus.md").read_text(encoding="utf-8")


def _example() -> str:
    (found,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_example_runs_and_there_is_nothing_to_say_about_it() -> None:
    plan = plan_of(_example(), dialect="")

    assert plan.dialect == "metalus"
    assert [stage.name for stage in plan.stages] == ["ROOT", "EACH", "ALL"]
    assert plan.warnings == ()


def _works(key: Key) -> bool:
    return key.standing is Standing.WORKS and not key.about.startswith("For people")


@pytest.mark.parametrize("kind", [APPLICATION, EXECUTION, PIPELINE, STEP], ids=lambda kind: kind.name)
def test_every_key_that_works_is_explained(kind: Kind) -> None:
    told = {word for words in re.findall(r"`([^`\n]+)`", PAGE) for word in words.split()}

    assert [key.name for key in kind.keys if _works(key) and key.name not in {*told, "type"}] == []


def test_the_number_of_branches_is_the_one_that_counts() -> None:
    assert f"at most {MOST_BRANCHES:,} values" in PAGE
