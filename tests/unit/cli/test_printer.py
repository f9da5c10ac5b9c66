import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.cli import printer as printing
from runner.cli.plain import PlainFace
from runner.cli.printer import Printer
from runner.engine.events import Changed, Event, Notice, Printing
from runner.logs.files import LogBook
from runner.logs.follow import Block
from runner.logs.index import Stream
from runner.logs.mask import Mask
from runner.naming import Address
from runner.plan.status import Status
from tests.support.faces import address, changed
from tests.support.hooked import DEADLINE

A, B = address("s/a"), address("s/b")
Shown = tuple[str, bytes | Status | str]


class _Recorder:
    """A face that remembers; ``gate`` holds its first call."""

    def __init__(self) -> None:
        self.shown: list[Shown] = []
        self.logs: dict[str, Address] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.news = threading.Condition()

    def lines(self, address: Address, block: Block) -> None:
        self._show((address.path, block.data))

    def event(self, event: Event) -> None:
        match event:
            case Changed(entry):
                self._show((entry.address.path, entry.status))
            case Notice(text):
                self._show(("", text))
            case Printing(address, log):
                self.logs[log] = address
            case _:
                raise AssertionError(event)

    def flush(self) -> None:
        self.gate.wait(DEADLINE)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        self._show(("", "suspended"))
        yield
        self._show(("", "resumed"))

    def until(self, count: int) -> None:
        with self.news:
            assert self.news.wait_for(lambda: len(self.shown) >= count, DEADLINE), self.shown

    def _show(self, what: Shown) -> None:
        with self.news:
            self.shown.append(what)
            self.news.notify_all()


