import time
from collections.abc import Iterator
from io import BufferedReader
from tarfile import TarError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.workspace.streams import Pieces


@given(st.lists(st.binary(max_size=20)), st.integers(min_value=1, max_value=30))
def test_pieces_are_read_in_any_size_as_one_file(pieces: list[bytes], size: int) -> None:
    file = BufferedReader(Pieces(pieces), buffer_size=7)

    assert b"".join(iter(lambda: file.read(size), b"")) == b"".join(pieces)


def test_the_end_stays_the_end() -> None:
    file = BufferedReader(Pieces([b"a", b""]))

    assert (file.read(), file.read(), file.read(1)) == (b"a", b"", b"")


def test_what_goes_wrong_underneath_is_passed_on() -> None:
    def broken() -> Iterator[bytes]:
        yield b"a"
        raise TarError("torn")

    with pytest.raises(TarError, match="torn"):
        BufferedReader(Pieces(broken())).read()


def test_a_large_piece_is_read_in_the_time_of_one_copy() -> None:
    file = BufferedReader(Pieces([bytes(64 << 20)]))

    started = time.monotonic()
    while file.read(8192):
        pass

    assert time.monotonic() - started < 10  # with a copy of the rest for each read it takes minutes
