"""What both databases must do for the daemon."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, inspect, select, text

import runner
from runner.engine.events import Notice
from runner.engine.job import Task
from runner.engine.journal import Entry
from runner.errors import StoreError
from runner.naming import Address
from runner.plan.status import Status
from runner.store.sql import schema
from runner.store.sql.database import Database
from runner.store.sql.journal import SqlJournal
from runner.store.sql.migrations import upgrade
from runner.store.sql.runs import NewRun, Ordered, Runs
from runner.store.sql.tables import HEAD, METADATA, entries, hooks, meta, properties
from tests.support import databases, postgres
from tests.support.databases import KINDS, unexpected

THREADS, EACH = 8, 40

_RUN = """
INSERT INTO runs
(id, pipeline, queue, priority, created, status, reason, epoch, cancel, origin, ordered, sealed, result, ended)
VALUES (:id, :pipeline, 'default', 0, 1.5, :status, :reason, 1, '', :origin, :ordered, :sealed, '', :ended)
"""
_OF_A = {"pipeline": "app", "status": "failure", "reason": "step x", "origin": "", "ordered": '{"a": 1}', "ended": 2.5}
_OF_B = {"pipeline": "", "status": "pending", "reason": "", "origin": "a", "ordered": "{}", "ended": None}
FIRST_RELEASE: tuple[tuple[str, dict[str, object]], ...] = (
    ("INSERT INTO pipelines VALUES ('app', '{}', 0)", {}),
    ("INSERT INTO properties VALUES ('app', 'KEY', 'value')", {}),
    (_RUN, {"id": "a", "sealed": b"\0\xff", **_OF_A}),
    (_RUN, {"id": "b", "sealed": b"", **_OF_B}),
    ("INSERT INTO entries VALUES ('a', 1, 1, 's', 'x', 1, 1, 'failure', 1.5, 3, 'r')", {}),
    ("INSERT INTO notices VALUES ('a', 1, 2.0, '', '', 0, 0, 'told')", {}),
    ("INSERT INTO inherits VALUES ('b', 'a')", {}),
)
"""What the tables of the first release may hold: statements, each with its values."""

OTHER_PROCESS = """
import sys
from runner.engine.journal import Entry
from runner.naming import Address
from runner.plan.status import Status
from runner.store.sql.database import Database
from runner.store.sql.journal import SqlJournal
from runner.store.sql.runs import NewRun, Runs

url, run, count = sys.argv[1:]
database = Database.open(url, print)
Runs(database).add(NewRun(id=run, ordered="{}"))
writer = SqlJournal(database, run).take()
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(count)):
    writer.append(Entry(address=Address(run, "s", str(number)), status=Status.RUNNING, at=1.0))
