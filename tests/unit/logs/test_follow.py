"""Reading logs back: every line arrives, in order, whole, however it was written and whenever one looks."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.logs.files import LogBook
from runner.logs.follow import Block, Follower, read
from runner.logs.index import Stream, log_file
from runner.logs.lines import CONTINUED, LONGEST
from runner.logs.mask import Mask
from tests.support.descriptors import open_files


class StoppedClock:
    """A clock that moves when the test says so."""

    def __init__(self) -> None:
        self.time = datetime(2024, 5, 1, 10, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def move(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def book(tmp_path: Path, clock: StoppedClock) -> LogBook:
    return LogBook(tmp_path, Mask(), clock=clock)


def shown(blocks: Iterable[Block]) -> list[tuple[str, int, bytes]]:
    return [(block.log, block.stream, block.data) for block in blocks]


def by_stream(blocks: Iterable[Block]) -> dict[tuple[str, int], bytes]:
    streams: defaultdict[tuple[str, int], bytes] = defaultdict(bytes)
    for block in blocks:
        assert block.data.endswith(b"\n")
        streams[block.log, block.stream] += block.data
    return dict(streams)


@pytest.mark.parametrize("chunk", [100, 1 << 15, 1 << 22])
def test_a_flood_is_given_in_blocks_that_are_neither_large_nor_many(book: LogBook, chunk: int) -> None:
    data = b"".join(b"%099d\n" % number for number in range(20_000))
    log = book.open("build")
    for begin in range(0, len(data), chunk):
        log.write(Stream.STDOUT, data[begin : begin + chunk])

    blocks = [block.data for block in Follower(book).poll()]

    assert b"".join(blocks) == data
    assert max(map(len, blocks)) <= (128 << 10) + LONGEST
    assert len(blocks) < 25


def test_lines_are_given_once_when_they_are_there(book: LogBook) -> None:
    log = book.open("build")
    follower = Follower(book)
    log.write(Stream.STDOUT, b"one\n")
    assert shown(follower.poll()) == [("build", 1, b"one\n")]

    log.write(Stream.STDOUT, b"two\nthree\n")

    assert shown(follower.poll()) == [("build", 1, b"two\nthree\n")]
    assert shown(follower.poll()) == []


def test_a_log_that_is_opened_later_is_followed_too(book: LogBook) -> None:
    follower = Follower(book)
    assert shown(follower.poll()) == []
    book.open("later").write(Stream.STDERR, b"one\n")

    assert shown(follower.poll()) == [("later", 2, b"one\n")]


def test_an_incomplete_line_is_given_when_its_log_is_closed(book: LogBook) -> None:
    log = book.open("build")
    follower = Follower(book)
    log.write(Stream.STDOUT, b"no newline")
    assert shown(follower.poll()) == []

    log.close()

    assert shown(follower.poll()) == [("build", 1, b"no newline\n")]
    assert shown(follower.poll()) == []


def test_an_incomplete_line_is_given_at_once_when_asked_for(book: LogBook) -> None:
    log = book.open("build")
    follower = Follower(book)
    log.write(Stream.STDOUT, b"Continue? [y/n] ")

    assert shown(follower.poll(partial=True)) == [("build", 1, b"Continue? [y/n] \n")]
    assert shown(follower.poll(partial=True)) == []


def test_a_line_that_is_held_back_with_its_end_is_not_shown_in_two(book: LogBook) -> None:
    book.hide("e\nxample-of-two-lines")
    log = book.open("build")
    follower = Follower(book)
    log.write(1, b"the whole line\n")

    assert shown(follower.poll(partial=True)) == []

    log.write(1, b"and the next\n")
    assert shown(follower.poll(partial=True)) == [("build", 1, b"the whole line\nand the next\n")]


def test_lines_of_two_streams_are_not_glued_together(book: LogBook) -> None:
    log = book.open("build")
    log.write(Stream.STDOUT, b"out: begun, ")
    log.write(Stream.STDERR, b"error: whole\nerror: begun, ")
    log.write(Stream.STDOUT, b"ended\n")
    log.write(Stream.STDERR, b"ended\n")

    assert shown(Follower(book).poll()) == [
        ("build", 2, b"error: whole\n"),
        ("build", 1, b"out: begun, ended\n"),
        ("build", 2, b"error: begun, ended\n"),
    ]


def test_what_stands_before_and_after_a_gap_is_not_glued_together(book: LogBook) -> None:
    log = book.open("build")
    log.write(Stream.STDOUT, b"before ")
    log.gap("the connection was lost")
    log.write(Stream.STDOUT, b"after\n")

    assert shown(Follower(book).poll()) == [
        ("build", 1, b"before \n"),
        ("build", 0, b"runner: output is missing here: the connection was lost\n"),
        ("build", 1, b"after\n"),
    ]


def test_blocks_of_many_logs_come_in_order_of_arrival(book: LogBook, clock: StoppedClock) -> None:
    logs = [book.open(name) for name in ("a", "b", "c")]
    for number in range(6):
        logs[number * 2 % 3].write(Stream.STDOUT, b"%d\n" % number)
        clock.move(1)

    blocks = list(Follower(book).poll())

    assert [(block.log, block.data) for block in blocks] == [
        ("acb"[number % 3], b"%d\n" % number) for number in range(6)
    ]
    assert [block.time.second for block in blocks] == [0, 1, 2, 3, 4, 5]
    assert blocks[0].time == datetime(2024, 5, 1, 10, tzinfo=UTC)


def test_chunks_of_the_same_moment_are_one_block_and_others_keep_their_time(book: LogBook, clock: StoppedClock) -> None:
    log = book.open("build")
    for _ in range(2):
        for _ in range(100):
            log.write(Stream.STDOUT, b"line\n")
        clock.move(0.5)

    blocks = list(Follower(book).poll())

    assert [block.data for block in blocks] == [b"line\n" * 100] * 2
    assert blocks[1].time - blocks[0].time == timedelta(seconds=0.5)


def test_a_clock_that_jumps_back_changes_no_order_within_a_log(book: LogBook, clock: StoppedClock) -> None:
    log = book.open("build")
    for number in range(5):
        log.write(Stream.STDOUT, b"%d\n" % number)
        clock.move(-3600)

    assert b"".join(block.data for block in Follower(book).poll()) == b"0\n1\n2\n3\n4\n"


def test_a_log_that_is_opened_again_is_followed_from_where_it_was_read_to(book: LogBook) -> None:
    follower = Follower(book)
    book.open("build").write(Stream.STDOUT, b"one\n")
    assert shown(follower.poll()) == [("build", 1, b"one\n")]

    book.open("build").write(Stream.STDOUT, b"two\n")
    book.open("build").write(Stream.STDOUT, b"three\n")

    assert shown(follower.poll()) == [("build", 1, b"two\nthree\n")]


def test_a_new_follower_sees_what_an_earlier_process_wrote(book: LogBook, tmp_path: Path) -> None:
    book.open("build").write(Stream.STDOUT, b"one\n")
    book.close()
    again = LogBook(tmp_path, Mask())
    again.open("build").write(Stream.STDOUT, b"two\n")

    assert by_stream(Follower(again).poll()) == {("build", 1): b"one\ntwo\n"}


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_poll_that_is_broken_off_loses_nothing(book: LogBook, clock: StoppedClock, seconds: int) -> None:
    lines = [b"%d " % number + b"x" * 60_000 + b"\n" for number in range(50)]
    log = book.open("build")
    for line in lines:
        log.write(Stream.STDOUT, line)
        clock.move(seconds)
    log.close()
    follower = Follower(book)
    first = next(iter(follower.poll()))

    rest = list(follower.poll())

    assert b"".join(block.data for block in (first, *rest)) == b"".join(lines)


def test_a_follower_holds_files_only_of_logs_that_are_open(book: LogBook) -> None:
    before = open_files()
    follower = Follower(book)
    for number in range(10):
        log = book.open(f"step {number}")
        log.write(Stream.STDOUT, b"x\n")
        list(follower.poll())
        log.close()
        list(follower.poll())
    assert open_files() == before

    book.open("last").write(Stream.STDOUT, b"x\n")
    list(follower.poll())
    follower.close()
    book.close()

    assert open_files() == before


def test_waiting_is_over_at_once_when_there_is_something_to_poll(book: LogBook) -> None:
    follower = Follower(book)
    list(follower.poll())
    assert not follower.wait(0)

    book.open("build").write(Stream.STDOUT, b"x\n")

    assert follower.wait(0)


def test_an_endless_line_is_followed_in_pieces_with_bounded_memory(book: LogBook) -> None:
    log = book.open("build")
    for _ in range(40):
        log.write(Stream.STDOUT, b"x" * 100_000)
    log.close()

    blocks = list(Follower(book).poll())

    data = b"".join(block.data for block in blocks)
    assert max(len(block.data) for block in blocks) < 1_200_000
    assert max(map(len, data.split(b"\n"))) == LONGEST + len(CONTINUED)
    assert data.replace(CONTINUED + b"\n", b"") == b"x" * 4_000_000 + b"\n"


def test_a_chunk_larger_than_a_block_arrives_whole(book: LogBook) -> None:
    data = b"".join(b"%d\n" % number for number in range(600_000))
    book.open("build").write(Stream.STDOUT, data)

    assert by_stream(Follower(book).poll()) == {("build", 1): data}


UNMARKED = st.binary(max_size=20).filter(lambda data: b":" not in data)


@given(
    chunks=st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from([Stream.STDOUT, Stream.STDERR]), UNMARKED),
        max_size=30,
    ),
    polls=st.sets(st.integers(0, 30)),
)
def test_followed_live_or_read_later_every_byte_of_every_stream_arrives(
    chunks: list[tuple[str, Stream, bytes]], polls: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    book = LogBook(tmp_path_factory.mktemp("logs"), Mask())
    follower = Follower(book)
    logs = {name: book.open(name) for name in "ab"}
    sent: defaultdict[tuple[str, int], bytes] = defaultdict(bytes)
    live: list[Block] = []
    for number, (name, stream, data) in enumerate(chunks):
        logs[name].write(stream, data)
        sent[name, stream] += data
        if number in polls:
            live += follower.poll()
    book.close()
    live += follower.poll()
    later = [block for name in "ab" for block in read(book.path(name), name)]

    whole = {key: (data if data.endswith(b"\n") else data + b"\n") for key, data in sent.items() if data}
    expected = {key: data.replace(b"\r\n", b"\n") for key, data in whole.items()}
    assert by_stream(live) == by_stream(later) == expected


def test_a_viewer_beside_many_writers_gets_every_line_in_order(tmp_path: Path) -> None:
    mask = Mask()
    mask.add(b"hunter22")
    book = LogBook(tmp_path, mask)
    follower = Follower(book)
    streams = (Stream.STDOUT, Stream.STDERR)

    def write(name: str) -> None:
        random = Random(name)
        log = book.open(name)
        rest = dict.fromkeys(streams, b"".join(b"%d hunter22\n" % number for number in range(5000)))
        while any(rest.values()):
            stream = random.choice(streams)
            size = random.choice([1, 5, 20, 300, 5000])
            log.write(stream, rest[stream][:size])
            rest[stream] = rest[stream][size:]
        log.close()

    writers = [threading.Thread(target=write, args=(f"step {number}",)) for number in range(4)]
    for writer in writers:
        writer.start()
    blocks: list[Block] = []
    while any(writer.is_alive() for writer in writers):
        follower.wait(0.05)
        blocks += follower.poll()
    blocks += follower.poll()

    lines = b"".join(b"%d ***\n" % number for number in range(5000))
    assert by_stream(blocks) == {(f"step {number}", stream): lines for number in range(4) for stream in streams}


def test_a_slow_viewer_does_not_hold_up_the_writer(book: LogBook) -> None:
    log = book.open("build")
    log.write(Stream.STDOUT, b"x\n" * 1000)
    blocks = Follower(book).poll()
    next(blocks)  # stands in the middle of a poll from here on
    begun = time.monotonic()
    for _ in range(100):
        log.write(Stream.STDOUT, b"x\n" * 1000)
    log.close()

    assert time.monotonic() - begun < 2
    assert log_file(log.path).stat().st_size == 101 * 2000


def test_more_may_come_of_a_log_until_the_end_of_one_that_is_closed_was_given(book: LogBook) -> None:
    follower = Follower(book)
    log = book.open("one")
    list(follower.poll())
    assert (follower.follows("one"), follower.follows("another")) == (True, False)
    log.write(Stream.STDOUT, b"half")
    log.close()
    assert follower.follows("one")

    assert shown(follower.poll()) == [("one", Stream.STDOUT, b"half\n")]
    assert not follower.follows("one")
    book.open("one").write(Stream.STDOUT, b"more\n")

    assert shown(follower.poll()) == [("one", Stream.STDOUT, b"more\n")]
    assert follower.follows("one")
    follower.close()


def test_reading_a_log_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(read(tmp_path / "none"))


def test_a_million_lines_are_written_and_read_within_seconds(book: LogBook) -> None:
    data = b"".join(b"%09d " % number + b"x" * 89 + b"\n" for number in range(1_000_000))
    chunks = [data[begin : begin + 32768] for begin in range(0, len(data), 32768)]
    log = book.open("build")
    begun = time.perf_counter()
    for chunk in chunks:
        log.write(Stream.STDOUT, chunk)
    log.close()
    written = time.perf_counter()
    prefix = b"stage/step | "
    prefixed = [prefix + block.data.replace(b"\n", b"\n" + prefix) for block in Follower(book).poll()]
    done = time.perf_counter()

    assert written - begun < 3  # 0.2 s on a calm machine
    assert done - written < 3  # 0.2 s on a calm machine
    assert sum(block.count(b"\n") for block in prefixed) == 1_000_000
    assert b"".join(block.removesuffix(prefix) for block in prefixed).replace(prefix, b"") == data
