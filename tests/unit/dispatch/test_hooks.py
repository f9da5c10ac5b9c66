"""The hook behind async stages: made when it is first needed, opened by its token alone."""

import json
import secrets
from collections.abc import Callable

import pytest

from runner.dispatch.hooks import HEADER, SECRET, Hooks
from runner.dispatch.requests import Definition, Hook
from runner.dispatch.service import Service
from runner.errors import DeniedError, NotFoundError, UsageError
from runner.pipelinectl.payload import LONGEST, Payload
from tests.support.daemons import Daemon, commit
from tests.support.repositories import Repository

SHOP = "org/shop"
PIPELINE = json.dumps(
    {
        "version": "1",
        "metadata": {"clone": False},
        "stages": {
            "build": {"steps": [{"name": "a", "image": "i", "commands": ["x"]}]},
            "check": {"async": True, "steps": [{"name": "b", "image": "i", "commands": ["x"]}]},
        },
    }
)
BODY = Payload(stage="check", values={"region": "eu"}).document().encode()


@pytest.fixture
def service(idle: Daemon, repository: Repository) -> Service:
    """A daemon that knows a pipeline with an async stage."""
    commit(repository, PIPELINE)
    idle.service.register(SHOP, Definition(repository=str(repository.root)))
    return idle.service


@pytest.fixture
def hooks(service: Service) -> Hooks:
    return service._hooks


@pytest.fixture
def token(hooks: Hooks) -> str:
    """The token of the pipeline's hook."""
    hooks.ensure(SHOP)
    return hooks.rotate(SHOP)


def _token(service: Service, pipeline: str = SHOP) -> str:
    return service._registered.secrets(pipeline)[SECRET]


def test_a_hook_has_the_names_that_the_documentation_gives(service: Service, hooks: Hooks) -> None:
    assert service.hooks() == ()

    assert hooks.ensure(SHOP)

    (hook,) = service.hooks(SHOP)
    assert hook == Hook(
        pipeline=SHOP,
        name="Subpipeline Webhook Trigger",
        kind="async",
        path="/hooks/org%2Fshop/async-stage",
        header="x-async-stage-token",
        secret="subpipeline-webhook-token",
        parameters={},
        created=hook.created,
        rotated=None,
    )
    assert hook.created.endswith("+00:00")
    assert service.pipeline(SHOP).secrets == (SECRET,)


def test_it_is_made_once_and_what_is_there_is_left_alone(service: Service, hooks: Hooks) -> None:
    hooks.ensure(SHOP)
    before, token = service.hooks(), _token(service)

    assert not hooks.ensure(SHOP)

    assert (service.hooks(), _token(service)) == (before, token)


def test_a_missing_token_is_set_and_one_that_a_person_has_set_stays(service: Service, hooks: Hooks) -> None:
    service.set_secret(SHOP, SECRET, "chosen by a person")
    hooks.ensure(SHOP)
    assert _token(service) == "chosen by a person"

    service.remove_secret(SHOP, SECRET)
    assert hooks.ensure(SHOP)

    assert len(_token(service)) == 43


def test_the_right_token_alone_opens(service: Service, hooks: Hooks, token: str) -> None:
    guesses = ["", token[:-1], token + "x", token.swapcase(), " " + token, "\xff", "\udc80", SECRET]

    assert hooks.check(SHOP, token)
    assert not [guess for guess in guesses if hooks.check(SHOP, guess)]
    assert not [name for name in ("", "shop", "org", "\0", "org/shop/") if hooks.check(name, token)]


@pytest.mark.parametrize("stored", ["", None])
def test_a_pipeline_without_a_token_admits_nobody(service: Service, hooks: Hooks, stored: str | None) -> None:
    hooks.ensure(SHOP)
    if stored is None:
        service.remove_secret(SHOP, SECRET)
    else:
        service.set_secret(SHOP, SECRET, stored)

    assert not any(hooks.check(SHOP, guess) for guess in ("", "None", SECRET))


def test_a_pipeline_without_a_hook_admits_nobody_although_it_has_the_secret(service: Service, hooks: Hooks) -> None:
    service.set_secret(SHOP, SECRET, "chosen by a person")

    assert not hooks.check(SHOP, "chosen by a person")


