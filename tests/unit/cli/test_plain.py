import io
import time
from datetime import UTC, datetime

import pytest

from runner.cli.plain import PlainFace
from runner.engine.events import Event, Notice, Printing
from runner.logs.index import Stream
from runner.plan.status import Status
from tests.support.faces import STORY, address, block, changed

NOW = datetime(2026, 1, 31, 12, 0, 0, 123_456, tzinfo=UTC)
GOLDEN = """\
pulling golang:1.24: 1,048,576 of 73,400,320 bytes
build/test: running
build/test: failure (exit code 3) in 1.7 s
build/test: running (attempt 1.2)
build/test: failure (attempt 1.2) (exit code 137) in 0.1 s: it was too big
build/later: skipped: status is failure
note: something is odd
note: build/test: could not remove the container
@services/cache: failure (exit code 1)
run 0badcafe: failure in 2.6 s: stage build: step test: it was too big
"""


def _shown(*, terminal: bool = False, lines: bytes = b"", stream: Stream = Stream.STDOUT) -> bytes:
    buffer = io.BytesIO()
    PlainFace(buffer, terminal=terminal).lines(address("build/test"), block(lines, stream))
    return buffer.getvalue()


def _told(*events: Event) -> list[str]:
    buffer = io.BytesIO()
    face = PlainFace(buffer, terminal=False)
    for event in events:
        face.event(event)
    return buffer.getvalue().decode().splitlines()


def test_a_run_is_told_in_lines_for_people() -> None:
    buffer = io.BytesIO()
    face = PlainFace(buffer, terminal=False)

    for event in STORY:
        face.event(event)

    assert buffer.getvalue().decode() == GOLDEN


class _Clock:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


def _timed(*, terminal: bool = False) -> tuple[PlainFace, io.BytesIO]:
    buffer = io.BytesIO()
    return PlainFace(buffer, terminal=terminal, timestamps=True, clock=_Clock()), buffer


def test_with_timestamps_every_line_begins_with_the_time_at_which_it_came() -> None:
    face, buffer = _timed()

    face.lines(address("build/test"), block(b"one\ntwo\n"))

    assert buffer.getvalue() == (
        b"2026-01-01T00:00:00.000Z build/test | one\n2026-01-01T00:00:00.000Z build/test | two\n"
    )


def test_with_timestamps_an_event_has_the_time_at_which_it_happened_and_not_at_which_it_is_shown() -> None:
    face, buffer = _timed()

    for event in (
        changed(address(), Status.RUNNING, at=0.0),
        changed(address("s/a"), Status.RUNNING, at=0.25),
        changed(address("s/a"), Status.SUCCESS, at=61.5),
        Notice("something is odd"),
    ):
        face.event(event)

    assert buffer.getvalue().decode().splitlines() == [
        "2026-01-31T12:00:00.373Z s/a: running",
        "2026-01-31T12:01:01.623Z s/a: success in 61.2 s",
        "2026-01-31T12:00:00.123Z note: something is odd",
    ]


def test_of_a_run_that_is_shown_later_it_is_known_when_it_began() -> None:
    buffer = io.BytesIO()
    begun = datetime(2026, 1, 1, 12, tzinfo=UTC)
    face = PlainFace(buffer, terminal=False, timestamps=True, clock=_Clock(), begun=begun)

    face.event(changed(address("s/a"), Status.RUNNING, at=0.25))

    assert buffer.getvalue() == b"2026-01-01T12:00:00.250Z s/a: running\n"


@pytest.mark.parametrize(("color", "shown"), [(True, b"\x1b[31mred\x1b[0m"), (False, b"red")])
def test_colours_reach_a_terminal_unless_they_are_not_wanted(color: bool, shown: bytes) -> None:  # noqa: FBT001 - a case
    buffer = io.BytesIO()

    PlainFace(buffer, terminal=True, color=color).lines(address("s/a"), block(b"\x1b[31mred\x1b[0m\n"))

    assert buffer.getvalue() == b"s/a | " + shown + b"\n"


def test_every_line_has_its_stage_and_step_before_it() -> None:
    assert _shown(lines=b"one\n\ntwo\n") == b"build/test | one\nbuild/test | \nbuild/test | two\n"


@pytest.mark.parametrize("stream", [Stream.STDOUT, Stream.STDERR])
def test_both_streams_look_the_same(stream: Stream) -> None:
    assert _shown(lines=b"one\n", stream=stream) == b"build/test | one\n"


