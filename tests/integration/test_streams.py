"""Output: all of it arrives, fast and in little memory, and what a broken stream loses is read again or stated."""

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.backends.docker.attach import attach, logs, pieces
from runner.backends.docker.frames import Frames
from runner.engine.backend import STDERR, STDOUT, Ending, Signal
from tests.support.attempts import Recorder, Stand, build_images, wait_for

LINE = "0123456789" * 9 + "012345678"  # 99 bytes and a line end
LAZY_LINES = 'i=0; while [ $i -lt 40 ]; do echo "line $i"; printf "\\377%s\\n" "$i" >&2; i=$((i+1)); sleep 0.05; done'


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    build_images()
    with Stand() as found:
        yield found


@pytest.fixture(scope="module")
def logged() -> Iterator[Stand]:
    build_images()
    with Stand(log_driver="json-file") as found:
        yield found


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def cut(stand: Stand, recorder: Recorder) -> None:
    """Break the stream of the only attempt that has put something out."""
    wait_for(recorder.first.is_set)
    for attempt in stand.containers._all():
        assert attempt.connection is not None
        attempt.connection.shut()


@pytest.mark.alone
def test_a_hundred_megabytes_arrive_whole_fast_and_without_memory(stand: Stand) -> None:
    block = f"{LINE}\n" * 10_000
    spec = stand.step(f"yes {LINE} | head -n 10000 >/tmp/block", "for i in $(seq 100); do cat /tmp/block; done")
    trace = "".join(f"$ {command}\n" for command in spec.commands)
    expected = hashlib.sha256(trace.encode())
    for _ in range(100):
        expected.update(block.encode())
    before = resident()
    address, recorder = stand.begin(spec, keep=False)
    wait_for(recorder.first.is_set)
    began = time.monotonic()
    ending = stand.end(address, recorder)
    took = time.monotonic() - began
    stand.containers.discard(address)

    assert ending == Ending(exit_code=0)
    assert recorder.size == 100 * len(block) + len(trace)
    assert recorder.digest[STDOUT].digest() == expected.digest()
    assert recorder.gaps == []
    assert resident() - before < 32 << 20
    assert took < 5


def test_a_million_short_lines_arrive_whole(stand: Stand) -> None:
    spec = stand.step("seq 1000000")
    ending, recorder = stand.run_through(spec, keep=False)
    expected = hashlib.sha256(b"$ seq 1000000\n" + b"".join(b"%d\n" % number for number in range(1, 1_000_001)))

    assert ending == Ending(exit_code=0)
    assert recorder.digest[STDOUT].digest() == expected.digest()


def test_streams_are_kept_apart_and_bytes_are_not_touched(stand: Stand) -> None:
    ending, recorder = stand.commands("printf '\\000\\377\\r\\033[0m no end'; printf 'e\\n\\n' >&2")

    assert ending == Ending(exit_code=0)
    assert recorder.out.endswith(b"\n\x00\xff\r\x1b[0m no end")
    assert recorder.err == b"e\n\n"


def test_what_a_background_program_writes_arrives_until_the_end(stand: Stand) -> None:
    ending, recorder = stand.commands("(sleep 0.2; echo late) & echo early; sleep 0.4")

    assert ending == Ending(exit_code=0)
    assert recorder.out.endswith(b"early\nlate\n")


def test_many_streams_are_read_at_a_time(stand: Stand) -> None:
    running = [stand.begin(stand.step(f"seq {number}000 | tail -n 3; sleep 1")) for number in range(1, 9)]
    endings = [stand.end(address, recorder) for address, recorder in running]
    for address, _ in running:
        stand.containers.discard(address)

    assert endings == [Ending(exit_code=0)] * 8
    assert [recorder.out.split()[-1] for _, recorder in running] == [b"%d000" % number for number in range(1, 9)]