def test_every_guess_costs_one_comparison_of_the_same_kind(
    service: Service, hooks: Hooks, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[int, int]] = []
    compare = secrets.compare_digest

    def spy(shown: bytes, known: bytes) -> bool:
        compared.append((len(shown), len(known)))
        return compare(shown, known)

    monkeypatch.setattr(secrets, "compare_digest", spy)
    guesses = [(SHOP, token), (SHOP, ""), (SHOP, "x" * 10_000), ("unknown", token), ("", "")]

    assert [hooks.check(*guess) for guess in guesses] == [True, False, False, False, False]
    assert compared == [(32, 32)] * len(guesses)


def test_a_rotated_token_counts_at_once_and_the_one_before_no_more(service: Service, hooks: Hooks, token: str) -> None:
    chosen = "a-token/of+my=own." * 2

    assert service.rotate_hook(SHOP, chosen) == chosen

    assert (hooks.check(SHOP, chosen), hooks.check(SHOP, token)) == (True, False)
    assert service.hooks(SHOP)[0].rotated is not None
    assert service.rotate_hook(SHOP) not in (token, chosen)


@pytest.mark.parametrize("bad", ["short", "with blanks " * 4, "ü" * 40, "new\nline" * 8, "x" * 257, "\0" * 40])
def test_what_no_header_can_show_or_anybody_could_guess_is_no_token(
    service: Service, hooks: Hooks, token: str, bad: str
) -> None:
    with pytest.raises(UsageError, match="no token of a hook") as caught:
        service.rotate_hook(SHOP, bad)

    assert bad not in caught.value.explained
    assert hooks.check(SHOP, token)


def test_parameters_are_those_of_the_hook(service: Service, hooks: Hooks, token: str) -> None:
    service.set_parameter(SHOP, "region", "eu")
    service.set_parameter(SHOP, "tier", "1")
    service.remove_parameter(SHOP, "tier")

    assert hooks.parameters(SHOP) == service.hooks(SHOP)[0].parameters == {"region": "eu"}
    with pytest.raises(UsageError, match="no file below /config"):
        service.set_parameter(SHOP, "..", "1")


def test_without_a_hook_there_are_no_parameters_and_none_can_be_set(service: Service, hooks: Hooks) -> None:
    assert hooks.parameters(SHOP) == {}
    with pytest.raises(NotFoundError, match=f"pipeline {SHOP} has no hook"):
        service.set_parameter(SHOP, "a", "b")


@pytest.mark.parametrize(
    "ask",
    [
        lambda it: it._hooks.ensure("none"),
        lambda it: it._hooks.parameters("none"),
        lambda it: it.hooks("none"),
        lambda it: it.rotate_hook("none"),
        lambda it: it.set_parameter("none", "a", "1"),
        lambda it: it.remove_parameter("none", "a"),
    ],
)
def test_a_pipeline_that_is_not_registered_is_named(service: Service, ask: Callable[[Service], object]) -> None:
    with pytest.raises(NotFoundError, match="there is no pipeline 'none'"):
        ask(service)


def test_with_the_token_and_a_payload_a_run_of_the_stage_is_stored(idle: Daemon, service: Service, token: str) -> None:
    found = service.trigger(SHOP, token, BODY)

    summary = service.summary(found.id)
    assert (summary.pipeline, summary.child, summary.parent, summary.status) == (SHOP, "check", "", "pending")
    assert [stage.name for stage in service.plan(found.id).stages] == ["check"]
    assert json.loads(idle.house.means.order(found.id).inputs.payload)["env"] == {"region": "eu"}


@pytest.mark.parametrize("shown", ["", "guess"])
def test_without_it_nothing_is_stored_whatever_the_payload(service: Service, token: str, shown: str) -> None:
    for body in (BODY, b"", b"{"):
        with pytest.raises(DeniedError, match="this needs the token of a hook"):
            service.trigger(SHOP, shown, body)

    assert service.runs() == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the payload is not JSON"),
        (b"[]", "the payload is no JSON object"),
        (b'{"version": 2, "stage": "check"}', "of version 2"),
        (b'{"version": 1, "stage": "Check"}', "no name of an async stage"),
        (b'{"version": 1, "stage": "check", "env": {"a": 1}}', "env.a is no text"),
        (b'{"version": 1, "stage": "build"}', "there is no async stage 'build'"),
        (b" " * (LONGEST + 1), "at most 16 MiB"),
    ],
)
def test_what_is_no_payload_is_refused_with_the_reason(service: Service, token: str, body: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        service.trigger(SHOP, token, body)

    assert service.runs() == []


def test_the_header_is_one_that_every_client_can_send() -> None:
    assert HEADER.isascii()
    assert HEADER.lower() == HEADER
