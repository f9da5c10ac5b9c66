import io
import os
import pty
import threading
import time
from pathlib import Path

import pytest

from runner.cli.live.face import REDRAW_SECONDS, LiveFace, size_of
from runner.cli.live.words import Signs
from runner.cli.plain import PlainFace
from runner.cli.printer import Face, Printer
from runner.engine.events import Notice, Printing
from runner.logs.files import LogBook
from runner.logs.index import Stream
from runner.logs.mask import Mask
from runner.plan.model import Fork
from runner.plan.status import Status
from tests.support.faces import STORY, address, block, changed, pulling, service
from tests.support.hooked import DEADLINE
from tests.support.live import Show
from tests.support.plans import plan, stage, step
from tests.support.plans import service as a_service
from tests.support.terminal import Terminal

PLAN = plan(stage("build", step("test", retry=1), step("later")), services=(a_service("db"), a_service("cache")))
DASH = Signs().passed
FLOOD = (b"x" * 99 + b"\n") * 10_000


def _show(columns: int = 80, lines: int = 24, *, color: bool = False) -> Show:
    return Show(PLAN, columns, lines, color=color).at(0).now(address(), Status.RUNNING)


def test_lines_stand_above_the_tree() -> None:
    show = _show().prints("build/test", "one\n\ntwo\n")
    show.face.flush()

    assert show.terminal.screen[:4] == [
        "build/test | one",
        "build/test |",
        "build/test | two",
        "● run 0badcafe: running  0 s · 0 of 2 steps",
    ]


def test_time_ticks_while_nothing_happens() -> None:
    show = _show()
    show.face.flush()
    show.at(7).face.flush()

    assert show.terminal.screen[0] == "● run 0badcafe: running  7 s · 0 of 2 steps"


def test_nothing_is_written_while_nothing_changes() -> None:
    show = _show()
    show.face.flush()
    written = len(show.terminal.writes)
    show.at(0.5).face.flush()

    assert len(show.terminal.writes) == written


def test_it_is_drawn_at_most_ten_times_a_second_and_waits_for_what_else_may_come() -> None:
    show = _show()
    for number in range(100):
        show.prints("build/test", f"{number}\n")
        show.face.flush()

    assert show.clock.time - 1000.0 >= 99 * REDRAW_SECONDS - 0.01
    assert len(show.terminal.writes) == 100
    assert show.terminal.everything[99] == "build/test | 99"


def test_it_does_not_wait_when_there_is_nothing_to_show() -> None:
    show = _show()
    show.face.flush()
    show.face.flush()

    assert show.pauses == []


def test_many_lines_are_written_before_a_redraw_is_due() -> None:
    show = _show()
    show.face.flush()
    show.face.lines(address("build/test"), block(FLOOD[:70_000]))

    assert len(show.terminal.writes) == 2
    assert show.pauses == []


def test_a_flood_without_a_flush_keeps_the_tree_up_to_date() -> None:
    show = _show()
    for second in range(3):
        show.at(second).face.lines(address("build/test"), block(FLOOD[:70_000]))

    assert "run 0badcafe: running  2 s" in "\n".join(show.terminal.screen)


def test_endings_and_notices_stay_as_lines_and_beginnings_do_not() -> None:
    show = _show().tell(*STORY[:-1])
    show.face.flush()

    head = next(number for number, line in enumerate(show.terminal.everything) if "run 0badcafe" in line)
    assert show.terminal.everything[:head] == [
        "build/test: failure (exit code 3) in 1.7 s",
        "build/test: failure (attempt 1.2) (exit code 137) in 0.1 s: it was too big",
        "build/later: skipped: status is failure",
        "note: something is odd",
        "note: build/test: could not remove the container",
        "@services/cache: failure (exit code 1)",
    ]


def test_at_the_end_the_tree_stays_with_the_last_line_of_plain_output_under_it() -> None:
    show = _show().tell(*STORY)
    show.face.flush()

    assert show.terminal.screen[-6:] == [
        "✗ build               1.4 s",
        "  ✗ test              0.1 s  attempt 2 of 2, exit code 137: it was too big",
        f"  {DASH} later                    skipped: status is failure",
        f"{DASH} db (service)        1.5 s  it ended with the run",
        "✗ cache (service)            exit code 1",
        "run 0badcafe: failure in 2.6 s: stage build: step test: it was too big",
    ]
    assert not show.terminal.cursor_hidden
    assert show.terminal.cursor[1] == 0


