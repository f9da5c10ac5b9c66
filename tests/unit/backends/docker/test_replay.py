"""A log that is read again goes on where we were, although the engine has rewritten it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.backends.docker.replay import Position, Replay, logged_size
from runner.engine.backend import STDERR, STDOUT


def seen(*pieces: bytes) -> dict[int, Position]:
    position = Position()
    for piece in pieces:
        position.advance(piece)
    return {STDOUT: position}


def replayed(positions: dict[int, Position], *pieces: bytes) -> bytes:
    replay = Replay(positions)
    return b"".join(replay.fresh(STDOUT, piece) for piece in pieces)


@given(data=st.text(alphabet="aé\n☃", max_size=40), at=st.integers(0, 150), cut=st.integers(0, 150))
def test_what_was_seen_and_what_is_fresh_make_the_whole(data: str, at: int, cut: int) -> None:
    whole = data.encode()
    before = whole[:at]

    assert before + replayed(seen(before[:cut], before[cut:]), whole[:cut], whole[cut:]) == whole


def test_bytes_that_the_log_has_rewritten_are_counted_as_it_has_them() -> None:
    rewritten = "\ufffd".encode()

    assert replayed(seen(b"\xff\xfe\n\xffab"), rewritten * 2 + b"\n" + rewritten + b"abcd\n") == b"cd\n"


def test_a_broken_sequence_counts_byte_by_byte_as_in_go() -> None:
    rewritten = "\ufffd".encode()

    assert replayed(seen(b"\xe2\x82", b"A"), rewritten * 2 + b"AB") == b"B"


def test_a_character_cut_in_two_is_completed() -> None:
    euro = "€".encode()

    assert replayed(seen(b"x" + euro[:2]), b"x" + euro + b"\n") == euro[2:] + b"\n"


@pytest.mark.parametrize("before", [b"", b"\n", b"\n\n", b"a\n"])
def test_empty_lines_count(before: bytes) -> None:
    assert replayed(seen(before), before, b"\nb\n") == b"\nb\n"


def test_each_stream_has_its_own_position() -> None:
    replay = Replay(seen(b"one\ntwo\n"))

    assert replay.fresh(STDERR, b"err\n") == b"err\n"
    assert replay.fresh(STDOUT, b"one\ntwo\nthree\n") == b"three\n"


def test_a_log_that_is_shorter_than_what_was_seen_has_nothing_fresh() -> None:
    assert replayed(seen(b"one\ntwo\nthr"), b"one\n") == b""


def entry(text: bytes) -> bytes:
    """Return a line of a json-file log, as Go's encoder writes it."""
    told = json.dumps(text.decode(), ensure_ascii=False)
    for sign in "<>&":
        told = told.replace(sign, f"\\u{ord(sign):04x}")
    return f'{{"log":{told},"stream":"stdout","time":"2026-11-21T20:50:36.974527227Z"}}\n'.encode()


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=50), max_size=20))
def test_what_an_output_takes_in_the_log_is_never_told_too_small(lines: list[str]) -> None:
    data = "".join(f"{line}\n" for line in lines).encode()

    assert logged_size(data) >= sum(len(entry(f"{line}\n".encode())) for line in lines)


def test_what_an_output_takes_in_the_log_is_not_told_much_too_large() -> None:
    data = b"a line of an ordinary log, with a few words\n" * 1000

    assert logged_size(data) < 1.1 * len(entry(data[:44])) * 1000
