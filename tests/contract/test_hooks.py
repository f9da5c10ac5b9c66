"""Hooks of pipelines, in both databases."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from runner.engine.job import Task
from runner.errors import NotFoundError, StoreError
from runner.store.sealing import Vault
from runner.store.sql.database import Database
from runner.store.sql.hooks import HookRecord, Hooks, new_token
from runner.store.sql.pipelines import Pipelines
from runner.store.sql.tables import HookKind, hooks
from tests.support import databases
from tests.support.databases import KINDS
from tests.support.days import NOW, Day

HOOK, SECRET = "Subpipeline Webhook Trigger", "the-token"
AWKWARD = 'NUL \0, half a pair \udc80, "quotes", é\n'


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with databases.database(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def vault(database: Database, tmp_path: Path) -> Vault:
    return Vault.open(tmp_path / "secret.key", database)


@pytest.fixture
def pipelines(database: Database, vault: Vault) -> Pipelines:
    found = Pipelines(database, vault)
    found.register("app", "{}")
    return found


@pytest.fixture
def clock() -> Day:
    return Day()


@pytest.fixture
def stored(database: Database, vault: Vault, pipelines: Pipelines, clock: Day) -> Hooks:
    return Hooks(database, vault, clock)


def ensure(stored: Hooks, pipeline: str = "app") -> bool:
    return stored.ensure(pipeline, HOOK, HookKind.ASYNC, SECRET)


def test_a_hook_and_its_token_are_made_at_the_first_use_and_not_again(stored: Hooks, clock: Day) -> None:
    assert stored.all("app") == ()

    assert ensure(stored)
    token = stored.token("app", HOOK, SECRET)
    clock.time += timedelta(hours=1)
    assert not ensure(stored)

    assert stored.token("app", HOOK, SECRET) == token
    assert stored.all() == (
        HookRecord(pipeline="app", name=HOOK, kind=HookKind.ASYNC, parameters={}, created=NOW, rotated=None),
    )


def test_a_secret_that_somebody_has_set_before_is_the_token(stored: Hooks, pipelines: Pipelines) -> None:
    pipelines.set_secret("app", SECRET, "chosen by hand")

    assert ensure(stored)

    assert stored.token("app", HOOK, SECRET) == "chosen by hand"


def test_a_secret_that_is_missing_is_set_and_the_hook_stays_as_it_is(stored: Hooks, pipelines: Pipelines) -> None:
    ensure(stored)
    stored.set_parameter("app", HOOK, "region", "eu")
    before, first = stored.all(), stored.token("app", HOOK, SECRET)
    pipelines.remove_secret("app", SECRET)

    assert ensure(stored)

    assert stored.all() == before
    assert pipelines.secrets("app")[SECRET] == stored.token("app", HOOK, SECRET) != first


def test_of_all_who_want_it_at_the_same_moment_one_makes_it(stored: Hooks, database: Database) -> None:
    begin = threading.Barrier(6)
    found: list[tuple[bool, str]] = []

    def want() -> None:
        begin.wait()
        found.append((ensure(stored), stored.token("app", HOOK, SECRET)))

    for task in [Task(f"one {number}", want) for number in range(6)]:
        task.finish()

    assert sorted(made for made, _ in found) == [False] * 5 + [True]
    assert len({token for _, token in found}) == 1
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(hooks)).scalar() == 1


def test_tokens_are_long_random_and_fit_into_a_header() -> None:
    tokens = {new_token() for _ in range(100)}

    assert len(tokens) == 100
    assert all(len(token) == 43 and token.isascii() and token.isprintable() for token in tokens)


def test_a_token_is_a_secret_of_the_pipeline_and_sealed(
    stored: Hooks, pipelines: Pipelines, database: Database
) -> None:
    ensure(stored)
    token = stored.token("app", HOOK, SECRET)

    with database.reading() as connection:
        lying = [bytes(each) for each in connection.execute(text("SELECT sealed FROM secrets")).scalars()]
    assert pipelines.secrets("app") == {SECRET: token}
    assert len(lying) == 1
    assert token.encode() not in lying[0]


def test_a_token_that_is_rotated_replaces_the_one_before(stored: Hooks, pipelines: Pipelines, clock: Day) -> None:
    ensure(stored)
    clock.time += timedelta(hours=1)

    stored.rotate("app", HOOK, SECRET, "another")

    assert stored.token("app", HOOK, SECRET) == "another"
    (hook,) = stored.all("app")
    assert (hook.created, hook.rotated) == (NOW, NOW + timedelta(hours=1))
    assert pipelines.get("app").secrets[SECRET] == NOW + timedelta(hours=1)


def test_where_nothing_is_to_be_opened_the_token_is_one_that_nobody_has(stored: Hooks, pipelines: Pipelines) -> None:
    pipelines.register("secret-only", "{}")
    pipelines.set_secret("secret-only", SECRET, "known")
    pipelines.register("hook-only", "{}")
    ensure(stored, "hook-only")
    pipelines.remove_secret("hook-only", SECRET)

    found = {stored.token(name, HOOK, SECRET) for name in ("app", "unknown", "", "\0", "secret-only", "hook-only")}

    assert len(found) == 1
    assert len(found.pop()) == 43


def test_a_token_that_was_moved_to_another_pipeline_opens_nothing(
    stored: Hooks, pipelines: Pipelines, database: Database
) -> None:
    pipelines.register("evil", "{}")
    ensure(stored)
    ensure(stored, "evil")
    with database.writing() as connection:
        connection.execute(text("UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE pipeline = 'evil')"))

    with pytest.raises(StoreError, match=f"secret:app:{SECRET} cannot be opened"):
        stored.token("app", HOOK, SECRET)


def test_parameters_are_set_changed_and_removed(stored: Hooks) -> None:
    ensure(stored)
    stored.set_parameter("app", HOOK, "b", "1")
    stored.set_parameter("app", HOOK, "a", "")
    stored.set_parameter("app", HOOK, AWKWARD, AWKWARD)

    stored.set_parameter("app", HOOK, "b", "2")
    stored.remove_parameter("app", HOOK, "a")

    assert stored.all("app")[0].parameters == {"b": "2", AWKWARD: AWKWARD}
    with pytest.raises(NotFoundError, match="the hook of pipeline app has no parameter 'a'"):
        stored.remove_parameter("app", HOOK, "a")


def test_of_parameters_that_are_set_at_the_same_moment_none_is_lost(stored: Hooks) -> None:
    ensure(stored)

    tasks = [Task(f"one {n}", partial(stored.set_parameter, "app", HOOK, str(n), "")) for n in range(6)]
    for task in tasks:
        task.finish()

    assert stored.all("app")[0].parameters == {str(number): "" for number in range(6)}


@pytest.mark.parametrize(
    "ask",
    [
        ensure,
        lambda it, pipeline: it.all(pipeline),
        lambda it, pipeline: it.rotate(pipeline, HOOK, SECRET, "t"),
        lambda it, pipeline: it.set_parameter(pipeline, HOOK, "a", "b"),
        lambda it, pipeline: it.remove_parameter(pipeline, HOOK, "a"),
    ],
)
def test_a_pipeline_that_is_not_registered_is_named(stored: Hooks, ask: Callable[[Hooks, str], object]) -> None:
    with pytest.raises(NotFoundError, match="there is no pipeline 'gone'"):
        ask(stored, "gone")


@pytest.mark.parametrize(
    "ask",
    [
        lambda it: it.rotate("app", HOOK, SECRET, "t"),
        lambda it: it.set_parameter("app", HOOK, "a", "b"),
        lambda it: it.remove_parameter("app", HOOK, "a"),
    ],
)
def test_a_pipeline_without_a_hook_is_named_and_nothing_is_changed(
    stored: Hooks, pipelines: Pipelines, ask: Callable[[Hooks], object]
) -> None:
    with pytest.raises(NotFoundError, match="pipeline app has no hook") as caught:
        ask(stored)

    assert caught.value.hint == "one is made when a step of it first starts an async stage"
    assert (stored.all(), pipelines.secrets("app")) == ((), {})


def test_hooks_are_listed_by_pipeline_and_go_with_it(stored: Hooks, pipelines: Pipelines) -> None:
    for name in ("b", "a"):
        pipelines.register(name, "{}")
        ensure(stored, name)

    assert [hook.pipeline for hook in stored.all()] == ["a", "b"]
    assert [hook.pipeline for hook in stored.all("b")] == ["b"]
    pipelines.remove("a")
    assert [hook.pipeline for hook in stored.all()] == ["b"]


@pytest.mark.parametrize("damaged", ["{", "[]", '{"a": 1}', "null"])
def test_parameters_that_are_damaged_are_told_as_such(stored: Hooks, database: Database, damaged: str) -> None:
    ensure(stored)
    with database.writing() as connection:
        connection.execute(text("UPDATE hooks SET parameters = :damaged"), {"damaged": damaged})

    with pytest.raises(StoreError, match="the database is damaged"):
        stored.all()
