import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from runner.errors import StoreError, UsageError
from runner.store.sql.database import Database, sqlite_url
from runner.store.sql.runs import NewRun, Runs
from tests.support import databases, postgres
from tests.support.databases import unexpected
from tests.support.descriptors import open_files

NOBODY = 65534


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with databases.database(databases.SQLITE, tmp_path) as found:
        yield found


@pytest.fixture
def foreign() -> Iterator[Path]:
    """Return a folder that users other than root can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def _as_nobody() -> Iterator[None]:
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.mark.parametrize(
    ("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 10000)]
)
def test_every_connection_to_sqlite_is_set_up(database: Database, pragma: str, value: object) -> None:
    with database.reading() as one, database.reading() as other:
        found = [connection.execute(text(f"PRAGMA {pragma}")).scalar() for connection in (one, other)]

    assert found == [value, value]


def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        database = Database.open(f"sqlite:///{tmp_path}/runner.db", unexpected)
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        database.close()
    finally:
        os.umask(umask)

    assert modes == {"runner.db": 0o600, "runner.db-wal": 0o600, "runner.db-shm": 0o600}


def test_nothing_is_left_open_or_lying_around_after_the_end(tmp_path: Path) -> None:
    Database.open(f"sqlite:///{tmp_path}/first.db", unexpected).close()
    before = open_files()

    for _ in range(3):
        database = Database.open(f"sqlite:///{tmp_path}/runner.db", unexpected)
        Runs(database).find()
        database.close()

    assert open_files() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.db", "runner.db"]


def test_a_path_with_signs_in_it_is_a_path(tmp_path: Path) -> None:
    folder = tmp_path / "a b%2F#é?c=d&e"
    folder.mkdir()

    Database.open(sqlite_url(folder / "runner.db"), unexpected).close()

    assert [path.name for path in folder.iterdir()] == ["runner.db"]


@pytest.mark.parametrize(
    "address",
    ["", "runner.db", "/var/lib/runner.db", "sqlite://", "sqlite:///:memory:", "mysql://u:hush@h/d", "oracle:"],
)
def test_an_address_that_is_none_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(UsageError, match="RUNNER_DATABASE") as caught:
        Database.open(address, unexpected)

    assert "sqlite:////var/lib/runner/runner.db" in caught.value.hint
    assert "hush" not in caught.value.explained


def test_a_port_that_is_no_number_is_refused_without_showing_the_password() -> None:
    with pytest.raises(UsageError) as caught:
        Database.open("postgresql://user:hush@host:port/name", unexpected)

    assert "hush" not in caught.value.explained


def test_a_database_that_another_process_holds_is_waited_for_and_then_refused(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/runner.db"
    Database.open(address, unexpected).close()
    with closing(sqlite3.connect(tmp_path / "runner.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=f"database {tmp_path}/runner.db: database is locked") as caught:
            Database.open(address, unexpected, patience=0.2)

    assert caught.value.hint == "another program holds it; end that, or wait until it is done"
    Database.open(address, unexpected, patience=0.2).close()


def test_a_database_that_another_process_holds_alone_is_refused_too(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/runner.db"
    Database.open(address, unexpected).close()
    with closing(sqlite3.connect(tmp_path / "runner.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="database is locked"):
            Database.open(address, unexpected, patience=0.2)


def test_a_lock_that_is_given_up_in_time_is_no_trouble(database: Database, tmp_path: Path) -> None:
    program = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print(flush=True); time.sleep(0.5); c.execute('COMMIT')"
    )
    with subprocess.Popen([sys.executable, "-c", program, tmp_path / "runner.db"], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        Runs(database).add(NewRun(id="a", ordered="{}"))

    assert other.returncode == 0
    assert Runs(database).get("a").number == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(("file", "folder"), [(0o444, 0o755), (0o444, 0o777), (0o644, 0o555), (0o600, 0o755)])
def test_a_database_that_cannot_be_written_is_refused_and_stays_as_it_is(foreign: Path, file: int, folder: int) -> None:
    path = foreign / "runner.db"
    Database.open(f"sqlite:///{path}", unexpected).close()
    path.chmod(file)
    foreign.chmod(folder)
    before = path.read_bytes()

    with _as_nobody(), pytest.raises(StoreError, match=f"database {path}: ") as caught:
        Database.open(f"sqlite:///{path}", unexpected)

    assert caught.value.hint == "this user must be able to write the file and its directory"
    assert path.read_bytes() == before
    assert [other.name for other in foreign.iterdir() if "corrupt" in other.name] == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"database {tmp_path}/gone/runner.db: No such file or directory"):
        Database.open(f"sqlite:///{tmp_path}/gone/runner.db", unexpected)


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "runner.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE precious (value)")

    with pytest.raises(StoreError, match=f"{path} is no database of runner"):
        Database.open(f"sqlite:///{path}", unexpected)

    assert [file.name for file in tmp_path.iterdir()] == ["runner.db"]


def test_a_full_disk_is_told_by_its_name_and_nothing_of_the_transaction_is_there(database: Database) -> None:
    runs = Runs(database)
    runs.add(NewRun(id="a", ordered="{}"))
    with database.reading() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar()
    with database.writing() as connection:
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))

    with pytest.raises(StoreError, match="database or disk is full") as caught:
        runs.add(NewRun(id="b", ordered="x" * 100_000))

    assert caught.value.hint == "make room on the disk; nothing of this was written"
    assert [run.id for run in runs.find()] == ["a"]
    with database.writing() as connection:
        connection.execute(text("PRAGMA max_page_count = 1000000"))
    runs.add(NewRun(id="b", ordered="x" * 100_000))


def test_a_server_that_is_not_there_is_named_with_what_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"database runs on this machine: .*No such file") as caught:
        Database.open(f"postgresql://u:hush@/runs?host={tmp_path}", unexpected, patience=2)

    assert caught.value.hint == "is the server up, and RUNNER_DATABASE right?"
    assert "hush" not in caught.value.explained


def test_a_wrong_password_is_told_without_the_password() -> None:
    address = postgres.server().url("postgres", postgres.GUARDED).replace("@", ":hush@")

    with pytest.raises(StoreError, match="password authentication failed") as caught:
        Database.open(address, unexpected)

    assert "hush" not in caught.value.explained


def test_a_database_that_the_server_does_not_have_is_told() -> None:
    with pytest.raises(StoreError, match='database "nowhere" does not exist'):
        Database.open(postgres.server().url("nowhere"), unexpected)


def test_a_server_that_takes_no_writes_is_refused() -> None:
    server = postgres.server()

    with pytest.raises(StoreError, match="read-only transaction") as caught:
        Database.open(server.url(server.database()) + "&options=-cdefault_transaction_read_only=on", unexpected)

    assert caught.value.hint == "the server takes no writes: name its primary in RUNNER_DATABASE"


def test_a_server_that_was_restarted_costs_nothing_between_two_uses(tmp_path: Path) -> None:
    server = postgres.server()
    with databases.database(databases.POSTGRESQL, tmp_path) as database:
        Runs(database).add(NewRun(id="a", ordered="{}"))
        server.stop()
        with pytest.raises(StoreError):
            Runs(database).get("a")
        server.start()

        assert Runs(database).get("a").id == "a"


def test_a_lock_on_a_server_is_waited_for_and_then_told(tmp_path: Path) -> None:
    with databases.database(databases.POSTGRESQL, tmp_path) as holder, holder.writing() as connection:
        connection.execute(text("LOCK TABLE meta"))
        with pytest.raises(StoreError, match="lock timeout") as caught:
            Database.open(databases.url(databases.POSTGRESQL, tmp_path), unexpected, patience=0.2)

    assert caught.value.hint == "another program holds it; end that, or wait until it is done"
