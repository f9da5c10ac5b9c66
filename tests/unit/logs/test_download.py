from pathlib import Path

import pytest

from runner.logs.download import prefixed, text_of
from runner.logs.files import LogBook
from runner.logs.index import Stream
from runner.logs.mask import Mask


@pytest.fixture
def book(tmp_path: Path) -> LogBook:
    return LogBook(tmp_path / "logs", Mask())


def _log(book: LogBook, name: str, *chunks: bytes) -> Path:
    log = book.open(name)
    for chunk in chunks:
        log.write(Stream.STDOUT, chunk)
    log.close()
    return book.path(name)


def test_the_text_of_a_log_is_what_was_printed_byte_for_byte(book: LogBook) -> None:
    data = b"one\r\ntwo\x00\xff\n\nno end"

    assert b"".join(text_of(_log(book, "a", data))) == data


def test_a_large_log_comes_in_pieces(book: LogBook) -> None:
    data = b"0123456789abcde\n" * 40_000

    pieces = list(text_of(_log(book, "a", data)))

    assert len(pieces) > 1
    assert b"".join(pieces) == data


def test_a_log_that_is_not_there_has_no_text(book: LogBook) -> None:
    assert list(text_of(book.path("none"))) == []
    assert list(prefixed([("s/none", book.path("none"))])) == []


def test_the_text_of_a_log_that_grows_is_what_it_has_by_now(book: LogBook) -> None:
    log = book.open("a")
    log.write(Stream.STDOUT, b"one\n")
    assert b"".join(text_of(book.path("a"))) == b"one\n"

    log.write(Stream.STDERR, b"two\n")
    assert b"".join(text_of(book.path("a"))) == b"one\ntwo\n"
    assert b"".join(prefixed([("s/a", book.path("a"))])) == b"s/a | one\ns/a | two\n"
    log.close()


def test_every_line_of_many_logs_stands_behind_the_name_of_its_log(book: LogBook) -> None:
    logs = [
        ("s/a", _log(book, "a", b"one\n\nthree\n")),
        ("s/empty", _log(book, "empty")),
        ("s/b", _log(book, "b", b"no ", b"end")),
    ]

    assert b"".join(prefixed(logs)) == b"s/a | one\ns/a | \ns/a | three\ns/b | no end\n"


def test_a_name_that_utf_8_has_no_bytes_for_is_shown_as_well_as_it_can_be(book: LogBook) -> None:
    assert b"".join(prefixed([("s/\ud800", _log(book, "a", b"one\n"))])) == b"s/? | one\n"
