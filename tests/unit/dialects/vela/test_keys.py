"""The table of keys: every key that it has is read, and in its form."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runner.dialects.definitions import Form, Key, Kind, Standing
from runner.dialects.text import examine
from runner.dialects.vela import keys
from runner.errors import Finding, Severity
from runner.plan.trigger import Trigger
from tests.support.pipelines import PUSH, findings_of, plan_of, step_of

Document = dict[str, Any]

STEP: Document = {"name": "s", "image": "i"}


def _kinds(kind: Kind) -> Iterator[Kind]:
    yield kind
    for key in kind.keys:
        if key.kind is not None:
            yield from _kinds(key.kind)


KINDS = {kind.name: kind for kind in _kinds(keys.PIPELINE)}
KEYS = [(kind, key) for kind in KINDS.values() for key in kind.keys]


def _pipeline(**inside: object) -> Document:
    return {"version": "1", "steps": [STEP], **inside}


def _step(**inside: object) -> Document:
    return _pipeline(steps=[STEP | inside])


def _service(**inside: object) -> Document:
    return _pipeline(services=[STEP | inside])


# For each kind, a whole pipeline with one map of it.
AROUND: dict[str, Callable[[Document], Document]] = {
    "pipeline": lambda inside: inside,
    "metadata": lambda inside: _pipeline(metadata=inside),
    "secret": lambda inside: _pipeline(secrets=[inside]),
    "origin": lambda inside: _pipeline(secrets=[{"origin": inside}]),
    "service": lambda inside: _pipeline(services=[inside]),
    "ready": lambda inside: _service(ready=inside),
    "stage": lambda inside: {"version": "1", "stages": {"a": inside}},
    "step": lambda inside: _pipeline(steps=[inside]),
    "ruleset": lambda inside: _step(ruleset=inside),
    "rules": lambda inside: _step(ruleset={"if": inside}),
    "ulimit": lambda inside: _step(ulimits=[inside]),
    "volume": lambda inside: _step(volumes=[inside]),
    "limits": lambda inside: _step(limits=inside),
    "cache": lambda inside: _step(cache=[inside]),
    "artifacts": lambda inside: _step(artifacts=inside),
    "secret of a step": lambda inside: _step(secrets=[inside]),
    "deployment": lambda inside: _pipeline(deployment=inside),
    "deployment parameter": lambda inside: _pipeline(deployment={"parameters": {"p": inside}}),
}
# What a map of a kind has besides the key that is looked at.
BESIDES: dict[str, Document] = {
    "pipeline": _pipeline(),
    "secret": {"name": "x"},
    "origin": STEP,
    "service": STEP,
    "ready": {},
    "stage": {"steps": [STEP]},
    "step": STEP,
    "ulimit": {"name": "nofile", "soft": 1},
    "volume": {"source": "/a"},
    "cache": {"key": "k", "paths": ["a"]},
    "secret of a step": {"source": "x", "target": "y"},
}
WRONG: dict[Form, Any] = {
    Form.TEXT: ["a"],
    Form.FLAG: "maybe",
    Form.TEXTS: {"a": "b"},
    Form.VARIABLES: [["a"]],
    Form.MAP: ["a"],
    Form.LIST: {"a": "b"},
    Form.ENTRIES: {"a": "b"},
    Form.NAMED: ["a"],
    Form.VALUES: ["a"],
    Form.DATA: {"a": "b"},
}
# Nothing comes of them here, so nothing reads them.
FOR_PEOPLE = {("pipeline", "name"), ("deployment parameter", "description")}
# Vela takes any other word for the default, and so do we, with a warning.
ONLY_WARNED = {(kind, key) for kind in ("ruleset", "rules") for key in ("operator", "matcher")}
# A stage without steps is left out, with a warning.
NOT_MISSED = {("stage", "steps")}

# The keys of vela.md, section 1, and those of the design that are ours.
VELA = {
    "pipeline": "version metadata environment worker secrets services stages steps templates deployment git",
    "stage": "name needs independent environment steps",
    "step": (
        "name image pull commands entrypoint environment parameters secrets ruleset template detach privileged user "
        "ulimits volumes report_as id_request artifacts git"
    ),
    "ruleset": (
        "if unless continue matcher operator branch comment event path repo sender status tag target label instance "
        "eval"
    ),
    "rules": "matcher operator branch comment event path repo sender status tag target label instance eval",
    "service": "name image entrypoint environment ports pull ulimits user ruleset",
    "secret": "name key engine type pull origin",
    "origin": "name image environment parameters secrets pull ruleset id_request",
    "metadata": "template render_inline clone environment auto_cancel",
    "deployment": "targets parameters template",
    "deployment parameter": "description type required options min max",
    "ulimit": "name soft hard",
    "volume": "source destination access_mode",
    "secret of a step": "source target",
    "artifacts": "paths",
}
OURS = {
    "pipeline": "name globals links",
    "stage": "ruleset async timeout retry workspace on_lost fork fork_limit join evaluate",
    "step": "timeout retry working_dir limits shell cache",
    "service": "ready",
    "limits": "cpus memory pids",
    "cache": "key paths",
    "ready": "command port timeout",
}


def _told(kind: Kind, inside: Document) -> tuple[Finding, ...]:
    text = json.dumps(AROUND[kind.name](inside))
    return examine(text.encode(), "in.yml", Trigger(facts=PUSH)).findings


def _errors(kind: Kind, key: Key, value: object) -> list[str]:
    """Compile a pipeline with that value of a key, and return the errors that name the key."""
    told = _told(kind, BESIDES.get(kind.name, {}) | {key.name: value})
    return [f.message for f in told if f.severity is Severity.ERROR and repr(key.name) in f.message]


def _id(value: Kind | Key) -> str:
    return value.name


def _with(test: Callable[[Kind, Key], bool]) -> list[tuple[Kind, Key]]:
    found = [(kind, key) for kind, key in KEYS if test(kind, key)]
    assert found
    return found


def _works(kind: Kind, key: Key) -> bool:
    return key.standing is Standing.WORKS and (kind.name, key.name) not in FOR_PEOPLE


def test_every_kind_has_a_name_of_its_own() -> None:
    for kind in KINDS.values():
        assert [other for other in _kinds(keys.PIPELINE) if other.name == kind.name and other != kind] == []


def test_every_kind_takes_part() -> None:
    assert KINDS.keys() == AROUND.keys()


@pytest.mark.parametrize("kind", KINDS.values(), ids=_id)
def test_no_key_stands_twice_in_a_kind(kind: Kind) -> None:
    assert len(kind.names()) == len(kind.keys)


@pytest.mark.parametrize("kind", KINDS.values(), ids=_id)
def test_the_map_that_the_other_tests_begin_with_is_right(kind: Kind) -> None:
    inside = BESIDES.get(kind.name, {}) | ({"port": 80} if kind.name == "ready" else {})
    told = [finding.message for finding in _told(kind, inside)]

    assert [message for message in told if "is not declared" not in message] == []


@pytest.mark.parametrize("table", [VELA, OURS], ids=["Vela's", "ours"])
def test_every_documented_key_has_a_definition(table: dict[str, str]) -> None:
    for name, documented in table.items():
        assert set(documented.split()) - set(KINDS[name].names()) == set()


@pytest.mark.parametrize(("kind", "key"), _with(_works), ids=_id)
def test_a_value_of_a_wrong_kind_is_an_error_that_names_the_key(kind: Kind, key: Key) -> None:
    assert _errors(kind, key, WRONG[key.form])


@pytest.mark.parametrize(
    ("kind", "key"), _with(lambda kind, key: _works(kind, key) and key.form is not Form.FLAG), ids=_id
)
def test_a_null_is_as_good_as_nothing_at_all(kind: Kind, key: Key) -> None:
    without = {name: value for name, value in BESIDES.get(kind.name, {}).items() if name != key.name}

    assert [f.message for f in _told(kind, without | {key.name: None})] == [f.message for f in _told(kind, without)]


@pytest.mark.parametrize(("kind", "key"), _with(lambda _, key: bool(key.words)), ids=_id)
def test_a_word_that_is_none_of_a_key_is_told(kind: Kind, key: Key) -> None:
    if (kind.name, key.name) in ONLY_WARNED:
        (warning,) = (f for f in _told(kind, {"branch": "main", key.name: "wrong"}) if key.name in f.message)
        assert (warning.severity, "'wrong'" in warning.message) == (Severity.WARNING, True)
    else:
        assert _errors(kind, key, "wrong")


@pytest.mark.parametrize(("kind", "key"), _with(lambda _, key: bool(key.words)), ids=_id)
def test_each_word_of_a_key_can_be_read(kind: Kind, key: Key) -> None:
    for word in key.words:
        assert _errors(kind, key, word) == []


@pytest.mark.parametrize(("kind", "key"), _with(lambda _, key: bool(key.pattern)), ids=_id)
def test_a_text_that_is_no_such_number_is_an_error(kind: Kind, key: Key) -> None:
    told = _told(kind, BESIDES.get(kind.name, {}) | {key.name: "a lot"})

    assert [f for f in told if f.severity is Severity.ERROR]


@pytest.mark.parametrize(
    ("kind", "key"), _with(lambda kind, key: key.required and (kind.name, key.name) not in NOT_MISSED), ids=_id
)
def test_a_required_key_that_is_not_there_is_an_error(kind: Kind, key: Key) -> None:
    inside = {name: value for name, value in BESIDES[kind.name].items() if name != key.name}

    (told,) = (f.message for f in _told(kind, inside) if f.severity is Severity.ERROR)

    assert told.endswith(f"has no {key.name!r}")


@pytest.mark.parametrize(("kind", "key"), _with(lambda _, key: key.standing is Standing.LATER), ids=_id)
def test_a_key_that_cannot_be_used_yet_is_refused_by_name_and_says_what_to_do(kind: Kind, key: Key) -> None:
    (told,) = (f for f in _told(kind, BESIDES.get(kind.name, {}) | {key.name: {"a": "b"}}) if key.name in f.message)

    assert told.message.endswith("is not supported yet")
    assert told.severity is Severity.ERROR
    assert told.hint == key.instead


@pytest.mark.parametrize("value", [True, "x", ["a"], {"a": "b"}])
@pytest.mark.parametrize(("kind", "key"), _with(lambda _, key: key.standing is Standing.SERVER), ids=_id)
def test_what_only_means_something_to_a_vela_server_is_accepted(kind: Kind, key: Key, value: object) -> None:
    assert _told(kind, BESIDES.get(kind.name, {}) | {key.name: value}) == ()


@pytest.mark.parametrize(("kind", "key"), KEYS, ids=_id)
def test_every_key_has_a_line_about_it(kind: Kind, key: Key) -> None:
    assert key.about.endswith(".")
    assert len(key.about) > len("A.")


def test_a_pipeline_of_a_vela_server_is_accepted_whole() -> None:
    plan = plan_of("""
        version: 1
        worker: {flavor: large, platform: docker}
        git: {token: {repositories: [a]}}
        name: mine
        services: [{name: d, image: i, ports: ["8080:80"]}]
        steps: [{name: s, image: i, report_as: test, id_request: yes}]
    """)

    assert plan.warnings == ()


def test_a_step_may_say_that_it_is_not_privileged() -> None:
    assert step_of("privileged: false").privileged is False


def test_a_template_is_refused_with_what_can_be_done() -> None:
    told = findings_of("version: 1\ntemplates: [{name: t}]\nsteps: [{name: s, template: {name: t}}]")

    assert [line.partition(" (")[0] for line in told] == [
        "in.yml:2:1: 'templates' in a pipeline is not supported yet",
        "in.yml:3:19: 'template' in step 's' is not supported yet",
    ]
    assert all("write its steps out" in line for line in told)