class _Failing(_Recorder):
    """A face that cannot show anything."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def event(self, event: Event) -> None:
        raise self._error


@pytest.fixture
def book(tmp_path: Path) -> LogBook:
    return LogBook(tmp_path, Mask())


def _never() -> None:
    raise AssertionError("nobody has gone")


def _begin(printer: Printer, book: LogBook, where: Address) -> Callable[[bytes], None]:
    """Do what the engine does when an attempt starts; return what writes its output."""
    printer.observe(changed(where, Status.RUNNING))
    printer.observe(Printing(where, where.step))
    log = book.open(where.step)
    return lambda data: log.write(Stream.STDOUT, data)


def _end(printer: Printer, book: LogBook, where: Address) -> None:
    book.open(where.step).close()
    printer.observe(changed(where, Status.SUCCESS))


def test_what_a_step_prints_is_shown_while_it_runs(book: LogBook) -> None:
    face = _Recorder()
    printer = Printer(book, face, _never)

    write = _begin(printer, book, A)
    write(b"one\n")
    face.until(2)
    write(b"two\n")
    face.until(3)

    assert face.shown == [("s/a", Status.RUNNING), ("s/a", b"one\n"), ("s/a", b"two\n")]
    printer.finish()


def test_a_steps_lines_stand_between_its_start_and_its_end_however_late_they_are_shown(book: LogBook) -> None:
    face = _Recorder()
    face.gate.clear()
    printer = Printer(book, face, _never)

    for where in (A, B):
        write = _begin(printer, book, where)
        write(b"first\n" + where.step.encode())
        _end(printer, book, where)
    face.gate.set()
    printer.finish()

    for where in (A, B):
        of_step = [what for path, what in face.shown if path == where.path]
        assert (of_step[0], of_step[-1]) == (Status.RUNNING, Status.SUCCESS)
        assert b"".join(what for what in of_step if isinstance(what, bytes)) == b"first\n" + where.step.encode() + b"\n"
    assert [path for path, what in face.shown if what is Status.RUNNING] == ["s/a", "s/b"]


def test_an_unfinished_line_is_shown_after_a_while(book: LogBook) -> None:
    face = _Recorder()
    printer = Printer(book, face, _never)

    _begin(printer, book, A)(b"Continue? ")
    face.until(2)

    assert face.shown[-1] == ("s/a", b"Continue? \n")
    printer.finish()


def test_an_unfinished_line_is_not_torn_while_it_is_being_written(book: LogBook) -> None:
    face = _Recorder()
    printer = Printer(book, face, _never)

    write = _begin(printer, book, A)
    write(b"one ")
    write(b"line\n")
    printer.finish()

    assert face.shown[1:] == [("s/a", b"one line\n")]


def test_finish_shows_all_that_is_left(book: LogBook) -> None:
    face = _Recorder()
    printer = Printer(book, face, _never)

    write = _begin(printer, book, A)
    for number in range(1000):
        write(f"{number}\n".encode())
    printer.observe(Notice("the last word"))
    printer.finish()

    printed = b"".join(what for _, what in face.shown if isinstance(what, bytes))
    assert printed == b"".join(b"%d\n" % number for number in range(1000))
    assert face.shown[-1] == ("", "the last word")


def test_the_face_is_told_the_log_of_each_attempt(book: LogBook) -> None:
    face = _Recorder()
    printer = Printer(book, face, _never)

    for where in (A, B):
        _begin(printer, book, where)
    printer.finish()

    assert face.logs == {"a": A, "b": B}


def test_a_slow_reader_stops_neither_steps_nor_the_engine(book: LogBook) -> None:
    face = _Recorder()
    face.gate.clear()
    printer = Printer(book, face, _never)
    write = _begin(printer, book, A)

    began = time.monotonic()
    for _ in range(100):
        write(b"x" * 10_000 + b"\n")
        printer.observe(Notice("on it goes"))

    assert time.monotonic() - began < 5
    face.gate.set()
    printer.finish()
    assert len([what for what in face.shown if what == ("", "on it goes")]) == 100


def test_events_of_many_threads_are_all_shown(book: LogBook) -> None:
    face = _Recorder()
    printer = Printer(book, face, _never)

    def tell(number: int) -> None:
        for index in range(50):
            printer.observe(Notice(f"{number}.{index}"))

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    printer.finish()

    for number in range(4):
        own = [what for _, what in face.shown if isinstance(what, str) and what.startswith(f"{number}.")]
        assert own == [f"{number}.{index}" for index in range(50)]


def test_a_closed_pipe_is_told_once_and_is_no_error(book: LogBook) -> None:
    reader, writer = os.pipe()
    closed: list[str] = []
    with os.fdopen(writer, "wb", buffering=0) as stream:
        printer = Printer(book, PlainFace(stream, terminal=False), lambda: closed.append("closed"))
        os.close(reader)
        printer.observe(Notice("is anybody there?"))
        deadline = time.monotonic() + DEADLINE
        while not closed and time.monotonic() < deadline:
            time.sleep(0.01)
        printer.observe(Notice("and now?"))
        printer.finish()

    assert closed == ["closed"]
    assert isinstance(printer.failure, BrokenPipeError)


def test_a_full_disk_under_the_output_is_kept_as_the_failure(book: LogBook) -> None:
    closed: list[str] = []
    printer = Printer(book, _Failing(OSError(28, "No space left on device")), lambda: closed.append("closed"))

    printer.observe(Notice("no room"))
    printer.finish()

    assert closed == ["closed"]
    assert printer.failure is not None
    assert printer.failure.errno == 28


def test_an_error_of_our_own_ends_the_run_and_is_raised_at_its_end(book: LogBook) -> None:
    closed: list[str] = []
    printer = Printer(book, _Failing(ZeroDivisionError("ours")), lambda: closed.append("closed"))

    printer.observe(Notice("no way"))
    with pytest.raises(ZeroDivisionError, match="ours"):
        printer.finish()

    assert closed == ["closed"]


def test_a_reader_that_stays_is_no_failure(book: LogBook) -> None:
    printer = Printer(book, PlainFace(io.BytesIO(), terminal=False), _never)
    printer.observe(Notice("hello"))
    printer.finish()

    assert printer.failure is None


def test_a_million_lines_pass_with_more_than_100_mb_a_second(book: LogBook) -> None:
    buffer = io.BytesIO()
    data = (b"x" * 99 + b"\n") * 10_000
    began = time.process_time()
    printer = Printer(book, PlainFace(buffer, terminal=False), _never)
    write = _begin(printer, book, A)
    for _ in range(100):
        write(data)
    printer.finish()

    assert buffer.getvalue().count(b"s/a | x") == 1_000_000
    assert time.process_time() - began < 1.0


def test_what_follows_many_bytes_is_left_to_gather(book: LogBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "_GATHER_SECONDS", DEADLINE)
    face = _Recorder()
    printer = Printer(book, face, _never)

    write = _begin(printer, book, A)
    write(b"x" * 5000 + b"\n")
    face.until(2)
    for _ in range(3):
        write(b"more\n")
        time.sleep(0.02)

    assert len(face.shown) == 2
    began = time.monotonic()
    printer.finish()
    assert b"".join(what for _, what in face.shown[2:] if isinstance(what, bytes)) == b"more\n" * 3
    assert time.monotonic() - began < DEADLINE / 2


def test_what_follows_few_bytes_is_shown_at_once(book: LogBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "_GATHER_SECONDS", 2 * DEADLINE)
    face = _Recorder()
    printer = Printer(book, face, _never)

    write = _begin(printer, book, A)
    for number in range(5):
        write(b"line %d\n" % number)
        face.until(2 + number)
    printer.finish()

    assert [what for _, what in face.shown[1:]] == [b"line %d\n" % number for number in range(5)]


def test_before_a_pause_everything_is_shown_and_in_it_nothing(book: LogBook) -> None:
    face = _Recorder()
    printer = Printer(book, face, _never)
    write = _begin(printer, book, A)
    write(b"the last words\n")
    printer.observe(Notice("it failed"))

    with printer.suspended():
        before = list(face.shown)
        write(b"more\n")
        printer.observe(Notice("meanwhile"))
        time.sleep(0.1)
        meanwhile = list(face.shown)
    printer.finish()

    assert before == [
        ("s/a", Status.RUNNING),
        ("s/a", b"the last words\n"),
        ("", "it failed"),
        ("", "suspended"),
    ]
    assert meanwhile == before
    assert face.shown[len(before) :] == [("", "resumed"), ("s/a", b"more\n"), ("", "meanwhile")]


def test_a_pause_in_a_pause_begins_when_the_first_is_over(book: LogBook) -> None:
    face = _Recorder()
    printer = Printer(book, face, _never)
    entered = threading.Event()

    def pause() -> None:
        with printer.suspended():
            entered.set()

    with printer.suspended():
        other = threading.Thread(target=pause)
        other.start()
        assert not entered.wait(0.2)
    other.join(DEADLINE)
    printer.finish()

    assert entered.is_set()
    assert [what for _, what in face.shown] == ["suspended", "resumed"] * 2


def test_a_pause_ends_with_an_error_in_it(book: LogBook) -> None:
    face = _Recorder()
    printer = Printer(book, face, _never)

    with pytest.raises(ZeroDivisionError), printer.suspended():
        raise ZeroDivisionError
    printer.finish()

    assert face.shown[-1] == ("", "resumed")


def test_nobody_waits_for_a_pause_of_what_cannot_show_anything_any_more(book: LogBook) -> None:
    closed = threading.Event()
    printer = Printer(book, _Failing(OSError(28, "No space left on device")), closed.set)
    printer.observe(Notice("no room"))

    with printer.suspended():
        assert closed.is_set()
    printer.finish()
