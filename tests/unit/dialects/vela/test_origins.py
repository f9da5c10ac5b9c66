"""The plugins that fetch secrets."""

import pytest

from runner.plan import substitution
from runner.plan.model import PullPolicy, Rules, Ruleset, SecretUse, Step
from runner.plan.trigger import Commit, Trigger
from tests.support.pipelines import PUSH, findings_of, plan_of, variables_of


def _with(origin: str, top: str = "") -> str:
    return f"version: 1\n{top}\nsecrets: [{{name: token}}, {{origin: {origin}}}]\nsteps: [{{name: s, image: i}}]"


def _origin(keys: str, top: str = "", why: Trigger = Trigger(facts=PUSH)) -> Step:  # noqa: B008 - it is frozen
    plan = plan_of(_with(f"{{name: vault, image: target/secret-vault, {keys}}}", top), why)
    assert plan.warnings == ()
    return plan.origins[0]


def test_every_key_of_an_origin_reaches_the_plan() -> None:
    origin = _origin("""
        pull: always, environment: {A: 1}, parameters: {addr: vault.example.com, items: [{path: docker}]},
        secrets: [{source: token, target: vault_token}], ruleset: {event: push}, id_request: yes
    """)

    assert origin == Step(
        name="vault",
        image="target/secret-vault",
        pull=PullPolicy.ALWAYS,
        environment=origin.environment,
        secrets=(SecretUse(source="token", target="VAULT_TOKEN"),),
        ruleset=Ruleset(if_=Rules(event=("push",))),
    )
    assert variables_of(origin) == {
        "A": "1",
        "PARAMETER_ADDR": "vault.example.com",
        "PARAMETER_ITEMS": '[{"path":"docker"}]',
    }


def test_origins_keep_the_order_of_the_file_and_are_no_secrets() -> None:
    plan = plan_of("""
        version: 1
        secrets: [{origin: {name: b, image: i}}, {name: token}, {origin: {name: a, image: i}}]
        steps: [{name: s, image: i}]
    """)

    assert [origin.name for origin in plan.origins] == ["b", "a"]
    assert plan.secrets == ("token",)


def test_an_origin_is_told_who_it_is() -> None:
    environment = _origin("").environment

    assert (environment["VELA_STEP_NAME"], environment["VELA_STEP_STAGE"]) == ("vault", "")


def test_variables_of_an_origin_are_put_in_when_it_starts() -> None:
    origin = _origin("parameters: {branch: '${VELA_BUILD_BRANCH}', later: '$${OUT}'}")

    assert variables_of(origin) == {"PARAMETER_BRANCH": "${VELA_BUILD_BRANCH}", "PARAMETER_LATER": "$${OUT}"}
    assert origin.late
    assert not _origin("parameters: {branch: main}").late


def test_what_is_given_reaches_an_origin_as_it_is() -> None:
    trigger = Trigger(facts=PUSH, environment={"TOKEN": "a${b}$$"}, commit=Commit(message="${x}"))
    origin = _origin("environment: {A: '${VELA_BUILD_MESSAGE}'}", why=trigger)

    assert substitution.late(origin.environment["TOKEN"], {"b": "B"}) == "a${b}$$"


def test_a_substitution_that_could_not_be_made_at_the_start_is_an_error_now() -> None:
    told = findings_of(_with("{name: v, image: 'i:${A[0]}', environment: {B: '${B[0]}'}, parameters: {c: '${C[0]}'}}"))

    assert [line.split(": ")[1] for line in told] == ["'image' of plugin 'v'", "variable B", "variable PARAMETER_C"]


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        ("{image: i}", "a plugin has no 'name' (each needs a name of its own)"),
        ("{name: v}", "plugin 'v' has no 'image' (name the image of the plugin)"),
        ("[v]", "'origin' of a secret is a list (it must be a map)"),
        ("v", "'origin' of a secret is a single value (it must be a map)"),
        ("{name: '@secrets', image: i}", "nothing can be named '@secrets' (choose another name)"),
        ("{name: v, image: i, secrets: {a: b}}", "'secrets' of plugin 'v' is a map (it must be a list)"),
    ],
)
def test_an_origin_that_cannot_be_says_what_would_be_right(origin: str, told: str) -> None:
    (found,) = findings_of(_with(origin))

    assert found.split(": ", 1)[1] == told


def test_an_unknown_key_of_an_origin_is_a_warning() -> None:
    (warning,) = plan_of(_with("{name: v, image: i, commands: [a]}")).warnings

    assert "plugin 'v' has no key 'commands'" in warning


def test_a_secret_that_an_origin_asks_for_must_be_declared() -> None:
    (warning,) = plan_of(_with("{name: v, image: i, secrets: [tokn]}")).warnings

    assert "the secret 'tokn' is not declared (did you mean 'token'?)" in warning


def test_an_expression_of_an_origin_sees_its_variables() -> None:
    plan = plan_of(_with("{name: v, image: i, environment: {A: 1}, ruleset: {eval: \"A == '2'\"}}"))

    assert plan.origins == ()
