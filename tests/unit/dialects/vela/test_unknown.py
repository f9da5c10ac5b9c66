"""Keys that cannot be used yet, or that nobody knows."""

import pytest

from runner.dialects.definitions import Kind
from runner.dialects.source import Findings, load
from runner.dialects.source import Mapping as MappingNode
from runner.dialects.vela import keys
from runner.dialects.vela.unknown import check_keys, check_top_level
from tests.support.pipelines import findings_of, plan_of, step_warnings


def _tell(text: str, kind: Kind = keys.STEP) -> list[str]:
    findings = Findings()
    root = load(text.encode(), "f.yml", findings)
    assert isinstance(root, MappingNode)
    check_keys(root, kind, "a step", findings)
    return [str(finding) for finding in findings.items]


def _tell_top_level(text: str) -> list[str]:
    findings = Findings()
    root = load(text.encode(), "f.yml", findings)
    assert isinstance(root, MappingNode)
    check_top_level(root, keys.PIPELINE, findings)
    return [str(finding) for finding in findings.items]


@pytest.mark.parametrize("value", ["", "[]", "{}", "''", "false", "no", "null", "~"])
@pytest.mark.parametrize("key", ["template", "fork", "async"])
def test_a_key_that_asks_for_nothing_is_let_pass(key: str, value: str) -> None:
    assert _tell(f"{key}: {value}") == []


@pytest.mark.parametrize("value", ["true", "0", "x", "[a]", "{a: b}", "'false'"])
def test_a_key_that_asks_for_something_is_refused_with_what_to_do(value: str) -> None:
    (told,) = _tell(f"template: {value}")

    assert told.startswith("f.yml:1:1: 'template' in a step is not supported yet (no template is fetched")


@pytest.mark.parametrize("key", ["fork", "fork_limit", "join", "evaluate", "async"])
@pytest.mark.parametrize("kind", [keys.STEP, keys.PIPELINE], ids=lambda kind: kind.name)
def test_what_only_a_stage_can_have_is_refused_elsewhere(kind: Kind, key: str) -> None:
    (told,) = _tell(f"{key}: [a]", kind)

    assert told == (
        f"f.yml:1:1: {key!r} in a step means nothing: it is for a stage "
        "(write it beside the 'steps' of a stage; a pipeline of plain steps has none)"
    )


def test_a_service_with_a_key_of_stages_is_only_warned_of() -> None:
    (told,) = _tell("join: a", keys.SERVICE)

    assert told.startswith("f.yml:1:1: warning: a step has no key 'join'")


def test_a_key_of_another_kind_is_none_of_this_one() -> None:
    assert _tell("name: a\nneeds: [b]", keys.STEP) != []
    assert _tell("name: a\nneeds: [b]", keys.STAGE) == []


def test_an_unknown_key_is_a_warning_with_the_nearest_one() -> None:
    assert step_warnings("comands: [ls]") == [
        (
            "in.yml:5:5: warning: step 's' has no key 'comands'"
            " (did you mean 'commands'? as it stands, the image's own command runs)"
        )
    ]


def test_an_unknown_key_that_is_near_to_none_says_what_happens() -> None:
    assert step_warnings("zzz: 1") == ["in.yml:5:5: warning: step 's' has no key 'zzz' (it is ignored)"]


def test_what_stands_beside_empty_parameters_was_meant_to_stand_in_them() -> None:
    (told,) = step_warnings("parameters:\nregistry: ghcr.io")

    assert told.endswith("step 's' has no key 'registry' (does it belong under 'parameters', which is empty?)")


@pytest.mark.parametrize("text", ["parameters: {a: b}\nzzz: 1", "zzz: 1", "parameters: {}\nzzz: 1"])
def test_what_stands_beside_other_parameters_is_a_slip_like_any_other(text: str) -> None:
    (told,) = _tell(text)

    assert told.endswith("(it is ignored)")


def test_a_map_that_never_has_parameters_knows_no_such_hint() -> None:
    told = _tell("parameters:\nzzz: 1", keys.STAGE)

    assert [line for line in told if "which is empty" in line] == []


def test_an_unknown_key_is_an_error_when_strict() -> None:
    text = "version: 1\nsteps: [{name: s, image: i, zzz: 1}]"

    assert findings_of(text, strict=True) == ["in.yml:2:29: step 's' has no key 'zzz' (it is ignored)"]


@pytest.mark.parametrize("key", ["x-mine", ".hidden"])
def test_keys_of_the_users_own_are_silent(key: str) -> None:
    assert _tell(f"{key}: 1") == []
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

    assert told.startswith("f.yml:1:1: warning: a pipeline has no key ")
    assert told.endswith(f"({hint})")


def test_an_anchor_in_a_known_key_does_not_hide_a_refusal() -> None:
    (told,) = _tell_top_level("templates: &t [{name: a}]\nsteps: *t")

    assert "'templates' in a pipeline is not supported yet" in told


def test_a_step_that_several_aliases_stand_for_is_told_of_once() -> None:
    text = "version: 1\nstages:\n  a: {steps: &s [{name: a, image: i, zzz: 1}]}\n  b: {steps: *s}\n  c: {steps: *s}"

    assert findings_of(text, strict=True) == ["in.yml:3:38: step 'a' has no key 'zzz' (it is ignored)"]


@pytest.mark.parametrize(
    ("key", "meant"),
    [("script", "commands"), ("depends_on", "needs"), ("when", "ruleset"), ("variables", "environment")],
)
def test_a_key_of_another_system_is_told_by_its_name_here(key: str, meant: str) -> None:
    stage = f"version: 1\nstages: {{a: {{{key}: [x], steps: [{{name: s, image: i, commands: [x], {key}: [x]}}]}}}}"

    assert any(f"did you mean {meant!r}?" in warning for warning in plan_of(stage).warnings)


def test_a_slip_in_commands_says_what_runs_instead() -> None:
    (warning,) = step_warnings("comands: [ls]")

    assert warning.endswith("(did you mean 'commands'? as it stands, the image's own command runs)")
