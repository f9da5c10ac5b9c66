"""The one reader: every stream in order, none in the way of another."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest
import structlog

from runner.backends.docker.reader import Reader
from runner.errors import InfrastructureError
from tests.support.connections import connection_pair, frame


class Collected:
    """A sink that remembers, and can be told to fail."""

    def __init__(self, *, failing: bool = False) -> None:
        self.data: list[tuple[int, bytes]] = []
        self.calls = 0
        self.done = threading.Event()
        self.error: Exception | None = None
        self._failing = failing

    def write(self, stream: int, data: bytes) -> None:
        self.calls += 1
        if self._failing:
            raise RuntimeError("this sink fails")
        self.data.append((stream, data))

    def ended(self, error: Exception | None) -> None:
        self.error = error
        self.done.set()

    @property
    def out(self) -> bytes:
        return b"".join(data for stream, data in self.data if stream == 1)


@pytest.fixture
def reader() -> Iterator[Reader]:
    found = Reader()
    yield found
    found.close()


def test_a_stream_arrives_in_order_and_its_end_is_told(reader: Reader) -> None:
    connection, engine = connection_pair(ahead=frame(1, b"a"))
    sink = Collected()
    reader.register(connection, sink)
    engine.sendall(frame(2, b"b") + frame(1, b"c"))
    engine.close()

    assert sink.done.wait(5)
    assert (sink.data, sink.error) == ([(1, b"a"), (2, b"b"), (1, b"c")], None)
    assert connection.fileno() == -1


def test_many_streams_at_a_time_stay_apart(reader: Reader) -> None:
    pairs = [connection_pair() for _ in range(20)]
    sinks = [Collected() for _ in pairs]
    for (connection, _), sink in zip(pairs, sinks, strict=True):
        reader.register(connection, sink)
    for part in range(50):
        for number, (_, engine) in enumerate(pairs):
            engine.sendall(frame(1, b"%d.%d " % (number, part)))
    for _, engine in pairs:
        engine.close()

    assert all(sink.done.wait(5) for sink in sinks)
    for number, sink in enumerate(sinks):
        assert sink.out == b"".join(b"%d.%d " % (number, part) for part in range(50))


def test_a_sink_that_fails_is_drained_and_told_the_end_and_the_others_go_on(reader: Reader) -> None:
    bad, bad_engine = connection_pair()
    good, good_engine = connection_pair()
    failing, sink = Collected(failing=True), Collected()
    reader.register(bad, failing)
    reader.register(good, sink)
    with structlog.testing.capture_logs() as logged:
        for _ in range(100):
            bad_engine.sendall(frame(1, b"x" * 100_000))
        good_engine.sendall(frame(1, b"fine"))
        bad_engine.close()
        good_engine.close()
        assert failing.done.wait(5)
        assert sink.done.wait(5)

    assert failing.calls == 1
    assert sink.out == b"fine"
    assert [entry["log_level"] for entry in logged] == ["error"]


def test_what_is_no_stream_of_frames_ends_with_the_error(reader: Reader) -> None:
    connection, engine = connection_pair()
    sink = Collected()
    reader.register(connection, sink)
    engine.sendall(b"HTTP/1.1 500 Oops")

    assert sink.done.wait(5)
    assert isinstance(sink.error, InfrastructureError)
    engine.close()


def test_the_body_of_a_log_ends_with_its_last_chunk_although_the_connection_stays(reader: Reader) -> None:
    connection, engine = connection_pair(chunked=True)
    sink = Collected()
    reader.register(connection, sink)
    body = frame(1, b"logged")
    engine.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))

    assert sink.done.wait(5)
    assert sink.out == b"logged"
    engine.close()


def test_an_unregistered_sink_hears_nothing_more_and_its_connection_is_closed(reader: Reader) -> None:
    connection, engine = connection_pair()
    sink = Collected()
    reader.register(connection, sink)
    engine.sendall(frame(1, b"before"))
    while not sink.calls:
        time.sleep(0.001)
    reader.unregister(connection)
    deadline = time.monotonic() + 5
    while connection.fileno() != -1:
        assert time.monotonic() < deadline
        time.sleep(0.001)

    assert not sink.done.is_set()
    assert sink.out == b"before"
    reader.unregister(connection)
    engine.close()


def test_a_connection_that_was_never_registered_is_closed(reader: Reader) -> None:
    connection, engine = connection_pair()
    reader.unregister(connection)

    assert connection.fileno() == -1
    engine.close()


def test_an_idle_reader_uses_no_processor(reader: Reader) -> None:
    connection, engine = connection_pair()
    reader.register(connection, Collected())
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)

    assert time.process_time() - before < 0.05
    engine.close()


def test_closing_closes_every_connection_and_leaves_no_descriptor() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    reader = Reader()
    pairs = [connection_pair() for _ in range(5)]
    for connection, _ in pairs:
        reader.register(connection, Collected())
    reader.close()
    for _, engine in pairs:
        engine.close()

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_descriptor_is_told_once_when_it_can_be_read_and_then_belongs_to_whoever_was_told() -> None:
    (read, write), told, reader = os.pipe(), SimpleQueue[int](), Reader()
    reader.watch(read, told.put)
    with pytest.raises(Empty):
        told.get(timeout=0.05)

    os.write(write, b"x")

    assert told.get(timeout=5) == read
    with pytest.raises(Empty):
        told.get(timeout=0.05)
    reader.close()
    assert os.read(read, 1) == b"x"
    os.close(read)
    os.close(write)


def test_streams_go_on_when_whoever_waits_for_a_descriptor_fails(reader: Reader) -> None:
    (read, write), failed = os.pipe(), threading.Event()
    connection, engine = connection_pair()
    sink = Collected()
    reader.register(connection, sink)

    def fail(descriptor: int) -> None:
        os.close(descriptor)
        failed.set()
        raise RuntimeError("it fails")

    with structlog.testing.capture_logs() as logged:
        reader.watch(read, fail)
        os.close(write)
        assert failed.wait(5)
        engine.sendall(frame(1, b"fine"))
        engine.close()
        assert sink.done.wait(5)

    assert sink.out == b"fine"
    assert [entry["log_level"] for entry in logged] == ["error"]


def test_closing_closes_what_is_watched_also_what_comes_too_late() -> None:
    pipes, told = [os.pipe() for _ in range(2)], threading.Event()
    reader = Reader()
    reader.watch(pipes[0][0], lambda _: told.set())
    reader.close()
    reader.watch(pipes[1][0], lambda _: told.set())

    for _, write in pipes:
        with pytest.raises(BrokenPipeError):
            os.write(write, b"x")
        os.close(write)
    assert not told.is_set()


@pytest.mark.parametrize(
    ("lines", "rate"),
    [
        # One line a frame is the worst case, and the engine itself is slower there.
        (1, 30e6),
        (300, 150e6),
    ],
)
def test_a_hundred_megabytes_go_through_fast(reader: Reader, lines: int, rate: float) -> None:
    block = frame(1, (b"x" * 99 + b"\n") * lines) * (3000 // lines)
    connection, engine = connection_pair()
    sink = Counted()
    reader.register(connection, sink)
    began = time.monotonic()
    for _ in range(334):
        engine.sendall(block)
    engine.close()
    assert sink.done.wait(30)
    took = time.monotonic() - began

    assert sink.size == 334 * 300_000
    assert sink.size / took > rate, f"{sink.size / took / 1e6:.0f} MB/s"


class Counted(Collected):
    """A sink that only counts."""

    size = 0

    def write(self, stream: int, data: bytes) -> None:
        self.size += len(data)
