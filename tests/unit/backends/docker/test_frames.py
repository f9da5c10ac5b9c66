"""Frames and chunks come apart however they are cut."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.backends.docker.frames import Chunks, Frames
from runner.engine.backend import STDERR, STDOUT
from runner.errors import InfrastructureError


def frame(stream: int, payload: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(payload)) + payload


def chunk(payload: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(payload), payload)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def merged(pieces: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    for stream, data in pieces:
        if found and found[-1][0] == stream:
            found[-1] = (stream, found[-1][1] + data)
        elif data:
            found.append((stream, data))
    return found


@given(
    frames=st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=20))),
    places=st.lists(st.integers(0, 500), max_size=12),
)
def test_frames_cut_anywhere_give_the_same_streams(frames: list[tuple[int, bytes]], places: list[int]) -> None:
    reader = Frames()
    data = b"".join(frame(stream, payload) for stream, payload in frames)
    found = [piece for part in cut(data, places) for piece in reader.feed(part)]

    assert merged(found) == merged(frames)


def test_neighbours_of_one_stream_come_as_one_and_in_order() -> None:
    data = frame(1, b"a") + frame(1, b"b") + frame(2, b"c") + frame(1, b"d") + frame(1, b"")

    assert list(Frames().feed(memoryview(data))) == [(1, b"ab"), (2, b"c"), (1, b"d")]


def test_a_payload_is_handed_on_before_its_frame_is_complete() -> None:
    reader = Frames()

    assert list(reader.feed(frame(1, b"abcdef")[:10])) == [(1, b"ab")]
    assert list(reader.feed(b"cdef")) == [(1, b"cdef")]


def test_what_the_engine_itself_says_is_stderr() -> None:
    assert list(Frames().feed(frame(3, b"error"))) == [(STDERR, b"error")]


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(InfrastructureError, match="no frame but 72"):
        list(Frames().feed(b"HTTP/1.1 400 Bad Request"))


@given(payloads=st.lists(st.binary(min_size=1, max_size=40)), places=st.lists(st.integers(0, 500), max_size=12))
def test_chunks_cut_anywhere_give_the_same_body(payloads: list[bytes], places: list[int]) -> None:
    reader = Chunks()
    data = b"".join(map(chunk, payloads)) + b"0\r\n\r\n"
    found = b"".join(bytes(piece) for part in cut(data, places) for piece in reader.feed(part))

    assert found == b"".join(payloads)
    assert reader.ended


def test_a_body_without_its_last_chunk_has_not_ended() -> None:
    reader = Chunks()

    assert [bytes(piece) for piece in reader.feed(chunk(b"\r\n0\r\n"))] == [b"\r\n0\r\n"]
    assert not reader.ended


@pytest.mark.parametrize("data", [b"no size\r\n", b"1" * 200])
def test_what_is_no_chunk_is_refused(data: bytes) -> None:
    reader = Chunks()

    def feed_byte_by_byte() -> None:
        for at in range(len(data)):
            list(reader.feed(data[at : at + 1]))

    with pytest.raises(InfrastructureError, match="chunk"):
        feed_byte_by_byte()
