import io
from pathlib import Path

import pytest

from runner.cli.plain import PlainFace
from runner.cli.quiet import QuietFace
from runner.engine.events import Changed, Event, Notice, Printing
from runner.logs.files import LogBook
from runner.logs.index import Stream
from runner.logs.mask import Mask
from runner.naming import Address
from runner.plan.status import Status
from tests.support.faces import STORY, address, block, changed, pulling, service


@pytest.fixture
def book(tmp_path: Path) -> LogBook:
    return LogBook(tmp_path, Mask())


def _printed(book: LogBook, where: Address, *lines: bytes) -> Printing:
    """Write the log of an attempt; return the event that tells of it."""
    name = f"{where.step}-{where.attempts}"
    log = book.open(name)
    for line in lines:
        log.write(Stream.STDOUT, line)
    log.close()
    return Printing(where, name)


def _shown(book: LogBook, *events: Event) -> list[str]:
    buffer = io.BytesIO()
    face = QuietFace(PlainFace(buffer, terminal=False), book)
    for event in events:
        face.event(event)
        if isinstance(event, Printing):
            face.lines(event.address, block(b"as it arrives\n"))
    face.flush()
    return buffer.getvalue().decode().splitlines()


def test_of_a_run_that_goes_well_only_its_end_is_seen(book: LogBook) -> None:
    where = address("build/test")

    shown = _shown(
        book,
        changed(address(), Status.RUNNING, at=0.0),
        pulling(1, 2),
        Notice("something is odd"),
        changed(where, Status.RUNNING),
        _printed(book, where, b"much\n"),
        changed(where, Status.SUCCESS),
        changed(address("build/later"), Status.SKIPPED),
        changed(address(), Status.SUCCESS, at=2.0),
    )

    assert shown == ["run 0badcafe: success in 2.0 s"]


def test_what_a_step_that_failed_has_printed_stands_before_its_end(book: LogBook) -> None:
    where = address("build/test")

    shown = _shown(
        book,
        changed(where, Status.RUNNING, at=1.0),
        _printed(book, where, b"one\n", b"two\nno end"),
        changed(where, Status.FAILURE, at=2.5, exit_code=3),
    )

    assert shown == [
        "build/test | one",
        "build/test | two",
        "build/test | no end",
        "build/test: failure (exit code 3) in 1.5 s",
    ]


@pytest.mark.parametrize("status", [Status.FAILURE, Status.ERROR, Status.TIMEOUT, Status.LOST])
def test_every_bad_end_shows_the_output(book: LogBook, status: Status) -> None:
    where = address("build/test")

    shown = _shown(book, _printed(book, where, b"one\n"), changed(where, status))

    assert shown[0] == "build/test | one"
    assert shown[1].startswith(f"build/test: {status}")


def test_each_attempt_that_failed_shows_its_own_output(book: LogBook) -> None:
    first, second = address("build/test"), address("build/test", attempts=(1, 2))

    shown = _shown(
        book,
        _printed(book, first, b"one\n"),
        changed(first, Status.FAILURE, exit_code=1),
        _printed(book, second, b"two\n"),
        changed(second, Status.SUCCESS),
    )

    assert shown == ["build/test | one", "build/test: failure (exit code 1)"]


def test_a_service_that_failed_shows_its_output(book: LogBook) -> None:
    where = service("db")

    shown = _shown(book, _printed(book, where, b"no space\n"), changed(where, Status.FAILURE, exit_code=1))

    assert shown == ["@services/db | no space", "@services/db: failure (exit code 1)"]


def test_what_failed_without_a_word_is_told_all_the_same(book: LogBook) -> None:
    where = address("build/test")

    assert _shown(book, Printing(where, "no such log"), changed(where, Status.ERROR, reason="no image")) == [
        "build/test: error: no image"
    ]


def test_of_the_whole_story_only_what_went_wrong_is_seen(book: LogBook) -> None:
    assert _shown(book, *STORY) == [
        "build/test: failure (exit code 3) in 1.7 s",
        "build/test: failure (attempt 1.2) (exit code 137) in 0.1 s: it was too big",
        "@services/cache: failure (exit code 1)",
        "run 0badcafe: failure in 2.6 s: stage build: step test: it was too big",
    ]


def test_a_stage_that_could_not_run_is_told(book: LogBook) -> None:
    event = changed(address("build"), Status.NOT_RUN, reason="there was no room")

    assert isinstance(event, Changed)
    assert _shown(book, event) == ["stage build: not_run: there was no room"]


def test_nothing_stands_in_the_way_of_something_else_on_the_terminal(book: LogBook) -> None:
    with QuietFace(PlainFace(io.BytesIO(), terminal=False), book).suspended():
        pass


def test_of_a_run_that_is_paused_it_is_seen_where_and_why(book: LogBook) -> None:
    shown = _shown(
        book,
        changed(address(), Status.RUNNING, at=0.0),
        changed(address("ask"), Status.PAUSED, reason="approval"),
        changed(address(), Status.PAUSED, at=2.0, reason="stage ask: approval"),
    )

    assert shown == ["stage ask: paused: approval", "run 0badcafe: paused in 2.0 s: stage ask: approval"]
