"""The schema for editors, held against the loader that it is made beside."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from runner.dialects.definitions import Form, Key, Kind, Standing
from runner.dialects.detect import Dialect
from runner.dialects.schema import schema_of, to_schema
from runner.dialects.text import examine
from runner.dialects.vela.keys import PIPELINE
from runner.errors import UsageError
from runner.plan.trigger import Trigger
from tests.support.golden import cases
from tests.support.pipelines import PUSH

SAMPLES = Path(__file__).parents[2] / "samples"
SCHEMA: dict[str, Any] = json.loads(json.dumps(to_schema("A pipeline", PIPELINE)))
VALIDATOR = Draft7Validator(SCHEMA)


def _wrong(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(text))]


def _with_step(keys: str) -> str:
    return f"version: '1'\nsteps: [{{name: s, image: i, {keys}}}]"


def _right(files: list[Path]) -> Iterator[Path]:
    """The files that the loader takes without a word about keys that nobody knows."""
    for file in files:
        examined = examine(file.read_bytes(), file.name, Trigger(facts=PUSH))
        if examined.plan is not None and not any("has no key" in finding.message for finding in examined.findings):
            yield file


RIGHT = list(_right([*(case / "in.yml" for case in cases(Dialect.VELA)), *SAMPLES.glob("*/.vela.yml")]))


def test_the_schema_is_one_of_draft_7() -> None:
    Draft7Validator.check_schema(SCHEMA)

    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert SCHEMA["title"] == "A pipeline"


@pytest.mark.parametrize("file", RIGHT, ids=lambda file: file.parent.name)
def test_what_the_loader_takes_the_schema_takes(file: Path) -> None:
    assert _wrong(file.read_text(encoding="utf-8")) == []


def test_enough_files_are_held_against_it() -> None:
    assert len(RIGHT) >= 14


@pytest.mark.parametrize(
    "keys",
    [
        "comands: [ls]",
        "commands: {a: b}",
        "commands: ['a', {echo foo: bar}]",
        "image: [i]",
        "image: ''",
        "pull: sometimes",
        "detach: maybe",
        "environment: [NOVALUE]",
        "environment: {A: [1]}",
        "secrets: [{source: a}]",
        "secrets: {a: b}",
        "ruleset: push",
        "ruleset: {branches: main}",
        "ruleset: {if: {continue: true}}",
        "ruleset: {operator: xor}",
        "timeout: 5 minutes",
        "retry: often",
        "limits: {memory: lots}",
        "limits: {cpus: many}",
        "ulimits: [{name: nofile}]",
        "ulimits: {name: nofile, soft: 1}",
        "volumes: [{source: /a, access_mode: rx}]",
        "cache: [{paths: [a]}]",
        "artifacts: [a]",
        "parameters: [a]",
        "template: {name: t}",
        "async: true",
    ],
)
def test_a_typical_mistake_in_a_step_is_underlined(keys: str) -> None:
    assert _wrong(_with_step(keys)) != []


@pytest.mark.parametrize(
    "text",
    [
        "steps: []",
        "version: '1'",
        "version: ''\nsteps: []",
        "version: '1'\nsteps: []\nstages: {}",
        "version: '1'\nsteps: {a: {image: i}}",
        "version: '1'\nsteps: [{name: s}]",
        "version: '1'\nsteps: [{image: i}]",
        "version: '1'\nsteps: [text]",
        "version: '1'\nstages: [{name: a}]",
        "version: '1'\nstages: {a: {needs: {b: c}, steps: []}}",
        "version: '1'\nstages: {a: {workspace: mine, steps: []}}",
        "version: '1'\nsteps: []\nservices: [{name: d, image: i, commands: [ls]}]",
        "version: '1'\nsteps: []\nservices: [{name: d, image: i, ready: {}}]",
        "version: '1'\nsteps: []\nservices: [{name: d, image: i, ready: {command: a, port: 1}}]",
        "version: '1'\nsteps: []\nsecrets: [{name: a, engine: disk}]",
        "version: '1'\nsteps: []\nsecrets: [{origin: {name: a}}]",
        "version: '1'\nsteps: []\ntemplates: [{name: t}]",
        "version: '1'\nsteps: []\nmetadata: {render_inline: true}",
        "version: '1'\nsteps: []\ndeployment: {parameters: {a: {min: few}}}",
    ],
)
def test_a_typical_mistake_in_a_pipeline_is_underlined(text: str) -> None:
    assert _wrong(text) != []


@pytest.mark.parametrize(
    "keys",
    [
        "timeout: 90s",
        "timeout: 5",
        "timeout: 1h30m",
        "retry: 0",
        "pull: true",
        "pull: 'false'",
        "detach: yes",
        "environment: A=1",
        "secrets: a",
        "secrets: [{source: a, target: b}]",
        "ruleset: {eval: \"A == 'b'\", continue: true, unless: {status: failure}}",
        "limits: {cpus: 1.5, memory: 512m, pids: 10}",
        "ulimits: ['nofile=1:2', {name: core, soft: 0}]",
        "volumes: /a",
        "cache: [{key: a, paths: b}]",
        "parameters: {a: [1, {b: c}]}",
        "git: {token: {repositories: [a]}}",
        "template: ~",
        "template: false",
        "x-mine: [1]",
        "timeout: '${T}'",
        "pull: '${P}'",
        "detach: '${D}'",
        "limits: {memory: '${M}'}",
    ],
)
def test_what_may_stand_in_a_step_is_not_underlined(keys: str) -> None:
    assert _wrong(_with_step(keys)) == []


def test_a_pipeline_may_hold_keys_for_its_anchors() -> None:
    assert _wrong("version: '1'\nsteps: []\nmine: {a: [1]}") == []


def _properties(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind in (schema, *schema["definitions"].values()):
        yield from kind["properties"].items()


def test_every_key_says_what_it_is_for() -> None:
    properties = list(_properties(SCHEMA))

    assert len(properties) > 100
    assert [name for name, schema in properties if not schema.get("description")] == []


def test_every_reference_leads_somewhere_and_every_definition_is_used() -> None:
    text = json.dumps(SCHEMA)

    assert [name for name in SCHEMA["definitions"] if f'"#/definitions/{name}"' not in text] == []
    assert text.count('"$ref"') == sum(text.count(f'"#/definitions/{name}"') for name in SCHEMA["definitions"])


def _schema_of(key: Key) -> Draft7Validator:
    kind = Kind(name="thing", keys=(key,))
    return Draft7Validator(json.loads(json.dumps(to_schema("A thing", kind))))


INSIDE = Kind(name="inside", keys=(Key(name="a", form=Form.TEXT, about="A text."),))


@pytest.mark.parametrize(
    ("form", "right", "wrong"),
    [
        (Form.TEXT, ["a", 1, True, None], [["a"], {"a": "b"}]),
        (Form.FLAG, [True, "yes", "Off", None], ["maybe", 1, ["a"]]),
        (Form.TEXTS, ["a", ["a", 1], None], [{"a": "b"}, [["a"]]]),
        (Form.NAMES, [["a", 1], [], None], ["a", {"a": "b"}, [["a"]]]),
        (Form.VARIABLES, [{"A": 1}, ["A=1"], "A=1", None], ["A", ["A"], {"A": [1]}]),
        (Form.MAP, [{"a": "b"}, {}, None], ["a", ["a"], {"b": "c"}]),
        (Form.LIST, [[{"a": "b"}], [], None], ["a", {"a": "b"}, ["a"]]),
        (Form.ENTRIES, [["a", {"a": "b"}], "a", None], [{"a": "b"}, [["a"]]]),
        (Form.NAMED, [{"x": {"a": "b"}}, None], [{"x": "a"}, ["a"]]),
        (Form.VALUES, [{"x": ["a"]}, None], ["a", ["a"]]),
        (Form.DATA, [["a", {"a": "b"}, 1], [], "!a", None], [{"a": "b"}, 1, True]),
        (Form.ANYTHING, ["a", ["a"], {"a": "b"}, 1, None], []),
    ],
)
def test_each_form_has_a_schema(form: Form, right: list[Any], wrong: list[Any]) -> None:
    validator = _schema_of(Key(name="k", form=form, about="It.", kind=INSIDE))

    assert [value for value in right if not validator.is_valid({"k": value})] == []
    assert [value for value in wrong if validator.is_valid({"k": value})] == []


def test_a_key_that_cannot_be_used_yet_may_only_ask_for_nothing() -> None:
    validator = _schema_of(Key(name="k", form=Form.ANYTHING, about="It.", standing=Standing.LATER))

    nothing: list[Any] = ["", False, None, []]
    something: list[Any] = ["a", True, 0, ["a"], {"a": "b"}]
    assert [value for value in nothing if not validator.is_valid({"k": value})] == []
    assert [value for value in something if validator.is_valid({"k": value})] == []


def test_a_required_key_must_be_there_and_say_something() -> None:
    validator = _schema_of(Key(name="k", form=Form.TEXT, about="It.", required=True))

    missing: list[dict[str, str | None]] = [{}, {"k": ""}, {"k": None}]
    assert not any(validator.is_valid(value) for value in missing)
    assert validator.is_valid({"k": "a"})


def test_a_kind_inside_itself_is_no_trouble() -> None:
    leaf = Kind(name="leaf", keys=(Key(name="a", form=Form.TEXT, about="A text."),))
    keys = tuple(Key(name=name, form=Form.MAP, about="It.", kind=leaf) for name in ("left", "right"))

    schema = to_schema("A root", Kind(name="root", keys=keys))

    assert list(json.loads(json.dumps(schema))["definitions"]) == ["leaf"]


IBM: dict[str, Any] = json.loads(json.dumps(schema_of("ibm")))
IBM_VALIDATOR = Draft7Validator(IBM)
IBM_RIGHT = list(_right([case / "in.yml" for case in cases(Dialect.IBM)]))


def _ibm_wrong(text: str) -> bool:
    return not IBM_VALIDATOR.is_valid(yaml.safe_load(text))


def test_without_a_name_the_schema_is_that_of_velas_pipelines() -> None:
    assert schema_of("") == schema_of("vela")
    assert schema_of("vela")["title"] == "A pipeline of runner, in Vela's format"
    assert schema_of("ibm") != schema_of("vela")


def test_there_is_no_schema_of_a_dialect_that_does_not_exist() -> None:
    with pytest.raises(UsageError, match="'vala'") as caught:
        schema_of("vala")

    assert "vela" in caught.value.hint


def test_the_schema_of_ibms_files_is_one_of_draft_7_and_complete() -> None:
    Draft7Validator.check_schema(IBM)

    text = json.dumps(IBM)
    assert [name for name in IBM["definitions"] if f'"#/definitions/{name}"' not in text] == []
    undescribed = [
        name
        for kind in IBM["definitions"].values()
        for name, schema in kind["properties"].items()
        if not schema.get("description")
    ]
    assert undescribed == []


@pytest.mark.parametrize("file", IBM_RIGHT, ids=lambda file: file.parent.name)
def test_what_the_loader_takes_of_ibms_files_the_schema_takes(file: Path) -> None:
    assert not _ibm_wrong(file.read_text(encoding="utf-8"))


def test_enough_of_ibms_files_are_held_against_it() -> None:
    assert len(IBM_RIGHT) >= 14


@pytest.mark.parametrize(
    "text",
    [
        "version: '1'\nsetup: {script: s}\nmine: {script: s}",
        "version: 1\nfinish:\nmine:",
        "setup: {script: s, dind: 'true', abort_on_failure: false, runAfter: null}",
        "version: 2\ntasks: {code-build: {steps: [{name: setup, when: false}]}}",
        "version: '2'\npreprocessor_version: latest\ntasks:\nfinally: {a: {}}",
    ],
)
def test_what_may_stand_in_ibms_files_is_not_underlined(text: str) -> None:
    assert not _ibm_wrong(text)


@pytest.mark.parametrize(
    "text",
    [
        "setup: text",
        "setup: {skript: s}",
        "mine: {steps: []}",
        "setup: {image_pull_policy: always}",
        "setup: {dind: maybe}",
        "setup: {runAfter: [a]}",
        "version: '3'",
        "tasks: {code-build: {steps: []}}",
        "version: '2'\ntasks: {code-build: {runAfter: a}}",
        "version: '2'\ntasks: {code-build: {steps: [{script: s}]}}",
        "version: '2'\ntasks: {code-build: {steps: [{name: setup, onError: stop}]}}",
        "version: '2'\ntasks: {code-build: {timeout: soon}}",
        "version: '2'\ncolour: red",
    ],
)
def test_what_is_wrong_in_ibms_files_is_underlined(text: str) -> None:
    assert _ibm_wrong(text)
