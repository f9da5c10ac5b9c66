"""Declared secrets, and those that steps ask for."""

import pytest

from runner.plan.model import SecretUse
from tests.support.pipelines import findings_of, plan_of


def _declare(yaml: str) -> str:
    return f"version: 1\nsecrets: {yaml}\nsteps: [{{name: s, image: i}}]"


def _use(yaml: str, declared: str = "[{name: foo}, {name: bar}]") -> str:
    return f"version: 1\nsecrets: {declared}\nsteps: [{{name: s, image: i, secrets: {yaml}}}]"


def _uses(yaml: str) -> list[tuple[str, str]]:
    plan = plan_of(_use(yaml))
    assert plan.warnings == ()
    return [(use.source, use.target) for use in plan.stages[0].steps[0].secrets]


@pytest.mark.parametrize(
    "yaml",
    [
        "[{name: foo}]",
        "[{name: foo, key: org/repo/foo, engine: native, type: repo, pull: build_start}]",
        "[{name: foo, key: org/foo, engine: vault, type: org, pull: step_start}]",
        "[{name: foo, key: org/team/foo, type: shared}]",
        "[{name: foo, key: org/repo/path/foo}]",
        "[{name: foo, key: org/path/foo, type: org}]",
    ],
)
def test_a_declared_secret_is_known_by_its_name(yaml: str) -> None:
    plan = plan_of(_declare(yaml))

    assert plan.secrets == ("foo",)
    assert plan.warnings == ()


@pytest.mark.parametrize("yaml", ["", "[]"])
def test_a_pipeline_may_declare_no_secret(yaml: str) -> None:
    assert plan_of(_declare(yaml)).secrets == ()


@pytest.mark.parametrize(
    ("yaml", "told"),
    [
        ("[foo]", "'secrets' of the pipeline holds a single value (it must be a list of maps, each with a 'name')"),
        ("{foo: bar}", "'secrets' of the pipeline is a map (it must be a list)"),
        ("[{key: a/b/c}]", "a secret has no 'name' (give it the name that steps use)"),
        ("[{name: a=b}]", "'a=b' cannot be the name of a secret (remove '=' or newline)"),
        ("[{name: a, engine: disk}]", "'engine' of secret 'a' is 'disk' (it must be one of native, vault)"),
        ("[{name: a, type: team}]", "'type' of secret 'a' is 'team' (it must be one of repo, org, shared)"),
        (
            "[{name: a, pull: on_start}]",
            "'pull' of secret 'a' is 'on_start' (did you mean 'step_start'? it must be one of build_start, step_start)",
        ),
    ],
)
def test_a_wrong_declaration_says_what_would_be_right(yaml: str, told: str) -> None:
    (found,) = findings_of(_declare(yaml))

    assert found.split(": ", 1)[1] == told


@pytest.mark.parametrize(
    ("yaml", "form"),
    [
        ("key: org/a", "org/repo/name"),
        ("key: org//a", "org/repo/name"),
        ("key: a, type: org", "org/name"),
        ("key: org/a, type: shared", "org/team/name"),
        ("key: /a, type: org", "org/name"),
    ],
)
def test_a_key_that_no_store_could_have_is_a_warning_since_no_store_is_asked(yaml: str, form: str) -> None:
    plan = plan_of(_declare(f"[{{name: a, {yaml}}}]"))

    (warning,) = plan.warnings
    assert "'key' of secret 'a' is " in warning
    assert warning.endswith(f"(write {form})")
    assert plan.secrets == ("a",)


def test_a_secret_with_an_origin_is_not_one_that_steps_can_ask_for() -> None:
    plan = plan_of(_use("[foo]", declared="[{name: foo, origin: {name: vault, image: i}}]"))

    assert plan.origins[0].name == "vault"
    assert "the secret 'foo' is not declared" in plan.warnings[0]


def test_all_names_are_known_that_the_pipeline_declares_or_asks_for_pruned_or_not() -> None:
    plan = plan_of(
        "version: 1\nsecrets: [{name: a}, {origin: {name: v, image: i, secrets: [b]}}]\n"
        "steps: [{name: s, image: i}, {name: gone, image: i, secrets: [c], ruleset: {branch: nowhere}}]"
    )

    assert plan.secrets == ("a", "c", "b")


def test_an_origin_that_is_null_is_none() -> None:
    assert plan_of(_declare("[{name: foo, origin: }]")).secrets == ("foo",)


def test_a_secret_may_be_asked_for_by_a_variable() -> None:
    plan = plan_of(
        "version: 1\nsecrets: [{name: foo_main}]\nsteps: [{name: s, image: i, secrets: ['foo_${VELA_BUILD_BRANCH}']}]"
    )

    assert plan.warnings == ()
    assert plan.stages[0].steps[0].secrets == (SecretUse(source="foo_main", target="FOO_MAIN"),)


def test_a_secret_that_is_declared_twice_is_a_warning() -> None:
    plan = plan_of(_declare("[{name: foo}, {name: foo}]"))

    assert plan.secrets == ("foo",)
    assert plan.warnings == ("in.yml:2:24: warning: the secret 'foo' is declared twice (remove one)",)


@pytest.mark.parametrize(
    ("yaml", "uses"),
    [
        ("[foo, bar]", [("foo", "FOO"), ("bar", "BAR")]),
        ("foo", [("foo", "FOO")]),
        ("[{source: foo, target: my_token}]", [("foo", "MY_TOKEN")]),
        ("[{source: foo, target: a}, {source: foo, target: b}]", [("foo", "A"), ("foo", "B")]),
        ("[foo, null]", [("foo", "FOO")]),
        ("[]", []),
        ("", []),
    ],
)
def test_a_step_asks_for_secrets_by_name_or_with_a_target(yaml: str, uses: list[tuple[str, str]]) -> None:
    assert _uses(yaml) == uses


@pytest.mark.parametrize("yaml", ["[foo, {source: bar, target: b}]", "[{source: bar, target: b}, foo]"])
def test_names_and_maps_together_are_an_error(yaml: str) -> None:
    (told,) = findings_of(_use(yaml))

    assert told.endswith(
        "'secrets' of step 's' holds names and maps (write {source: NAME, target: NAME} for each, or names only)"
    )


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("[{source: foo}]", "a secret of step 's' has no 'target'"),
        ("[{target: foo}]", "a secret of step 's' has no 'source'"),
        ("[{source: foo, target: a=b}]", "'a=b' in the secrets of step 's' cannot be the name of a variable"),
        ("{source: foo, target: b}", "'secrets' of step 's' is a map"),
        ("[[foo]]", "'secrets' of step 's' holds a list"),
    ],
)
def test_a_use_that_cannot_be_is_an_error(yaml: str, message: str) -> None:
    (told,) = findings_of(_use(yaml))

    assert message in told


def test_a_secret_that_nobody_declares_is_a_warning_with_the_nearest_name() -> None:
    plan = plan_of(_use("[fooo]"))

    assert plan.stages[0].steps[0].secrets == (SecretUse(source="fooo", target="FOOO"),)
    assert plan.warnings == ("in.yml:3:39: warning: the secret 'fooo' is not declared (did you mean 'foo'?)",)


def test_a_secret_where_none_is_declared_says_what_would_be_right() -> None:
    (warning,) = plan_of(_use("[foo]", declared="[]")).warnings

    assert warning.endswith("(declare it under 'secrets' at the top)")


def test_an_unknown_key_of_a_secret_is_a_warning() -> None:
    (warning,) = plan_of(_declare("[{name: foo, typ: repo}]")).warnings

    assert warning.endswith("secret 'foo' has no key 'typ' (did you mean 'type'?)")
