"""Fault D7: what becomes of a SQLite database that is not what it was."""

import random
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runner.engine.events import Notice
from runner.engine.journal import Entry
from runner.errors import RunnerError, StoreError
from runner.naming import Address
from runner.plan.status import Status
from runner.store.sql import sqlite
from runner.store.sql.database import Database
from runner.store.sql.journal import SqlJournal
from runner.store.sql.runs import NewRun, Runs
from tests.support.databases import unexpected

RUNS = 30
PAGE = 4096
FLIPS = 60
NAME = "runner.db"
ASIDE = re.compile(r"runner\.db\.corrupt-\d{8}T\d{6}\.\d{6}Z")


def _fill(database: Database) -> None:
    runs = Runs(database)
    for number in range(RUNS):
        run = f"run{number}"
        runs.add(NewRun(id=run, ordered="x" * 1500))
        runs.tell(run, 1.0, Notice("text"))
        writer = SqlJournal(database, run).take()
        for status in (Status.RUNNING, Status.SUCCESS):
            writer.append(Entry(address=Address(run), status=status, at=0.0))


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a database as a machine leaves it that dies while it is in use."""
    used, left = tmp_path_factory.mktemp("used"), tmp_path_factory.mktemp("left")
    database = Database.open(f"sqlite:///{used}/{NAME}", unexpected)
    _fill(database)
    for path in used.iterdir():
        shutil.copy(path, left)
    database.close()
    return left


@pytest.fixture(scope="module")
def whole(live: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the content of that database when it was closed."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(live, folder, dirs_exist_ok=True)
    Database.open(f"sqlite:///{folder}/{NAME}", unexpected).close()
    return (folder / NAME).read_bytes()


def _look(folder: Path) -> tuple[list[str], int]:
    """Open the database, use all that is in it, and write; return what was told and how many runs there were."""
    told: list[str] = []
    database = Database.open(f"sqlite:///{folder}/{NAME}", told.append)
    try:
        runs = Runs(database)
        found = runs.find(limit=1000)
        for run in found:
            runs.notices(run.id)
            SqlJournal(database, run.id).read()
        runs.add(NewRun(id="new", ordered="{}"))
    finally:
        database.close()
    return told, len(found)


def _asides(folder: Path) -> list[str]:
    """Return what was moved aside, less what looking at it makes: an empty log, and its index."""
    files = (path for path in folder.glob("*.corrupt-*") if not path.name.endswith("-shm"))
    return sorted(path.name for path in files if not path.name.endswith("-wal") or path.stat().st_size)


def test_what_a_machine_that_died_has_left_is_whole(live: Path, tmp_path: Path) -> None:
    shutil.copytree(live, tmp_path, dirs_exist_ok=True)

    assert _look(tmp_path) == ([], RUNS)


def test_a_damaged_database_is_moved_aside_and_told_with_both_names(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(whole[:PAGE])

    (told,), found = _look(tmp_path)

    (aside,) = _asides(tmp_path)
    assert found == 0
    assert ASIDE.fullmatch(aside)
    assert (tmp_path / aside).read_bytes() == whole[:PAGE]
    assert told.startswith(f"the database {path} is damaged (")
    assert f"moved aside, as {tmp_path / aside}; an empty one takes its place" in told


def test_wherever_a_file_was_cut_off_it_is_told(whole: bytes, tmp_path: Path) -> None:
    borders = range(0, len(whole), PAGE)
    cuts = [0, 1, 15, 16, 99, 100, 512, PAGE - 1, PAGE + 1, *borders[1::4], len(whole) - PAGE, len(whole) - 1]
    for cut in cuts:
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / NAME).write_bytes(whole[:cut])

        told, found = _look(folder)

        assert (len(told), found, len(_asides(folder))) == (1, 0, 1), cut


def test_a_flipped_bit_is_damage_or_a_value_and_never_an_error_that_nobody_knows(
    whole: bytes, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    chance = random.Random(pytestconfig.getoption("--seed"))
    noticed = 0
    places = [*range(0, 100, 4), *(chance.randrange(len(whole)) for _ in range(FLIPS))]
    for number, place in enumerate(places):
        folder = tmp_path / str(number)
        folder.mkdir()
        flipped = bytearray(whole)
        flipped[place] ^= 1 << chance.randrange(8)
        (folder / NAME).write_bytes(flipped)

        try:
            told, _ = _look(folder)
        except RunnerError:
            told = ["refused"]
        noticed += bool(told)

    assert noticed


def test_a_log_that_is_gone_or_damaged_takes_no_more_than_its_own_changes(live: Path, tmp_path: Path) -> None:
    log = (live / f"{NAME}-wal").read_bytes()
    chance = random.Random(len(log))
    logs = [None, b"", log[: len(log) // 2], log[:-1], log[:33], b"\0" * 100, chance.randbytes(len(log))]
    for number, changed in enumerate(logs):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(live / NAME, folder)
        if changed is not None:
            (folder / f"{NAME}-wal").write_bytes(changed)

        told, found = _look(folder)

        assert told == [], number
        assert 0 <= found <= RUNS


def test_a_log_without_its_database_is_damage(live: Path, tmp_path: Path) -> None:
    shutil.copy(live / f"{NAME}-wal", tmp_path)

    (told,), found = _look(tmp_path)

    assert found == 0
    assert "the file is gone, its log is there" in told
    (aside,) = _asides(tmp_path)
    assert (tmp_path / aside).read_bytes() == (live / f"{NAME}-wal").read_bytes()


@pytest.mark.parametrize("content", [b"not a database" * 1000, b"", b"x" * 100], ids=len)
def test_the_log_of_a_damaged_database_goes_with_it_as_it_is(live: Path, tmp_path: Path, content: bytes) -> None:
    shutil.copytree(live, tmp_path, dirs_exist_ok=True)
    (tmp_path / NAME).write_bytes(content)

    told, found = _look(tmp_path)

    assert (len(told), found) == (1, 0)
    database, log = _asides(tmp_path)
    assert (tmp_path / database).read_bytes() == content
    assert (tmp_path / log).read_bytes() == (live / f"{NAME}-wal").read_bytes()
    assert log == f"{database}-wal"


def test_damage_happens_twice_and_nothing_is_overwritten(tmp_path: Path) -> None:
    for content in (b"first" * 100, b"second" * 100):
        (tmp_path / NAME).write_bytes(content)
        _look(tmp_path)

    assert [(tmp_path / name).read_bytes() for name in _asides(tmp_path)] == [b"first" * 100, b"second" * 100]


def test_a_move_that_was_cut_off_is_finished_and_told_again(live: Path, tmp_path: Path) -> None:
    """The process died when the database had its new name, and its log had not."""
    shutil.copytree(live, tmp_path, dirs_exist_ok=True)
    (tmp_path / NAME).rename(tmp_path / f"{NAME}.corrupt-20260101T000000.000000Z")

    told, found = _look(tmp_path)

    assert (len(told), found) == (1, 0)
    assert {name[-4:] for name in _asides(tmp_path)} >= {"-wal", "000Z"}


def test_damage_is_told_before_anything_is_moved(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(whole[:PAGE])

    with pytest.raises(AssertionError, match="is damaged"):
        Database.open(f"sqlite:///{tmp_path}/{NAME}", unexpected)

    assert (tmp_path / NAME).read_bytes() == whole[:PAGE]


def test_damage_that_is_found_later_is_told_with_what_to_do(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(whole)
    database = Database.open(f"sqlite:///{tmp_path}/{NAME}", unexpected)
    runs = Runs(database)
    with (tmp_path / NAME).open("r+b") as file:
        file.seek(PAGE)
        file.write(b"\xff" * (len(whole) - PAGE))

    with pytest.raises(StoreError, match="database disk image is malformed") as caught:
        runs.find(limit=1000)

    assert caught.value.hint == "start the daemon again: it moves a damaged database aside"
    database.close()


def test_a_new_database_bears_our_mark_and_is_no_empty_file(tmp_path: Path) -> None:
    sqlite.prepare(tmp_path / NAME, unexpected, 1.0)

    assert (tmp_path / NAME).stat().st_size > 0
    with closing(sqlite3.connect(tmp_path / NAME)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (int.from_bytes(b"runr", "big"),)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_an_index_that_was_left_alone_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}-shm").write_bytes(b"\0" * 32768)

    assert _look(tmp_path) == ([], 0)
    assert _asides(tmp_path) == []
