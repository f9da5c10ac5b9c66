import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.engine.journal import Entry
from runner.errors import InfrastructureError, SupersededError
from runner.naming import Address
from runner.plan.status import Status
from runner.store.jsonl import JsonLines
from tests.support.descriptors import open_files

OTHER_PROCESS = """
import sys
from pathlib import Path
from runner.engine.journal import Entry
from runner.naming import Address
from runner.plan.status import Status
from runner.store.jsonl import JsonLines

writer = JsonLines(Path(sys.argv[1])).take()
writer.append(Entry(address=Address("run", "s", "other"), status=Status.SUCCESS, at=1.0))
print(writer.epoch)
"""


def _entry(step: str, status: Status = Status.RUNNING) -> Entry:
    return Entry(address=Address("run", "s", step), status=status, at=0.5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_every_line_is_an_object_of_json_with_the_names_of_the_address(path: Path) -> None:
    address = Address("0badcafe", "build", "test", round=2, attempt=3)
    JsonLines(path).take().append(
        Entry(address=address, status=Status.FAILURE, at=1.23456789, exit_code=7, reason="broken\nin two")
    )

    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
        {"epoch": 1},
        {
            "at": 1.234568,
            "run": "0badcafe",
            "stage": "build",
            "step": "test",
            "round": 2,
            "attempt": 3,
            "status": "failure",
            "exit_code": 7,
            "reason": "broken\nin two",
        },
    ]


def test_the_branches_of_a_fork_stand_in_its_line_and_in_no_other(path: Path) -> None:
    writer = JsonLines(path).take()
    writer.append(Entry(address=Address("run", "each"), status=Status.SUCCESS, at=0.5, branches=2))
    writer.append(_entry("a"))

    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines[1]["branches"] == 2
    assert "branches" not in lines[2]


def test_only_its_owner_may_read_the_file(path: Path) -> None:
    JsonLines(path).take()

    assert path.stat().st_mode & 0o777 == 0o600


def test_reading_makes_no_file(path: Path) -> None:
    assert JsonLines(path).read() == ()
    assert not path.exists()


def test_a_driver_of_another_process_takes_over(path: Path) -> None:
    mine = JsonLines(path).take()
    mine.append(_entry("mine"))

    done = subprocess.run([sys.executable, "-c", OTHER_PROCESS, path], check=True, capture_output=True)

    assert done.stdout == b"2\n"
    with pytest.raises(SupersededError, match=r"driver 1 .* driver 2"):
        mine.append(_entry("late"))
    assert [entry.address.step for entry in JsonLines(path).read()] == ["mine", "other"]
    assert JsonLines(path).take().epoch == 3


def test_an_entry_whose_write_was_cut_off_is_not_there_and_the_next_one_is_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JsonLines(path).take()
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda file, data: write(file, data[:10]))
        with pytest.raises(InfrastructureError, match=f"journal {path}: No space left on device") as caught:
            writer.append(_entry("lost"))

    assert caught.value.hint == "is the disk full?"
    assert path.read_bytes()[-10:] != b""
    assert JsonLines(path).read() == ()
    writer.append(_entry("kept"))
    assert JsonLines(path).read() == (_entry("kept"),)
    assert len(path.read_bytes().splitlines()) == 2


def test_a_full_disk_is_told_by_its_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JsonLines(path).take()

    def full(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as context:
        context.setattr(os, "write", full)
        with pytest.raises(InfrastructureError, match="No space left on device"):
            writer.append(_entry("lost"))

    writer.append(_entry("kept"))
    assert JsonLines(path).read() == (_entry("kept"),)


def test_a_takeover_that_does_not_fit_on_the_disk_replaces_nobody(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = JsonLines(path).take()
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda file, data: write(file, data[:3]))
        with pytest.raises(InfrastructureError):
            JsonLines(path).take()

    writer.append(_entry("kept"))

    assert JsonLines(path).read() == (_entry("kept"),)


@pytest.mark.parametrize(
    "line",
    [b"{", b"3", b"{}", b"[]", b'{"epoch":"two"}', b'{"status":"success"}', b"\xff", b"\x00\x00", b""],
    ids=repr,
)
def test_a_damaged_line_is_named_and_not_passed_over(path: Path, line: bytes) -> None:
    JsonLines(path).take().append(_entry("a"))
    with path.open("ab") as file:
        file.write(line + b"\n")

    with pytest.raises(InfrastructureError, match=f"journal {path}: line 3 is damaged"):
        JsonLines(path).read()
    with pytest.raises(InfrastructureError, match="line 3 is damaged"):
        JsonLines(path).take()


def test_a_status_that_does_not_exist_is_damage(path: Path) -> None:
    JsonLines(path).take().append(_entry("a"))
    path.write_bytes(path.read_bytes().replace(b'"running"', b'"jogging"'))

    with pytest.raises(InfrastructureError, match=r"line 2 is damaged.*jogging"):
        JsonLines(path).read()


def test_a_torn_last_line_is_dropped_wherever_it_was_torn(path: Path) -> None:
    JsonLines(path).take().append(_entry("a"))
    whole = path.read_bytes()
    JsonLines(path).take().append(_entry("b", Status.SUCCESS))
    more = path.read_bytes()

    for end in range(len(whole), len(more)):
        path.write_bytes(more[:end])
        assert JsonLines(path).read() == (_entry("a"),), end


def test_zeros_that_a_loss_of_power_left_behind_the_last_line_are_dropped(path: Path) -> None:
    JsonLines(path).take().append(_entry("a"))
    with path.open("ab") as file:
        file.write(b"\0" * 100)

    writer = JsonLines(path).take()
    writer.append(_entry("b"))

    assert JsonLines(path).read() == (_entry("a"), _entry("b"))
    assert b"\0" not in path.read_bytes()


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match=f"{tmp_path}/gone/journal.jsonl: No such file or directory"):
        JsonLines(tmp_path / "gone" / "journal.jsonl").take()


def test_a_reason_that_is_not_unicode_comes_back_as_it_was(path: Path) -> None:
    entry = Entry(address=Address("run"), status=Status.ERROR, at=0.0, reason="caf\udce9")

    JsonLines(path).take().append(entry)

    assert JsonLines(path).read() == (entry,)


def test_no_descriptor_is_left_open(path: Path) -> None:
    journal = JsonLines(path)
    before = open_files()

    for step in "abc":
        journal.take().append(_entry(step))
        journal.read()

    assert open_files() == before