def test_the_end_waits_for_nothing() -> None:
    show = _show()
    show.face.flush()
    show.tell(*STORY[1:]).face.flush()

    assert show.pauses == []


def test_what_is_said_after_the_end_is_a_line_without_a_tree() -> None:
    show = _show().tell(*STORY)
    show.face.flush()
    show.tell(Notice("files of the source changed")).face.flush()
    show.face.close()

    assert show.terminal.screen[-2:] == [
        "run 0badcafe: failure in 2.6 s: stage build: step test: it was too big",
        "note: files of the source changed",
    ]


def test_a_pull_is_in_the_tree_and_not_in_the_log() -> None:
    show = _show().tell(pulling(1, 2))
    show.face.flush()

    assert next(line for line in show.terminal.screen if "golang" in line).startswith("↓ golang:1.24")
    assert show.terminal.screen[0].startswith("● run")


def test_without_colour_there_is_none() -> None:
    show = _show().tell(*STORY[:-1]).prints("build/test", "\x1b[31mred\x1b[0m\n")
    show.face.flush()

    assert b"m" not in b"".join(piece[:3] for piece in b"".join(show.terminal.writes).split(b"\x1b[")[1:])


def test_with_colour_what_went_wrong_is_red() -> None:
    show = _show(color=True).tell(changed(address("build"), Status.FAILURE))
    show.face.flush()

    row = next(number for number, line in enumerate(show.terminal.screen) if line.startswith("✗ build"))
    assert show.terminal.colour(row, 0) == "red"


def test_what_is_said_from_a_signal_handler_is_shown_at_the_next_flush() -> None:
    show = _show()
    show.face.flush()
    show.face.say("ending the run; once more kills it")
    show.face.flush()

    assert show.terminal.screen[0] == "ending the run; once more kills it"


def test_closing_before_the_end_removes_the_tree_and_gives_the_cursor_back() -> None:
    show = _show().prints("build/test", "one\n")
    show.face.flush()
    show.prints("build/test", "two\n").face.close()

    assert show.terminal.screen == ["build/test | one", "build/test | two"]
    assert not show.terminal.cursor_hidden


def test_closing_twice_is_closing_once() -> None:
    show = _show()
    show.face.flush()
    show.face.close()
    written = len(show.terminal.writes)
    show.face.close()

    assert len(show.terminal.writes) == written


def test_a_terminal_that_has_gone_is_told_once_and_not_when_closing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with io.FileIO(writer, "w") as raw:
        face = LiveFace(io.BufferedWriter(raw), PLAN)
        with pytest.raises(BrokenPipeError):
            face.flush()
        face.close()
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)


def test_while_suspended_the_terminal_belongs_to_somebody_else() -> None:
    show = _show().prints("build/test", "one\n")
    show.face.flush()

    with show.face.suspended():
        assert show.terminal.screen == ["build/test | one"]
        assert not show.terminal.cursor_hidden
        show.terminal.write(b"$ exit\n")
        show.prints("build/test", "two\n")
        flushing = threading.Thread(target=show.face.flush)
        flushing.start()
        flushing.join(0.05)
        assert show.terminal.screen == ["build/test | one", "$ exit"]
    flushing.join(DEADLINE)

    assert show.terminal.screen[:3] == ["build/test | one", "$ exit", "build/test | two"]
    assert show.terminal.screen[3].startswith("● run")
    assert show.terminal.cursor_hidden


def test_what_cannot_be_suspended_goes_on() -> None:
    show = _show()
    show.face.flush()
    show.terminal.flush = _fail  # type: ignore[method-assign] # the terminal goes

    with pytest.raises(OSError, match="gone"):
        show.face.suspend()
    with pytest.raises(OSError, match="gone"):
        show.at(5).face.flush()  # and does not wait for ever


