"""Writing logs: nothing is lost, nothing is raised, and what a dead writer left is made whole."""

import errno
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.logs.files import Changes, LogBook, StepLog
from runner.logs.follow import Follower, read
from runner.logs.index import RECORD_SIZE, Record, Stream, index_file, log_file, records
from runner.logs.mask import Mask
from tests.support.descriptors import open_files

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def mask() -> Mask:
    mask = Mask()
    mask.add(b"hunter22")
    return mask


@pytest.fixture
def book(tmp_path: Path, mask: Mask) -> LogBook:
    return LogBook(tmp_path / "logs", mask)


def kept(log: StepLog) -> bytes:
    return log_file(log.path).read_bytes()


def indexed(log: StepLog) -> list[Record]:
    index = os.open(index_file(log.path), os.O_RDONLY)
    try:
        return list(records(index, 0, 1_000_000))
    finally:
        os.close(index)


def fill_disk(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Let ``os.write`` take only ``room`` more bytes, as a disk that fills does: a short write, then an error."""
    left = [room]
    write = os.write

    def limited(file: int, data: bytes) -> int:
        if not left[0]:
            raise FULL
        written = write(file, memoryview(data)[: left[0]])
        left[0] -= written
        return written

    monkeypatch.setattr(os, "write", limited)


def test_chunks_are_in_the_file_and_in_the_index_when_write_returns(book: LogBook) -> None:
    log = book.open("build/test")
    log.write(Stream.STDOUT, b"out\n")
    log.write(Stream.STDERR, b"error\n")

    assert kept(log) == b"out\nerror\n"
    assert [record[:2] + record[3:] for record in indexed(log)] == [(0, 4, Stream.STDOUT, 4), (4, 6, Stream.STDERR, 6)]


def test_chunks_carry_the_time_when_they_came(book: LogBook) -> None:
    begun = time.time()
    log = book.open("build")
    log.write(Stream.STDOUT, b"out\n")

    assert begun - 0.001 <= indexed(log)[0].time / 1_000_000 <= time.time()


def test_an_empty_chunk_leaves_no_record(book: LogBook) -> None:
    log = book.open("build")
    log.write(Stream.STDOUT, b"")

    assert log.records == 0
    assert not indexed(log)


def test_secrets_do_not_reach_the_disk_from_either_stream(book: LogBook) -> None:
    log = book.open("build")
    log.write(Stream.STDOUT, b"out hun")
    log.write(Stream.STDERR, b"error hunter")
    log.write(Stream.STDOUT, b"ter22\n")
    log.write(Stream.STDERR, b"22\n")

    assert kept(log) == b"out error ***\n***\n"


def test_only_the_owner_may_read_logs(book: LogBook) -> None:
    log = book.open("build")

    assert stat.S_IMODE(log.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(log_file(log.path).stat().st_mode) == 0o600
    assert stat.S_IMODE(index_file(log.path).stat().st_mode) == 0o600


def test_close_writes_what_was_held_back(book: LogBook) -> None:
    log = book.open("build")
    log.write(Stream.STDOUT, b"hunter2")
    assert kept(log) == b""

    log.close()

    assert kept(log) == b"hunter2"


def test_closing_twice_is_closing_once_and_later_chunks_are_ignored(book: LogBook) -> None:
    log = book.open("build")
    log.write(Stream.STDOUT, b"out\n")
    log.close()
    before = open_files()

    log.close()
    log.write(Stream.STDOUT, b"late\n")
    log.gap("late")

    assert log.closed
    assert log.problem is None
    assert kept(log) == b"out\n"
    assert open_files() == before


def test_close_gives_the_descriptors_back(book: LogBook) -> None:
    before = open_files()
    for number in range(20):
        book.open(f"step {number}").write(Stream.STDOUT, b"x\n")

    book.close()

    assert open_files() == before


def test_a_gap_is_a_line_of_our_own_with_its_reason_masked(book: LogBook) -> None:
    log = book.open("build")
    log.write(Stream.STDOUT, b"half a li")
    log.gap("the engine's\nlog of hunter22 was lost")

    notice = b"runner: output is missing here: the engine's log of *** was lost\n"
    assert kept(log) == b"half a li" + notice
    assert indexed(log)[1].stream == Stream.NOTICE


def test_the_beginning_of_a_secret_before_a_gap_is_masked(book: LogBook) -> None:
    log = book.open("build")
    log.write(Stream.STDOUT, b"> hunter2")
    log.gap("lost")

    assert kept(log).startswith(b"> ***runner: ")


def test_a_full_disk_stops_the_log_with_a_notice_and_raises_nothing(
    book: LogBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = book.open("build")
    log.write(Stream.STDOUT, b"kept\n")
    fill_disk(monkeypatch, 0)
    log.write(Stream.STDOUT, b"lost\n")
    log.write(Stream.STDOUT, b"not kept either\n")
    log.gap("nor this")
    log.close()

    assert log.problem == "the output from here on could not be kept: No space left on device"
    assert kept(log) == b"kept\n"


@pytest.mark.parametrize("room", [0, 3, 5, 5 + RECORD_SIZE - 1])
def test_a_disk_that_has_room_again_at_the_end_is_told_what_is_missing(
    book: LogBook, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    log = book.open("build")
    log.write(Stream.STDOUT, b"kept\n")
    fill_disk(monkeypatch, room)
    log.write(Stream.STDOUT, b"lost\n")
    monkeypatch.undo()
    log.write(Stream.STDOUT, b"not kept either\n")
    log.close()

    notice = b"runner: the output from here on could not be kept: No space left on device\n"
    assert [(block.stream, block.data) for block in read(log.path)] == [
        (Stream.STDOUT, b"kept\n"),
        (Stream.NOTICE, notice),
    ]
    assert kept(log) == b"kept\n" + notice
    assert log.problem is None


def test_what_the_system_takes_in_pieces_is_written_whole(book: LogBook, monkeypatch: pytest.MonkeyPatch) -> None:
    log = book.open("build")
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, memoryview(data)[:RECORD_SIZE]))
    data = bytes(number % 256 for number in range(10 * RECORD_SIZE + 1))
    log.write(Stream.STDOUT, data)
    monkeypatch.undo()

    assert log.problem is None
    assert kept(log) == data
    assert [record.length for record in indexed(log)] == [RECORD_SIZE] * 10 + [1]


@pytest.mark.parametrize("room", [1, 3, 5, 5 + RECORD_SIZE - 1, 5 + RECORD_SIZE, 5 + RECORD_SIZE + 2])
def test_a_disk_that_fills_anywhere_leaves_a_log_that_can_be_read(
    book: LogBook, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    log = book.open("build")
    fill_disk(monkeypatch, room)
    log.write(Stream.STDOUT, b"five\n")
    log.write(Stream.STDOUT, b"lost\n")
    log.close()
    monkeypatch.undo()

    whole = b"five\nlost\n"
    shown = b"".join(block.data for block in read(log.path))
    assert log.problem
    assert whole.startswith(kept(log))
    assert shown.removesuffix(b"\n") == kept(log).removesuffix(b"\n")


def test_a_log_whose_disk_was_full_goes_on_when_it_is_opened_again(
    book: LogBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = book.open("build")
    fill_disk(monkeypatch, 5 + RECORD_SIZE // 2)
    log.write(Stream.STDOUT, b"five\n")
    monkeypatch.undo()
    again = book.open("build")
    again.write(Stream.STDOUT, b"more\n")

    notice, last = [block.data for block in read(log.path)]
    assert b"could not be kept: No space left on device" in notice
    assert last == b"more\n"


def test_a_log_that_cannot_be_opened_is_a_problem_and_not_an_error(book: LogBook) -> None:
    book.path("build").parent.rmdir()
    log = book.open("build")
    log.write(Stream.STDOUT, b"out\n")
    log.close()

    assert log.problem == "the output from here on could not be kept: No such file or directory"


def test_a_file_that_fails_when_it_is_closed_is_a_problem(book: LogBook, monkeypatch: pytest.MonkeyPatch) -> None:
    log = book.open("build")
    close = os.close

    def failing(file: int) -> None:
        close(file)
        raise OSError(errno.EDQUOT, "Quota exceeded")

    monkeypatch.setattr(os, "close", failing)
    log.close()
    monkeypatch.undo()

    assert log.closed
    assert log.problem == "the output from here on could not be kept: Quota exceeded"


def test_a_log_that_exists_is_continued(book: LogBook, mask: Mask, tmp_path: Path) -> None:
    book.open("build").write(Stream.STDOUT, b"first\n")
    book.close()
    again = LogBook(tmp_path / "logs", mask).open("build")
    again.write(Stream.STDERR, b"second\n")

    assert kept(again) == b"first\nsecond\n"
    assert again.records == 2
    assert [(record.offset, record.length) for record in indexed(again)] == [(0, 6), (6, 7)]


def test_who_wrote_a_log_before_it_was_opened_again_writes_no_more(book: LogBook) -> None:
    before = book.open("build")
    after = book.open("build")
    before.write(Stream.STDOUT, b"late\n")
    after.write(Stream.STDOUT, b"out\n")

    assert kept(after) == b"out\n"
    assert before.closed


def test_bytes_that_a_crash_left_without_a_record_are_taken_up(book: LogBook, mask: Mask, tmp_path: Path) -> None:
    log = book.open("build")
    log.write(Stream.STDOUT, b"first\n")
    with log_file(log.path).open("ab") as file:
        file.write(b"orphan\n")
    assert [block.data for block in read(log.path)] == [b"first\n", b"orphan\n"]

    again = LogBook(tmp_path / "logs", mask).open("build")
    again.write(Stream.STDERR, b"third\n")

    assert [(record.offset, record.length) for record in indexed(again)] == [(0, 6), (6, 7), (13, 6)]


@pytest.mark.parametrize("torn", [1, RECORD_SIZE - 1])
def test_a_torn_record_is_replaced(book: LogBook, mask: Mask, tmp_path: Path, torn: int) -> None:
    log = book.open("build")
    log.write(Stream.STDOUT, b"first\n")
    log.write(Stream.STDOUT, b"second\n")
    os.truncate(index_file(log.path), RECORD_SIZE + torn)

    again = LogBook(tmp_path / "logs", mask).open("build")

    assert [(record.offset, record.length) for record in indexed(again)] == [(0, 6), (6, 7)]


def test_records_whose_bytes_were_lost_are_dropped(book: LogBook, mask: Mask, tmp_path: Path) -> None:
    log = book.open("build")
    for number in range(10):
        log.write(Stream.STDOUT, b"line %d\n" % number)
    os.truncate(log_file(log.path), 25)  # three lines and a half

    again = LogBook(tmp_path / "logs", mask).open("build")
    again.write(Stream.STDOUT, b"!\n")

    assert again.records == 5  # three, the half line, and ours
    assert b"".join(block.data for block in read(again.path)) == b"line 0\nline 1\nline 2\nline!\n"


@pytest.mark.parametrize("name", ["a/b", "..", ".", "", "../../etc/passwd", "ü ñ\n\x00", "\ud800", "x" * 5000, "%2F"])
def test_a_log_of_any_name_lies_in_the_directory_of_the_book(book: LogBook, name: str) -> None:
    log = book.open(name)
    log.write(Stream.STDOUT, b"out\n")

    assert log.problem is None
    assert sorted(log.path.parent.iterdir()) == sorted([log_file(log.path), index_file(log.path)])
    assert log.path.parent == book.path("other").parent


def test_different_names_are_different_files(book: LogBook) -> None:
    names = ["a/b", "a%2Fb", "a.b", "a b", "x" * 300 + "1", "x" * 300 + "2", "a", "a.log", "A"]

    assert len({book.path(name) for name in names}) == len(names)


def test_a_waiting_viewer_wakes_when_something_is_written(book: LogBook) -> None:
    log = book.open("build")
    seen = book.changes.version
    writer = threading.Timer(0.05, log.write, (Stream.STDOUT, b"out\n"))
    writer.start()
    begun = time.monotonic()

    assert book.changes.wait(seen, 30)
    assert time.monotonic() - begun < 5
    writer.join()


@pytest.mark.parametrize(
    "act", [lambda log: log.gap("x"), lambda log: log.close(), lambda log: log.write(Stream.STDERR, b"x")]
)
def test_every_change_can_be_waited_for(book: LogBook, act: Callable[[StepLog], None]) -> None:
    log = book.open("build")
    seen = book.changes.version
    act(log)

    assert book.changes.wait(seen, 0)


def test_waiting_ends_when_the_time_has_passed() -> None:
    changes = Changes()

    assert not changes.wait(changes.version, 0.01)


def test_a_problem_wakes_viewers_and_is_shown_once(book: LogBook, monkeypatch: pytest.MonkeyPatch) -> None:
    log = book.open("build")
    log.write(Stream.STDOUT, b"half a line")
    follower = Follower(book)
    assert not list(follower.poll())
    fill_disk(monkeypatch, 0)
    log.write(Stream.STDOUT, b", the rest\n")
    monkeypatch.undo()

    assert follower.wait(0)
    shown = [(block.stream, block.data) for block in follower.poll()]
    log.close()
    shown += [(block.stream, block.data) for block in follower.poll()]

    assert shown == [
        (Stream.STDOUT, b"half a line\n"),
        (Stream.NOTICE, b"runner: the output from here on could not be kept: No space left on device\n"),
    ]


def test_what_is_hidden_is_masked_in_every_form_from_then_on(tmp_path: Path) -> None:
    book = LogBook(tmp_path, Mask())
    log = book.open("a")
    log.write(Stream.STDOUT, b"geheimnis\n")

    assert book.hide("geheimnis")

    log.write(Stream.STDOUT, b"geheimnis\nZ2VoZWltbmlz\n")
    book.close()
    assert book.path("a").with_suffix(".log").read_bytes() == b"geheimnis\n***\n***\n"


@pytest.mark.parametrize(("value", "hidden"), [("", True), ("abc", False), ("abcd", True)])
def test_what_is_too_short_to_be_hidden_is_told(tmp_path: Path, value: str, *, hidden: bool) -> None:
    assert LogBook(tmp_path, Mask()).hide(value) is hidden


def test_a_line_that_announces_a_secret_is_in_no_log_and_holds_in_all(book: LogBook) -> None:
    first, second = book.open("a"), book.open("b")
    first.write(Stream.STDERR, b"out\n::add-mask::gehe")
    first.write(Stream.STDOUT, b"between\n")
    first.write(Stream.STDERR, b"imnis\ngeheimnis\n")
    second.write(Stream.STDOUT, b"Z2VoZWltbmlz\n")

    assert kept(first) == b"out\nbetween\n***\n"
    assert kept(second) == b"***\n"


def test_an_announced_value_that_is_too_short_is_told_once_in_a_line_of_our_own(book: LogBook) -> None:
    log = book.open("a")
    log.write(Stream.STDOUT, b"a\n::add-mask::xyz\nxyz\n")
    log.write(Stream.STDERR, b"::add-mask::z\n")
    log.close()

    notice = b"runner: a value of ::add-mask:: is too short to be masked: it has less than 4 bytes\n"
    assert kept(log) == b"a\nxyz\n" + notice
    assert [record.stream for record in indexed(log)] == [Stream.STDOUT, Stream.NOTICE]


def test_a_short_value_at_the_end_of_a_log_is_told_too(book: LogBook) -> None:
    log = book.open("a")
    log.write(Stream.STDOUT, b"::add-mask::xyz")
    log.close()

    assert kept(log).startswith(b"runner: a value of ::add-mask:: is too short")


def test_the_trace_of_a_command_that_announces_is_a_line_with_a_mask(book: LogBook) -> None:
    log = book.open("a")
    log.write(Stream.STDOUT, b"$ echo ::add-mask::$X\n::add-mask::geheimnis\n$ echo $X\ngeheimnis\n")

    assert kept(log) == b"$ echo ***\n$ echo $X\n***\n"


def test_an_announcement_that_a_gap_cuts_off_is_not_shown(book: LogBook) -> None:
    log = book.open("a")
    log.write(Stream.STDOUT, b"::add-mask::geheim")
    log.gap("the stream broke")
    log.write(Stream.STDOUT, b"::add-mask::another\nanother geheim\n")

    assert kept(log) == b"runner: output is missing here: the stream broke\n*** ***\n"


def test_what_looks_like_a_marker_to_its_end_is_kept_when_a_log_is_closed(book: LogBook) -> None:
    log = book.open("a")
    log.write(Stream.STDOUT, b"Password:")
    assert kept(log) == b"Password"

    log.close()

    assert kept(log) == b"Password:"
