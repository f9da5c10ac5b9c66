"""The schema of applications for editors, held against the loader."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft7Validator

from runner.dialects.definitions import Key, Kind, Standing
from runner.dialects.detect import Dialect
from runner.dialects.metalus.keys import APPLICATION, EXECUTION, PIPELINE, STEP
from runner.dialects.schema import schema_of
from tests.support.golden import cases
from tests.support.metalus import WORK, executions, step_text

SCHEMA: Final[dict[str, Any]] = json.loads(json.dumps(schema_of("metalus")))
VALIDATOR: Final = Draft7Validator(SCHEMA)
DATA: Final = Path(__file__).parents[3] / "conformance" / "data" / "metalus.yaml"
RIGHT: Final = [case for case in cases(Dialect.METALUS) if (case / "plan.json").exists()]


def _is_wrong(text: str) -> bool:
    return not VALIDATOR.is_valid(yaml.safe_load(text))


def test_the_schema_is_one_of_draft_7_and_says_something_of_every_key() -> None:
    Draft7Validator.check_schema(SCHEMA)

    kinds = SCHEMA["definitions"].values()
    assert all(schema.get("description") for kind in kinds for schema in kind["properties"].values())
    assert {"application", "execution", "pipeline", "step"} <= SCHEMA["definitions"].keys()


@pytest.mark.parametrize("case", RIGHT, ids=lambda case: case.name)
def test_what_the_loader_takes_the_schema_takes(case: Path) -> None:
    assert not _is_wrong((case / "in.yml").read_text(encoding="utf-8"))


def test_the_schema_takes_the_applications_of_all_cases() -> None:
    found = yaml.safe_load(DATA.read_text(encoding="utf-8"))["cases"]

    assert len(RIGHT) >= 4
    assert [case["id"] for case in found if not VALIDATOR.is_valid(case["application"])] == []


@pytest.mark.parametrize(
    "text",
    [
        executions("{id: 0, parents: [], forkByValue: [1], globals: {a: [1]}, mergeGlobals: yes}"),
        executions("{id: A, forkByValues: '!x', forkLimit: 4, joinOn: always, executionType: join}"),
        executions("{id: A, pipelineParameters: {w: {a: 1}}}", "x-own: 1\nstepPackages: [a]\n"),
        step_text("image: i\ncommands: make\nenvironment: {A: 1, B: [1], C: {d: e}}\nnextStepId:"),
        step_text("image: '!x || y'\nsecrets: [a, {source: a, target: b}]\nlimits: {cpus: 1}\ntags: {a: b}"),
        f"application: {{executions: [{{id: A}}], pipelines: [{WORK}]}}",
    ],
)
def test_what_may_stand_there_is_not_underlined(text: str) -> None:
    assert not _is_wrong(text)


@pytest.mark.parametrize(
    "text",
    [
        "pipelines: []",
        "executions: {A: {}}",
        executions("{parents: []}"),
        executions("{id: A, parents: B}"),
        executions("{id: A, executionType: Fork}"),
        executions("{id: A, forkByValue: {a: b}}"),
        executions("{id: A, forkLimit: '0'}"),
        executions("{id: A, parent: []}"),
        executions("{id: A}", "colour: red\n"),
        executions("{id: A, pipelines: [{id: p}]}"),
        step_text("commands: [a]"),
        step_text("image: i\nenvironment: [A=b]"),
        step_text("image: i\nnextStepId: t"),
        step_text("image: i\ntype: fork"),
        "application: {executions: [{id: A}], colour: red}",
    ],
)
def test_what_is_wrong_is_underlined(text: str) -> None:
    assert _is_wrong(text)


@pytest.mark.parametrize("kind", [APPLICATION, EXECUTION, PIPELINE, STEP], ids=lambda kind: kind.name)
def test_keys_that_do_not_work_say_so_to_people(kind: Kind) -> None:
    def said(key: Key) -> bool:
        return "Means something to Metalus only" in key.about or ("refused" in key.about and key.instead in key.about)

    assert [key.name for key in kind.keys if said(key) is (key.standing is Standing.WORKS)] == []
