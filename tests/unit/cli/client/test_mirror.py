import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runner.cli.client.mirror import Mirror
from runner.dispatch.feed import Lines
from runner.engine.events import Event
from runner.errors import InfrastructureError
from runner.logs.follow import Block, read
from runner.logs.index import Stream
from runner.plan.status import Status
from tests.support.descriptors import open_files
from tests.support.faces import address
from tests.support.remote import begins, ends, prints

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _nobody(_: Event) -> None:
    """Take no note."""


def _lines(data: bytes, seconds: float, stream: Stream = Stream.STDOUT) -> Lines:
    block = Block(log="log", stream=stream, time=BEGIN + timedelta(seconds=seconds), data=data)
    return Lines(address("build/one"), block)


def _blocks(mirror: Mirror, name: str) -> list[tuple[Stream, datetime, bytes]]:
    return [(block.stream, block.time, block.data) for block in read(mirror.logs.path(name), name)]


def test_lines_are_written_down_with_their_times_and_streams(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path)
    nobody: list[Event] = []

    mirror.take(_lines(b"out\n", 1), nobody.append)
    mirror.take(_lines(b"err\n", 2, Stream.STDERR), nobody.append)
    mirror.take(_lines(b"runner: output is missing here\n", 3, Stream.NOTICE), nobody.append)
    mirror.close()

    assert _blocks(mirror, "log") == [
        (Stream.STDOUT, BEGIN + timedelta(seconds=1), b"out\n"),
        (Stream.STDERR, BEGIN + timedelta(seconds=2), b"err\n"),
        (Stream.NOTICE, BEGIN + timedelta(seconds=3), b"runner: output is missing here\n"),
    ]
    assert nobody == []


def test_all_else_is_passed_on_in_its_order(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path)
    items = (*begins("build/one"), ends("build/one"), ends(""))
    seen: list[Event] = []

    for item in items:
        mirror.take(item, seen.append)

    assert tuple(seen) == items


def test_what_looks_like_a_secret_to_be_hidden_stays_as_the_daemon_has_sent_it(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path)

    mirror.take(_lines(b"*** and more\n", 1), _nobody)
    mirror.close()

    assert [data for _, _, data in _blocks(mirror, "log")] == [b"*** and more\n"]


def test_the_files_of_a_step_that_has_ended_are_closed(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path)
    before = open_files()

    for number in range(20):
        path = f"build/{number}"
        for item in (*begins(path), prints(path, b"x\n"), ends(path, Status.FAILURE)):
            mirror.take(item, _nobody)

    assert open_files() == before


def test_lines_that_come_after_the_end_of_their_step_are_written_down_all_the_same(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path)
    for item in (*begins("build/one"), prints("build/one", b"1\n"), ends("build/one"), prints("build/one", b"2\n")):
        mirror.take(item, _nobody)
    mirror.close()

    assert b"".join(data for _, _, data in _blocks(mirror, "build-one")) == b"1\n2\n"


def test_a_full_disk_is_told_and_no_line_is_lost_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    mirror = Mirror(tmp_path)
    mirror.take(_lines(b"1\n", 1), _nobody)
    monkeypatch.setattr(os, "write", full)

    with pytest.raises(InfrastructureError, match="No space left on device") as caught:
        mirror.take(_lines(b"2\n", 2), _nobody)
    monkeypatch.undo()
    mirror.close()

    assert "TMPDIR" in caught.value.hint
