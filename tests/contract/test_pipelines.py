"""Registered pipelines, their properties and secrets, in both databases."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, insert, select, text

from runner.errors import NotFoundError, StoreError, UsageError
from runner.store.sealing import Vault
from runner.store.sql.database import Database
from runner.store.sql.pipelines import PipelineRecord, Pipelines
from runner.store.sql.runs import NewRun, Runs
from runner.store.sql.tables import properties, secrets
from tests.support import databases
from tests.support.databases import KINDS

AWKWARD = 'NUL \0, half a pair \udc80, "quotes", é\n'


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with databases.database(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def pipelines(database: Database, tmp_path: Path) -> Pipelines:
    return Pipelines(database, Vault.open(tmp_path / "secret.key", database))


def test_a_registered_pipeline_comes_back_as_it_was_given(pipelines: Pipelines) -> None:
    begun = datetime.now(UTC)
    pipelines.register("org/app", '{"repository": "\\u0000"}')

    record = pipelines.get("org/app")

    assert record == PipelineRecord(
        name="org/app", definition='{"repository": "\\u0000"}', created=record.created, properties={}, secrets={}
    )
    assert begun <= record.created <= datetime.now(UTC)


def test_registering_again_changes_the_definition_and_nothing_else(pipelines: Pipelines) -> None:
    pipelines.register("app", "{}")
    pipelines.set_property("app", "KEY", "value")
    created = pipelines.get("app").created

    pipelines.register("app", '{"new": 1}')

    (record,) = pipelines.all()
    assert record == PipelineRecord(
        name="app", definition='{"new": 1}', created=created, properties={"KEY": "value"}, secrets={}
    )


def test_all_pipelines_are_listed_by_name_each_with_what_belongs_to_it(pipelines: Pipelines) -> None:
    for name in ("b", "a/b", "a"):
        pipelines.register(name, "{}")
    pipelines.set_property("b", "KEY", "of b")
    pipelines.set_property("a", "KEY", "of a")
    pipelines.set_property("a", "ANOTHER", "too")
    pipelines.set_secret("a/b", "TOKEN", "x")

    found = pipelines.all()

    assert [record.name for record in found] == ["a", "a/b", "b"]
    assert [record.properties for record in found] == [{"ANOTHER": "too", "KEY": "of a"}, {}, {"KEY": "of b"}]
    assert [list(record.secrets) for record in found] == [[], ["TOKEN"], []]
    assert found == tuple(pipelines.get(record.name) for record in found)


def test_all_pipelines_are_read_in_one_transaction_however_many_there_are(
    pipelines: Pipelines, database: Database
) -> None:
    for number in range(20):
        pipelines.register(f"app-{number}", "{}")
        pipelines.set_property(f"app-{number}", "KEY", "value")
    begun: list[Connection] = []
    asked: list[str] = []
    event.listen(database._engine, "begin", begun.append)

    @event.listens_for(database._engine, "before_cursor_execute")
    def note(*call: Any) -> None:  # noqa: ANN401 - of the cursor, which is asked for nothing here
        asked.extend(text for text in call[2:3] if text.startswith("SELECT"))

    assert len(pipelines.all()) == 20

    assert (len(begun), len(asked)) == (1, 3)


@pytest.mark.parametrize("name", ["a", "_", "7", "org/app.git", "A-b_c.d/e", "x" * 200])
def test_names_are_of_letters_digits_and_a_few_signs(pipelines: Pipelines, name: str) -> None:
    pipelines.register(name, "{}")

    assert pipelines.get(name).name == name


@pytest.mark.parametrize("name", ["", ".", ".a", "-a", "/a", "a b", "a:b", "a\n", "ä", "a\0", "x" * 201], ids=repr)
def test_other_names_are_refused_with_what_would_be_right(pipelines: Pipelines, name: str) -> None:
    with pytest.raises(UsageError, match="a pipeline cannot be called") as caught:
        pipelines.register(name, "{}")

    assert "letters, digits" in caught.value.hint
    assert pipelines.all() == ()


@pytest.mark.parametrize(
    "ask",
    [
        lambda p: p.get("gone"),
        lambda p: p.remove("gone"),
        lambda p: p.secrets("gone"),
        lambda p: p.set_property("gone", "K", "v"),
        lambda p: p.set_secret("gone", "K", "v"),
        lambda p: p.remove_property("gone", "K"),
        lambda p: p.remove_secret("gone", "K"),
    ],
)
def test_a_pipeline_that_is_not_there_is_named(pipelines: Pipelines, ask: Callable[[Pipelines], object]) -> None:
    pipelines.register("there", "{}")

    with pytest.raises(NotFoundError, match="there is no pipeline 'gone'"):
        ask(pipelines)


def test_no_pipeline_has_an_empty_name(pipelines: Pipelines) -> None:
    pipelines.register("there", "{}")

    with pytest.raises(NotFoundError, match="there is no pipeline ''"):
        pipelines.get("")


def test_properties_are_set_changed_and_removed(pipelines: Pipelines) -> None:
    pipelines.register("app", "{}")
    pipelines.register("other", "{}")
    pipelines.set_property("app", "B", "1")
    pipelines.set_property("app", "A", "")
    pipelines.set_property("app", AWKWARD, AWKWARD)
    pipelines.set_property("other", "B", "of another")

    pipelines.set_property("app", "B", "2")
    pipelines.remove_property("app", "A")

    assert pipelines.get("app").properties == {"B": "2", AWKWARD: AWKWARD}
    assert pipelines.get("other").properties == {"B": "of another"}


def test_what_a_pipeline_does_not_have_cannot_be_removed(pipelines: Pipelines) -> None:
    pipelines.register("app", "{}")

    with pytest.raises(NotFoundError, match="pipeline app has no property 'K'"):
        pipelines.remove_property("app", "K")
    with pytest.raises(NotFoundError, match="pipeline app has no secret 'K'"):
        pipelines.remove_secret("app", "K")


def test_a_property_needs_a_name(pipelines: Pipelines) -> None:
    pipelines.register("app", "{}")

    with pytest.raises(UsageError):
        pipelines.set_property("app", "", "value")


def test_secrets_are_set_changed_and_removed_and_their_names_can_be_asked_for(pipelines: Pipelines) -> None:
    pipelines.register("app", "{}")
    begun = datetime.now(UTC)
    pipelines.set_secret("app", "TOKEN", "first")
    pipelines.set_secret("app", "GONE", "x")
    pipelines.set_secret("app", "AWKWARD", AWKWARD)

    pipelines.set_secret("app", "TOKEN", "second")
    pipelines.remove_secret("app", "GONE")

    assert pipelines.secrets("app") == {"TOKEN": "second", "AWKWARD": AWKWARD}
    names = pipelines.get("app").secrets
    assert list(names) == ["AWKWARD", "TOKEN"]
    assert all(begun <= updated <= datetime.now(UTC) for updated in names.values())


def test_no_secret_lies_in_the_database_as_it_is(pipelines: Pipelines, database: Database) -> None:
    pipelines.register("app", "{}")
    pipelines.set_secret("app", "TOKEN", "the-secret-value")

    with database.reading() as connection:
        (sealed,) = connection.execute(select(secrets.c.sealed)).scalars()
    assert b"the-secret-value" not in sealed


def test_a_secret_that_is_moved_to_another_name_or_pipeline_does_not_open(
    pipelines: Pipelines, database: Database
) -> None:
    pipelines.register("app", "{}")
    pipelines.register("evil", "{}")
    pipelines.set_secret("app", "TOKEN", "the-secret-value")

    with database.writing() as connection:
        connection.execute(text("UPDATE secrets SET pipeline = 'evil'"))

    with pytest.raises(StoreError, match="secret:evil:TOKEN cannot be opened") as caught:
        pipelines.secrets("evil")
    assert "the-secret-value" not in caught.value.explained


def test_what_belongs_to_a_pipeline_goes_with_it_and_its_runs_stay(pipelines: Pipelines, database: Database) -> None:
    pipelines.register("app", "{}")
    pipelines.set_property("app", "KEY", "value")
    pipelines.set_secret("app", "TOKEN", "value")
    Runs(database).add(NewRun(id="a", ordered="{}", pipeline="app"))

    pipelines.remove("app")

    assert pipelines.all() == ()
    assert Runs(database).get("a").pipeline == "app"
    with database.reading() as connection:
        left = [connection.execute(select(func.count()).select_from(table)).scalar() for table in (properties, secrets)]
    assert left == [0, 0]


def test_nothing_can_belong_to_a_pipeline_that_is_not_there(database: Database) -> None:
    with pytest.raises(StoreError, match=r"(?i)foreign key"), database.writing() as connection:
        connection.execute(insert(properties).values(pipeline="gone", name="K", value="v"))
