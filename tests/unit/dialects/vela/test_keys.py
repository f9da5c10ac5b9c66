"""Keys that are known, inert, refused or unknown."""

import pytest

from runner.dialects.source import Findings, load
from runner.dialects.source import Mapping as MappingNode
from runner.dialects.vela import keys
from runner.dialects.vela.keys import Keys, check_keys, check_top_level
from tests.support.pipelines import findings_of, plan_of, step_findings, step_of, step_warnings

ALL = [keys.PIPELINE, keys.METADATA, keys.STAGE, keys.STEP, keys.SERVICE, keys.SECRET, keys.STEP_SECRET]


def _tell(text: str, table: Keys) -> list[str]:
    findings = Findings()
    root = load(text.encode(), "f.yml", findings)
    assert isinstance(root, MappingNode)
    check_keys(root, table, "a step", findings)
    return [str(finding) for finding in findings.items]


def _tell_top_level(text: str) -> list[str]:
    findings = Findings()
    root = load(text.encode(), "f.yml", findings)
    assert isinstance(root, MappingNode)
    check_top_level(root, findings)
    return [str(finding) for finding in findings.items]


@pytest.mark.parametrize("table", [*ALL, keys.RULES, keys.RULESET])
def test_no_key_is_of_two_sorts(table: Keys) -> None:
    assert len(table.known | table.inert | table.later) == len(table.known) + len(table.inert) + len(table.later)


@pytest.mark.parametrize(
    "key",
    ["parameters", "template", "artifacts", "ulimits", "volumes", "working_dir", "limits", "shell", "cache", "async"],
)
def test_a_key_of_a_step_that_is_not_there_yet_is_refused_by_name(key: str) -> None:
    assert step_findings(f"{key}: {{a: b}}") == [f"in.yml:5:5: '{key}' in step 's' is not supported yet (remove it)"]


@pytest.mark.parametrize("key", ["ruleset", "async", "workspace", "on_lost", "fork", "fork_limit", "join", "evaluate"])
def test_a_key_of_a_stage_that_is_not_there_yet_is_refused_by_name(key: str) -> None:
    text = f"version: 1\nstages:\n  a:\n    {key}: x\n    steps: [{{name: s, image: i}}]"

    assert findings_of(text) == [f"in.yml:4:5: '{key}' in stage 'a' is not supported yet (remove it)"]


@pytest.mark.parametrize("key", ["templates", "deployment", "globals", "links"])
def test_a_key_of_a_pipeline_that_is_not_there_yet_is_refused_by_name(key: str) -> None:
    text = f"version: 1\n{key}: {{a: b}}\nsteps: [{{name: s, image: i}}]"

    assert findings_of(text) == [f"in.yml:2:1: '{key}' in a pipeline is not supported yet (remove it)"]


@pytest.mark.parametrize("key", ["ready", "ulimits", "volumes"])
def test_a_key_of_a_service_that_is_not_there_yet_is_refused_by_name(key: str) -> None:
    text = f"version: 1\nservices: [{{name: d, image: i, {key}: [x]}}]\nsteps: [{{name: s, image: i}}]"

    assert findings_of(text)[0].endswith(f"'{key}' in service 'd' is not supported yet (remove it)")


@pytest.mark.parametrize("value", ["", "[]", "{}", "''", "false", "no", "null", "~"])
def test_a_key_that_asks_for_nothing_is_let_pass(value: str) -> None:
    assert _tell(f"ulimits: {value}", keys.STEP) == []


@pytest.mark.parametrize("value", ["true", "0", "x", "[a]", "{a: b}", "'false'"])
def test_a_key_that_asks_for_something_is_refused(value: str) -> None:
    assert _tell(f"privileged: {value}", keys.STEP) == [
        "f.yml:1:1: 'privileged' in a step is not supported yet (remove it)"
    ]


@pytest.mark.parametrize(
    "yaml", ["report_as: test", "id_request: yes", "git: {token: {repositories: [a]}}", "privileged: false"]
)
def test_what_only_means_something_to_a_vela_server_is_accepted(yaml: str) -> None:
    assert step_of(yaml).name == "s"


def test_ports_of_a_service_worker_and_git_are_accepted() -> None:
    plan = plan_of("""
        version: 1
        worker: {flavor: large, platform: docker}
        git: {token: {repositories: [a]}}
        name: mine
        services: [{name: d, image: i, ports: ["8080:80"]}]
        steps: [{name: s, image: i}]
    """)

    assert plan.warnings == ()


def test_an_unknown_key_is_a_warning_with_the_nearest_one() -> None:
    assert step_warnings("comands: [ls]") == [
        "in.yml:5:5: warning: step 's' has no key 'comands' (did you mean 'commands'?)"
    ]


def test_an_unknown_key_that_is_near_to_none_says_what_happens() -> None:
    assert step_warnings("zzz: 1") == ["in.yml:5:5: warning: step 's' has no key 'zzz' (it is ignored)"]


def test_an_unknown_key_is_an_error_when_strict() -> None:
    text = "version: 1\nsteps: [{name: s, image: i, zzz: 1}]"

    assert findings_of(text, strict=True) == ["in.yml:2:29: step 's' has no key 'zzz' (it is ignored)"]


@pytest.mark.parametrize("key", ["x-mine", ".hidden"])
def test_keys_of_the_users_own_are_silent(key: str) -> None:
    assert _tell(f"{key}: 1", keys.STEP) == []
    assert _tell_top_level(f"{key}: 1") == []


@pytest.mark.parametrize(
    "text",
    [
        "base: &b {image: i}\nsteps: [*b]",
        "base: &b {image: i}\nsteps: [{<<: *b, name: s}]",
        "anchors: {image: &i alpine, user: &u me}\nsteps: [{image: *i}]",
        "list: [&c ls]\nsteps: [{commands: [*c]}]",
    ],
)
def test_a_top_level_key_that_holds_anchors_in_use_is_silent(text: str) -> None:
    assert _tell_top_level(text) == []


@pytest.mark.parametrize(
    ("text", "hint"),
    [("stepz: []", "did you mean 'steps'?"), ("base: &b {image: i}\nsteps: []", "it is ignored")],
)
def test_another_unknown_top_level_key_is_a_warning(text: str, hint: str) -> None:
    (told,) = _tell_top_level(text)

    assert told.endswith(f"({hint})")


def test_an_anchor_in_a_known_key_does_not_hide_a_refusal() -> None:
    (told,) = _tell_top_level("templates: &t [{name: a}]\nsteps: *t")

    assert "'templates' in a pipeline is not supported yet" in told