database.close()
"""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database(kind: str, tmp_path: Path) -> Iterator[Database]:
    with databases.database(kind, tmp_path) as found:
        yield found


def _fresh(kind: str, folder: Path) -> str:
    server = postgres.server
    return databases.url(kind, folder) if kind == databases.SQLITE else server().url(server().database())


def test_the_migrations_make_the_tables_that_the_code_names(database: Database) -> None:
    with database.writing() as connection:
        difference = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA)

    assert difference == []


def test_the_newest_migration_is_the_schema_that_this_program_asks_for() -> None:
    assert ScriptDirectory.from_config(upgrade.config()).get_heads() == [HEAD]


def test_a_migration_that_fails_leaves_nothing_behind(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = _fresh(kind, tmp_path)
    with monkeypatch.context() as context:
        context.setattr(schema, "PROGRAM", None)  # is written last, and cannot be nothing
        with pytest.raises(StoreError):
            Database.open(address, unexpected)

    database = Database.open(address, unexpected)
    with database.reading() as connection:
        assert schema.get(connection, schema.PROGRAM) == runner.__version__
    database.close()


def test_programs_that_open_a_new_database_at_the_same_time_make_its_tables_once(kind: str, tmp_path: Path) -> None:
    address = _fresh(kind, tmp_path)
    tasks = [Task(f"opener {n}", lambda: Database.open(address, unexpected).close()) for n in range(3)]

    for task in tasks:
        task.finish()


@pytest.fixture
def first_release(kind: str, tmp_path: Path) -> str:
    """Return the address of a database of the first release, with what it may hold."""
    address = _fresh(kind, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "HEAD", "0001")
        patch.setattr(upgrade, "run", partial(_upgrade, to="0001"))
        database = Database.open(address, unexpected)
    with database.writing() as connection:
        for statement, values in FIRST_RELEASE:
            connection.execute(text(statement), values)
    database.close()
    return address


def _upgrade(connection: Connection, to: str) -> None:
    settings = upgrade.config()
    settings.attributes["connection"] = connection
    command.upgrade(settings, to)


def test_what_the_first_release_has_stored_is_there_after_an_upgrade(first_release: str) -> None:
    database = Database.open(first_release, unexpected)
    with ExitStack() as stack:
        stack.callback(database.close)
        runs = Runs(database)

        found = runs.find()
        assert [(run.id, run.number, run.origin, run.parent, run.child) for run in found] == [
            ("b", 2, "a", "", ""),
            ("a", 1, "", "", ""),
        ]
        assert (found[1].status, found[1].reason, found[1].pipeline) == (Status.FAILURE, "step x", "app")
        assert runs.order_of("a") == Ordered(ordered='{"a": 1}', sealed=b"\0\xff")
        assert SqlJournal(database, "a").read() == (
            Entry(address=Address("a", "s", "x"), status=Status.FAILURE, at=1.5, exit_code=3, reason="r"),
        )
        assert runs.notices("a") == [(2.0, Notice("told"))]
        assert runs.holders("a") == ("b",)
        with database.reading() as connection:
            assert connection.execute(select(properties)).all() == [("app", "KEY", "value")]
            assert connection.execute(select(func.count()).select_from(hooks)).scalar() == 0


def test_an_upgraded_database_goes_on_as_a_new_one_would(first_release: str) -> None:
    database = Database.open(first_release, unexpected)
    with ExitStack() as stack:
        stack.callback(database.close)
        runs = Runs(database)

        runs.ask_cancel("b", children=True)
        assert runs.add(NewRun(id="c", ordered="{}", parent="b", child="check")).number == 3
        assert [run.id for run in runs.children("b")] == ["c"]
        fork = Entry(address=Address("b", "each"), status=Status.SUCCESS, at=1.0, branches=3)
        SqlJournal(database, "b").take().append(fork)
        assert SqlJournal(database, "b").read() == (fork,)
        with database.writing() as connection:
            assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        with pytest.raises(StoreError, match=r"(?i)foreign key"), database.writing() as connection:
            connection.execute(text("INSERT INTO hooks VALUES ('gone', 'n', 'async', '{}', 0, NULL)"))


def test_an_upgrade_that_fails_leaves_the_first_release_as_it_was(
    first_release: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as context:
        context.setattr(schema, "PROGRAM", None)  # is written last, and cannot be nothing
        with pytest.raises(StoreError):
            Database.open(first_release, unexpected)
        context.setattr(schema, "PROGRAM", "program")
        context.setattr(schema, "HEAD", "0001")
        database = Database.open(first_release, unexpected)
    with database.reading() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "0001"
        assert connection.execute(text("SELECT count(*) FROM runs")).scalar() == 2
        assert "parent" not in {column["name"] for column in inspect(connection).get_columns("runs")}
    database.close()

    Database.open(first_release, unexpected).close()


def test_a_database_of_a_newer_program_is_refused_and_left_alone(kind: str, tmp_path: Path) -> None:
    address = _fresh(kind, tmp_path)
    database = Database.open(address, unexpected)
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        schema.put(connection, schema.PROGRAM, "7.5.0")
    database.close()

    with pytest.raises(StoreError):
        Database.open(address, unexpected)
    with pytest.raises(StoreError, match=r"has schema 9999 of runner 7\.5\.0; this is runner .* knows ") as caught:
        Database.open(address, unexpected)

    assert caught.value.hint == "start runner 7.5.0, or name another database in RUNNER_DATABASE"


def test_a_newer_database_whose_tables_are_others_is_refused_too(kind: str, tmp_path: Path) -> None:
    address = _fresh(kind, tmp_path)
    database = Database.open(address, unexpected)
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("DROP TABLE meta"))
    database.close()

    with pytest.raises(StoreError, match="schema 9999 of runner a newer one"):
        Database.open(address, unexpected)


def test_what_a_block_that_raises_has_written_is_not_there(database: Database) -> None:
    def fail() -> None:
        with database.writing() as connection:
            schema.put(connection, "a", "1")
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    with database.reading() as connection:
        assert schema.get(connection, "a") is None


def test_a_reader_sees_the_database_as_it_was_at_its_first_look(database: Database) -> None:
    with database.writing() as connection:
        schema.put(connection, "a", "1")

    with database.reading() as reader:
        first = schema.get(reader, "a")
        with database.writing() as writer:
            schema.put(writer, "a", "2")
        second = schema.get(reader, "a")

    assert (first, second) == ("1", "1")
    with database.reading() as reader:
        assert schema.get(reader, "a") == "2"


def test_what_the_database_refuses_is_an_error_of_ours_with_its_name(database: Database) -> None:
    with pytest.raises(StoreError, match=database.name), database.writing() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES ('hush')"))


def test_values_of_a_statement_that_fails_are_in_no_message(database: Database) -> None:
    twice = meta.insert().values([{"key": "hush-hush", "value": "hush-hush"}] * 2)

    with pytest.raises(StoreError) as caught, database.writing() as connection:
        connection.execute(twice)

    assert "hush" not in caught.value.explained


def test_threads_that_write_the_journals_of_different_runs_wait_for_each_other(database: Database) -> None:
    runs = Runs(database)

    def write(run: str) -> None:
        writer = SqlJournal(database, run).take()
        for number in range(EACH):
            writer.append(Entry(address=Address(run, "s", str(number)), status=Status.RUNNING, at=0.0))

    for number in range(THREADS):
        runs.add(NewRun(id=str(number), ordered="{}"))
    tasks = [Task(f"writer {number}", partial(write, str(number))) for number in range(THREADS)]
    for task in tasks:
        task.finish()

    for number in range(THREADS):
        read = SqlJournal(database, str(number)).read()
        assert [entry.address.step for entry in read] == [str(step) for step in range(EACH)]


def test_two_processes_write_one_database_at_the_same_time(kind: str, database: Database, tmp_path: Path) -> None:
    count = 100
    command = [sys.executable, "-c", OTHER_PROCESS, databases.url(kind, tmp_path)]
    others = [
        subprocess.Popen([*command, run, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for run in ("a", "b")
    ]
    for other in others:
        assert other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
    for other in others:
        other.communicate(b"go\n", timeout=60)

    assert [other.returncode for other in others] == [0, 0]
    with database.reading() as connection:
        found = connection.execute(select(entries.c.run, func.count()).group_by(entries.c.run).order_by(entries.c.run))
        assert [tuple(row) for row in found] == [("a", count), ("b", count)]


def test_many_threads_can_look_while_one_writes(database: Database) -> None:
    begin = threading.Barrier(THREADS)

    def look() -> None:
        begin.wait()
        for _ in range(EACH):
            with database.reading() as connection:
                assert schema.get(connection, schema.PROGRAM) == runner.__version__

    tasks = [Task(f"reader {number}", look) for number in range(THREADS)]
    for number in range(EACH):
        with database.writing() as connection:
            schema.put(connection, "a", str(number))
    for task in tasks:
        task.finish()


def test_alembic_is_not_loaded_where_nothing_is_to_be_migrated(kind: str, database: Database, tmp_path: Path) -> None:
    program = (
        "import sys; from runner.store.sql.database import Database; "
        "Database.open(sys.argv[1], print).close(); sys.exit('alembic' in sys.modules)"
    )

    subprocess.run([sys.executable, "-c", program, databases.url(kind, tmp_path)], check=True)


def test_a_database_belongs_to_the_daemon_that_was_first(database: Database) -> None:
    assert database.claim("aaaa")
    assert not database.claim("aaaa")

    with pytest.raises(StoreError, match=r"that of another daemon \(aaaa\)") as caught:
        database.claim("bbbb")

    assert "instance" in caught.value.hint
    assert not database.claim("aaaa")
