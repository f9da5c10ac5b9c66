"""Logs that an earlier process has written, and changes that others hear of."""

import threading
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from runner.logs.files import Changes, LogBook
from runner.logs.follow import Follower
from runner.logs.index import Stream
from runner.logs.markers import MARKER
from runner.logs.mask import Mask


def _book(tmp_path: Path) -> LogBook:
    return LogBook(tmp_path / "logs", Mask())


def _lines(follower: Follower) -> list[tuple[str, bytes]]:
    return [(block.log, block.data) for block in follower.poll()]


@pytest.fixture
def older(tmp_path: Path) -> LogBook:
    """The logs of a process that has died."""
    book = _book(tmp_path)
    book.open("a").write(Stream.STDOUT, b"one\ntwo")
    book.open("b").write(Stream.STDERR, b"three\n")
    return book


def test_readers_see_what_an_earlier_process_has_written(older: LogBook, tmp_path: Path) -> None:
    book = _book(tmp_path)

    book.recall(["a", "b"])

    assert _lines(Follower(book)) == [("a", b"one\n"), ("a", b"two\n"), ("b", b"three\n")]
    assert [log.closed for log in book.opened()] == [True, True]


def test_of_a_log_that_was_never_written_there_is_nothing(older: LogBook, tmp_path: Path) -> None:
    book = _book(tmp_path)

    book.recall(["none", "a"])

    assert [log.name for log in book.opened()] == ["a"]
    assert not list((tmp_path / "logs").glob("none*"))


def test_a_log_that_was_recalled_is_continued_by_whoever_opens_it(older: LogBook, tmp_path: Path) -> None:
    book = _book(tmp_path)
    book.recall(["a"])

    log = book.open("a")
    log.write(Stream.STDOUT, b" and a half\nthree\n")
    log.close()

    assert b"".join(data for _, data in _lines(Follower(book))) == b"one\ntwo and a half\nthree\n"


@given(
    pieces=st.lists(st.binary(max_size=6), max_size=6),
    again=st.lists(st.integers(1, 6), max_size=8),
    kept=st.integers(0, 40),
)
def test_what_comes_again_from_its_first_byte_on_is_not_kept_twice(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], again: list[int], kept: int
) -> None:
    tmp_path = tmp_path_factory.mktemp("again")
    data = b"".join(pieces)
    assume(not any(data[:kept].endswith(MARKER[:size]) for size in range(1, len(MARKER))))
    first = _book(tmp_path).open("a")
    first.write(Stream.STDOUT, data[:kept])
    first.close()

    second = _book(tmp_path).open("a")
    second.anew()
    position = 0
    for size in (*again, len(data)):
        second.write(Stream.STDOUT, data[position : position + size])
        position += size
    second.close()

    assert (tmp_path / "logs" / "a.log").read_bytes() == data


def test_what_may_begin_a_marker_as_its_log_is_closed_is_rather_kept_twice_than_its_value_shown(tmp_path: Path) -> None:
    data = b"::add-mask::hunter2\nthe word is hunter2\n"
    first = _book(tmp_path).open("a")
    first.write(Stream.STDOUT, data[:8])
    first.close()

    second = _book(tmp_path).open("a")
    second.anew()
    second.write(Stream.STDOUT, data)
    second.close()

    assert (tmp_path / "logs" / "a.log").read_bytes() == data[:8] + b"the word is ***\n"


def test_a_secret_that_was_told_after_it_was_printed_costs_no_line_when_all_comes_again(tmp_path: Path) -> None:
    secret, told = b"the word is hunter2\n", b"".join(b"line %d\n" % number for number in range(9))
    first = _book(tmp_path).open("a")
    first.write(Stream.STDOUT, secret)
    first.write(Stream.STDOUT, told[:20])
    first.close()

    again = _book(tmp_path)
    again.hide("word is hunter2")
    second = again.open("a")
    second.anew()
    second.write(Stream.STDOUT, secret + told)
    second.close()

    assert (tmp_path / "logs" / "a.log").read_bytes() == secret + told


def test_each_stream_comes_again_by_itself(tmp_path: Path) -> None:
    first = _book(tmp_path).open("a")
    first.write(Stream.STDOUT, b"out 1\n")
    first.write(Stream.STDERR, b"err 1\n")
    first.close()

    second = _book(tmp_path).open("a")
    second.anew()
    for stream, data in (
        (Stream.STDERR, b"err 1\nerr 2\n"),
        (Stream.STDOUT, b"out 1\n"),
        (Stream.STDOUT, b"out 2\n"),
    ):
        second.write(stream, data)
    second.close()

    assert (tmp_path / "logs" / "a.log").read_bytes() == b"out 1\nerr 1\nerr 2\nout 2\n"


def test_a_gap_before_what_comes_again_is_kept_and_nothing_of_the_output_is_lost_for_it(tmp_path: Path) -> None:
    first = _book(tmp_path).open("a")
    first.write(Stream.STDOUT, b"one\n")
    first.gap("the engine was away")
    first.close()

    second = _book(tmp_path).open("a")
    second.anew()
    second.write(Stream.STDOUT, b"one\ntwo\n")
    second.close()

    assert (tmp_path / "logs" / "a.log").read_bytes() == (
        b"one\nrunner: output is missing here: the engine was away\ntwo\n"
    )


def test_a_listener_hears_every_change_in_its_block_and_none_after_it() -> None:
    changes, heard = Changes(), [0, 0]

    def first() -> None:
        heard[0] += 1

    def second() -> None:
        heard[1] += 1

    with changes.heard(first):
        changes.bump()
        with changes.heard(second):
            changes.bump()
        changes.bump()
    changes.bump()

    assert heard == [3, 1]


def test_a_listener_may_wait_for_and_make_changes_itself() -> None:
    """It is called outside the lock, so nobody waits for ever."""
    changes, over = Changes(), threading.Event()

    def listen() -> None:
        assert changes.wait(-1, 0.0)
        if changes.version < 3:
            changes.bump()
        else:
            over.set()

    with changes.heard(listen):
        threading.Thread(target=changes.bump).start()
        assert over.wait(10)
