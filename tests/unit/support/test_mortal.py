"""The daemon that dies at a point: what is counted, and when the end comes. (That it is real: ``tests/crash``.)"""

import threading
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import docker
import pytest
import requests

from runner.backends.docker.attach import Connection
from runner.store.sql.database import Database
from tests.support.crash import Point
from tests.support.mortal import ARMED, DEATH, Effects, count_calls, count_input, count_store, read_point, written


class Died(BaseException):
    """Takes the place of the end of the process."""


def die(code: int) -> None:
    raise Died(code)


Make = Callable[[Point | None], Effects]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda point: Effects(tmp_path / "notes", point, die)


def noted(tmp_path: Path) -> list[str]:
    return (tmp_path / "notes").read_text().splitlines()


@pytest.mark.parametrize("after", [False, True])
def test_a_daemon_dies_before_or_after_its_effect(make: Make, tmp_path: Path, after: bool) -> None:  # noqa: FBT001
    effects, done = make(Point(2, after)), []
    with effects.around("one"):
        done.append("one")
    with pytest.raises(Died) as died, effects.around("two"):
        done.append("two")

    assert died.value.args == (DEATH,)
    assert done == (["one", "two"] if after else ["one"])
    assert noted(tmp_path) == ["1 one", "2 two"]


def test_an_effect_that_fails_may_have_taken_place(make: Make) -> None:
    effects = make(Point(1, after=True))
    with pytest.raises(Died), effects.around("one"):
        raise OSError


def test_effects_of_all_threads_are_counted(make: Make, tmp_path: Path) -> None:
    effects = make(None)

    def work() -> None:
        for _ in range(50):
            with effects.around("effect"):
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert noted(tmp_path) == [f"{number} effect" for number in range(1, 201)]


def test_who_is_armed_counts_anew_and_dies_at_the_point_that_is_noted(make: Make, tmp_path: Path) -> None:
    effects = make(None)
    effects.before("earlier")
    (tmp_path / "notes").write_text("1 before")
    effects.arm()
    with pytest.raises(Died):
        effects.before("one")

    assert noted(tmp_path) == [ARMED, "1 one"]


@pytest.mark.parametrize("point", [None, Point(7), Point(7, after=True)])
def test_a_point_is_read_as_it_is_written(point: Point | None) -> None:
    assert read_point(*written(point).split()) == point


@pytest.mark.parametrize(("after", "there"), [(False, False), (True, True)])
def test_a_write_of_the_store_takes_place_when_it_is_committed(
    make: Make,
    tmp_path: Path,
    after: bool,  # noqa: FBT001
    there: bool,  # noqa: FBT001
) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/runner.db", lambda _: None)
    with patch.object(Database, "writing", Database.writing):
        count_store(make(Point(1, after)))
        with pytest.raises(Died), database.writing() as transaction:
            transaction.exec_driver_sql("INSERT INTO meta VALUES ('a', 'b')")
    with database.reading() as transaction:
        found = transaction.exec_driver_sql("SELECT * FROM meta WHERE key = 'a'").all()
    database.close()

    assert bool(found) is there


def test_only_calls_that_change_something_at_the_engine_count(make: Make, tmp_path: Path) -> None:
    asked = (("POST", "/containers/create?name=a"), ("GET", "/info"), ("POST", "/containers/a/wait"), ("DELETE", "/a"))
    with patch.object(docker.APIClient, "send", lambda *_, **__: requests.Response()):
        count_calls(make(None))
        client = docker.APIClient(version="1.41")
        for method, path in asked:
            client.request(method, f"http+docker://localhost{path}")
        client.close()

    assert noted(tmp_path) == ["1 POST /containers/create?name=a", "2 DELETE /a"]


def test_half_a_script_arrives_where_a_daemon_dies_between_its_halves(make: Make, tmp_path: Path) -> None:
    sent: list[bytes] = []
    with patch.object(Connection, "send", lambda _, data, *__: sent.append(data)):
        count_input(make(Point(1, after=True)))
        connection = object.__new__(Connection)
        connection.send(b"\na question\n", 1, threading.Event())
        with pytest.raises(Died):
            connection.send(b"go\necho 1\n", 1, threading.Event())

    assert sent == [b"\na question\n", b"go\nec"]
    assert noted(tmp_path) == ["1 send 5 bytes"]
