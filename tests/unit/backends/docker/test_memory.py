"""What is remembered of an engine and of images, and of which engine."""

from pathlib import Path

import pytest

from runner.backends.docker import memory
from runner.backends.docker.client import Engine
from runner.backends.docker.memory import Memory

FACT = "image sha256:1 has /bin/sh"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "engine"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    (tmp_path / "docker.sock").touch()
    return Engine(f"unix://{tmp_path}/docker.sock")


def test_what_one_process_has_learnt_the_next_one_knows(file: Path) -> None:
    assert not Memory(file).knows(FACT)

    Memory(file).learn(FACT)
    Memory(file).learn(FACT)

    assert Memory(file).knows(FACT)
    assert file.read_text() == f"{FACT}\n"


def test_without_a_file_nothing_is_known_or_kept(tmp_path: Path) -> None:
    without = Memory()
    without.learn(FACT)

    assert not without.knows(FACT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"\xff\xfe\n"])
def test_a_file_that_cannot_be_read_or_written_is_no_hindrance(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "engine"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    Memory(path).learn(FACT)

    assert not Memory(path).knows("anything else")


def test_a_fact_that_would_be_several_lines_is_not_kept(file: Path) -> None:
    Memory(file).learn("sees directory 1:2 at /a\nimage sha256:9 has /bin/sh")

    assert not Memory(file).knows("image sha256:9 has /bin/sh")


def test_what_is_known_of_an_engine_is_forgotten_when_its_socket_is_another_one(
    file: Path, engine: Engine, tmp_path: Path
) -> None:
    first = Memory(file, engine)
    first.learn(first.of_engine("can do it"))
    assert Memory(file, engine).knows(Memory(file, engine).of_engine("can do it"))

    (tmp_path / "new").touch()
    (tmp_path / "new").replace(tmp_path / "docker.sock")  # as an engine that is started anew has it

    second = Memory(file, engine)
    assert not second.knows(second.of_engine("can do it"))


def test_a_process_that_outlives_an_engine_knows_nothing_of_the_next_one(
    file: Path, engine: Engine, tmp_path: Path
) -> None:
    daemon = Memory(file, engine)
    daemon.learn(daemon.of_engine("can do it"))
    assert daemon.knows(daemon.of_engine("can do it"))

    (tmp_path / "new").touch()
    (tmp_path / "new").replace(tmp_path / "docker.sock")

    assert not daemon.knows(daemon.of_engine("can do it"))
    (tmp_path / "docker.sock").unlink()
    assert daemon.of_engine("can do it") == ""


def test_what_is_in_doubt_is_forgotten_by_this_process_too(file: Path) -> None:
    known = Memory(file)
    known.learn(FACT)

    known.doubt()

    assert not known.knows(FACT)
    known.learn(FACT)
    assert file.read_text() == f"{FACT}\n"


def test_a_process_that_learns_for_long_keeps_as_little_as_any_other(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_MOST", 10)
    known = Memory(file)
    for number in range(100):
        known.learn(f"fact {number}")

    assert known.knows("fact 99")
    assert not known.knows("fact 9")
    assert len(file.read_text().splitlines()) <= 11


def test_of_an_engine_that_may_be_elsewhere_nothing_is_remembered(file: Path) -> None:
    far = Memory(file, Engine("tcp://127.0.0.1:1"))

    far.learn(far.of_engine("can do it"))

    assert not far.knows(far.of_engine("can do it"))
    assert not file.exists()


def test_of_too_many_facts_the_older_half_goes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MOST", 10)
    for number in range(12):
        Memory(file).learn(f"fact {number}")

    known = Memory(file)
    assert [number for number in range(12) if known.knows(f"fact {number}")][-3:] == [9, 10, 11]
    assert len(file.read_text().splitlines()) <= 11