def _fail() -> None:
    raise OSError("gone")


def test_the_size_is_asked_for_at_each_redraw() -> None:
    show = _show(80, 24).now(address("build"), Status.RUNNING)
    show.face.flush()
    show.terminal.resize(20, 6)
    show.at(2).face.flush()

    assert len(show.terminal.screen) == 3
    assert max(map(len, show.terminal.screen)) <= 19


def test_the_size_of_a_terminal_is_its_own_and_that_of_no_terminal_is_the_usual() -> None:
    master, slave = pty.openpty()
    with os.fdopen(master, "wb"), os.fdopen(slave, "wb") as stream:
        assert size_of(stream) == (80, 24)  # a terminal that says 0 x 0

    assert size_of(io.BytesIO()) == (80, 24)


def test_a_printer_shows_a_run_through_it(tmp_path: Path) -> None:
    terminal = Terminal(80, 30)
    book = LogBook(tmp_path, Mask())
    face: Face = LiveFace(terminal, PLAN, size=lambda: terminal.size)
    printer = Printer(book, face, lambda: None)
    where = address("build/test")

    printer.observe(changed(address(), Status.RUNNING, at=0.0))
    printer.observe(changed(service("db"), Status.RUNNING))
    printer.observe(changed(where, Status.RUNNING))
    printer.observe(Printing(where, "log"))
    log = book.open("log")
    log.write(Stream.STDOUT, b"hello\n")
    deadline = time.monotonic() + DEADLINE
    while "build/test | hello" not in terminal.screen and time.monotonic() < deadline:
        time.sleep(0.01)
    assert terminal.screen[1].startswith("● run 0badcafe: running")
    log.close()
    printer.observe(changed(where, Status.SUCCESS))
    printer.observe(changed(address(), Status.SUCCESS, at=1.5))
    printer.finish()

    assert terminal.screen[0] == "build/test | hello"
    assert terminal.screen[-1] == "run 0badcafe: success in 1.5 s"


class _Nowhere(io.BytesIO):
    def write(self, data: bytes) -> int:  # type: ignore[override] # the tested code writes bytes only
        return len(data)


def _seconds(face: Face) -> float:
    face.event(changed(address("build/test"), Status.RUNNING))
    began = time.process_time()
    for _ in range(20):
        face.lines(address("build/test"), block(FLOOD))
    face.flush()
    return time.process_time() - began


def test_a_flood_costs_hardly_more_than_in_plain_output() -> None:
    rounds = [(_seconds(PlainFace(_Nowhere(), terminal=True)), _seconds(LiveFace(_Nowhere(), PLAN))) for _ in range(6)]
    plain, live = (min(each) for each in zip(*rounds, strict=True))  # in turns, as a machine has slow moments

    assert live < 1.5 * plain


def test_branches_appear_in_the_tree_when_they_are_known() -> None:
    forking = plan(stage("each", step("one"), fork=Fork(values=[])), stage("last", step("one"), needs=("each",)))
    show = Show(forking, color=False).at(0).now(address(), Status.RUNNING)
    show.face.flush()
    before = "\n".join(show.terminal.screen)

    show.at(1).tell(changed(address("each"), Status.SUCCESS, branches=2))
    show.now(address("each[1]"), Status.RUNNING).prints("each[1]/one", "built\n").face.flush()

    after = "\n".join(show.terminal.screen)
    assert "each" in before
    assert "each[0]" not in before
    assert show.terminal.screen[:2] == ["stage each: 2 branches", "each[1]/one | built"]
    assert "each[0]" in after
    assert "last" in after


def test_when_a_run_is_paused_its_tree_stays_with_the_reason() -> None:
    show = _show().now(address("build"), Status.RUNNING)
    show.at(2).now(address("build"), Status.PAUSED, reason="approval").now(
        address(), Status.PAUSED, reason="stage build: approval"
    )
    show.face.flush()
    show.face.close()

    shown = "\n".join(show.terminal.screen)
    assert "paused: approval" in shown
    assert "run 0badcafe: paused in 2.0 s: stage build: approval" in shown
    assert "run 0badcafe: running" not in shown