def test_a_notice_in_a_log_says_once_that_it_is_ours() -> None:
    notice = b"runner: output is missing here: the stream broke\n"  # as `runner.logs` writes them

    assert _shown(lines=notice, stream=Stream.NOTICE) == b"build/test | " + notice


def test_in_a_pipe_bytes_stay_as_they_are() -> None:
    hostile = b"\x1b]52;c;aGVsbG8=\x07 \xff\x00 a\rb\n"

    assert _shown(lines=hostile) == b"build/test | " + hostile


@pytest.mark.parametrize("terminal", [True, False])
def test_markers_stay_as_they_are_printed_for_programs_that_read_them(terminal: bool) -> None:  # noqa: FBT001 - a case
    lines = b"::group::A\n::error file=a.c,line=1::x\n::endgroup::\n"

    shown = _shown(terminal=terminal, lines=lines)

    assert shown == b"".join(b"build/test | " + line for line in lines.splitlines(keepends=True))


def test_on_a_terminal_lines_can_colour_and_nothing_else() -> None:
    shown = _shown(terminal=True, lines=b"\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2J\xff\n")

    assert shown == "build/test | \x1b[31mred\x1b[0m \ufffd\n".encode()


def test_on_a_terminal_neither_names_nor_reasons_can_move_the_cursor() -> None:
    buffer = io.BytesIO()
    face = PlainFace(buffer, terminal=True)
    odd = address("build/\x1b[2Jtest")

    face.lines(odd, block(b"line\n"))
    face.event(changed(odd, Status.ERROR, reason="\x1b]0;title\x07no"))

    assert buffer.getvalue() == b"build/test | line\nbuild/test: error: no\n"


def test_a_name_that_is_not_unicode_is_shown_all_the_same() -> None:
    buffer = io.BytesIO()
    face = PlainFace(buffer, terminal=False)

    face.lines(address("build/\udce9"), block(b"line\n"))
    face.event(Notice("\ud800"))

    assert buffer.getvalue() == b"build/? | line\nnote: ?\n"


def test_that_a_log_begins_is_not_told() -> None:
    buffer = io.BytesIO()

    PlainFace(buffer, terminal=False).event(Printing(address("build/test"), "log"))

    assert buffer.getvalue() == b""


@pytest.mark.parametrize(
    ("status", "words"),
    [(Status.SUCCESS, "success"), (Status.TIMEOUT, "timeout"), (Status.CANCELLED, "cancelled"), (Status.LOST, "lost")],
)
def test_only_a_failure_shows_an_exit_code(status: Status, words: str) -> None:
    told = _told(
        changed(address("s/a"), Status.RUNNING, at=1.0), changed(address("s/a"), status, at=3.0, exit_code=143)
    )

    assert told == ["s/a: running", f"s/a: {words} in 2.0 s"]


def test_a_stage_that_could_not_run_is_told_once_and_its_steps_are_not() -> None:
    told = _told(
        changed(address("s/a"), Status.CANCELLED, reason="not started: stage x ended by an error"),
        changed(address("s"), Status.NOT_RUN, reason="stage x ended by an error"),
    )

    assert told == ["stage s: not_run: stage x ended by an error"]


@pytest.mark.parametrize("status", [Status.RUNNING, Status.SUCCESS, Status.FAILURE, Status.SKIPPED])
def test_a_stage_of_which_its_steps_tell_is_not_told(status: Status) -> None:
    assert _told(changed(address("s"), Status.RUNNING), changed(address("s"), status)) == []


def test_a_later_round_of_a_stage_is_told_as_an_attempt() -> None:
    buffer = io.BytesIO()

    PlainFace(buffer, terminal=False).event(changed(address("s/a", attempts=(2, 1)), Status.SUCCESS))

    assert buffer.getvalue() == b"s/a: success (attempt 2.1)\n"


def test_a_million_lines_pass_with_more_than_100_mb_a_second() -> None:
    data = (b"x" * 99 + b"\n") * 10_000
    face = PlainFace(io.BytesIO(), terminal=False)
    began = time.process_time()

    for _ in range(100):
        face.lines(address("build/test"), block(data))

    assert 100 * len(data) / (time.process_time() - began) > 100e6


def test_lines_that_stand_need_no_suspension() -> None:
    buffer = io.BytesIO()

    with PlainFace(buffer, terminal=True).suspended():
        assert buffer.getvalue() == b""