def test_a_stream_that_broke_is_read_on_from_the_engines_log_without_loss(logged: Stand) -> None:
    address, recorder = logged.begin(logged.step(LAZY_LINES))
    cut(logged, recorder)
    wait_for(lambda: logged.containers.conclude(address) is None and b"line 5\n" in recorder.out)
    cut(logged, recorder)
    ending = logged.end(address, recorder)
    logged.containers.discard(address)

    assert ending == Ending(exit_code=0)
    assert recorder.out.decode().split("\n", 1)[1] == "".join(f"line {number}\n" for number in range(40))
    assert [line.removeprefix(b"\xff").removeprefix("\ufffd".encode()) for line in recorder.err.split(b"\n")] == [
        *(b"%d" % number for number in range(40)),
        b"",
    ]
    assert recorder.gaps == []


def test_output_goes_on_arriving_while_the_step_runs_after_its_stream_broke(logged: Stand) -> None:
    address, recorder = logged.begin(logged.step("echo one; sleep 2; echo two; sleep 30"))
    wait_for(lambda: b"\none\n" in recorder.out)
    cut(logged, recorder)
    recorder.woken.wait(5)
    assert logged.containers.conclude(address) is None
    wait_for(lambda: recorder.out.endswith(b"\none\ntwo\n"))
    assert logged.containers.conclude(address) is None
    logged.containers.signal(address, Signal.KILL)
    ending = logged.end(address, recorder)
    logged.containers.discard(address)

    assert ending.exit_code == 137


def test_a_flood_whose_stream_breaks_in_the_middle_is_whole(logged: Stand) -> None:
    address, recorder = logged.begin(logged.step("seq 300000; echo done >&2"))
    wait_for(lambda: recorder.lines > 1000)
    cut(logged, recorder)
    ending = logged.end(address, recorder)
    logged.containers.discard(address)

    assert ending == Ending(exit_code=0)
    assert recorder.out == b"$ seq 300000; echo done >&2\n" + b"".join(b"%d\n" % n for n in range(1, 300_001))
    assert recorder.err == b"done\n"
    assert recorder.gaps == []


def test_a_stream_that_broke_without_a_log_leaves_a_stated_gap_and_the_status_stands(stand: Stand) -> None:
    address, recorder = stand.begin(stand.step(LAZY_LINES + "; exit 5"))
    cut(stand, recorder)
    ending = stand.end(address, recorder)
    stand.containers.discard(address)

    assert ending == Ending(exit_code=5)
    assert recorder.gaps == ["the stream broke; what the step wrote meanwhile is missing"]
    assert recorder.out.endswith(b"line 39\n")


def test_a_stream_that_broke_right_before_the_end_leaves_a_stated_gap(stand: Stand) -> None:
    address, recorder = stand.begin(stand.step("echo one; sleep 0.3; echo two"))
    wait_for(lambda: recorder.out.endswith(b"\none\n"))
    cut(stand, recorder)
    ending = stand.end(address, recorder)
    stand.containers.discard(address)

    assert ending == Ending(exit_code=0)
    assert recorder.gaps == ["the stream broke; what the step wrote afterwards is missing"]


def test_observing_a_log_gives_frames_as_attaching_does(logged: Stand) -> None:
    spec = logged.step("seq 5000; seq 3 >&2")
    address, recorder = logged.begin(spec)
    logged.end(address, recorder)
    container = logged.containers._known(address).container
    frames = Frames()
    found = {STDOUT: b"", STDERR: b""}
    connection = logs(logged.api, container, follow=True)
    for piece in pieces(connection, 5):
        for stream, data in frames.feed(piece):
            found[stream] += data
    connection.close()
    logged.containers.discard(address)

    assert found == {STDOUT: recorder.out, STDERR: recorder.err}


def test_a_closed_attachment_leaves_no_descriptor(stand: Stand) -> None:
    address, recorder = stand.begin(stand.step("sleep 60"))
    container = stand.containers._known(address).container
    before = descriptors()
    for _ in range(5):
        attach(stand.api, container, stdin=False).close()
    after = descriptors()
    stand.containers.signal(address, Signal.KILL)
    stand.end(address, recorder)
    stand.containers.discard(address)

    assert after <= before + 1
