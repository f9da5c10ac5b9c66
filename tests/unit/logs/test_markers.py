"""Markers in a stream: what they announce is masked from the next byte on, wherever chunks end, and they vanish."""

import time
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.logs.lines import LONGEST
from runner.logs.markers import MARKER, Redactor
from runner.logs.mask import Mask

SECRET = st.text(alphabet="ab", min_size=4, max_size=20).map(str.encode)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Data that are made of markers, pieces of them, values that are announced or not, newlines and other text."""
    secrets = st.sampled_from([b"abab", b"abba", b"aaaabbbb", b"secret of words", b"abc", b"a", b" ", b"x%0Aabab%25"])
    marker = st.sampled_from([MARKER, b"\n" + MARKER, b"::", b"::add-mask:", b"add-mask::", b":"])
    other = st.sampled_from([b"\n", b"\r\n", b"\r", b"+ echo ", b"ab", b"x"]) | st.binary(max_size=3)
    return b"".join(draw(st.lists(secrets | marker | other, max_size=25)))


def split(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[begin:end] for begin, end in pairwise(places)]


def redacted(*chunks: bytes, mask: Mask | None = None) -> bytes:
    redactor = Redactor(mask or Mask())
    return b"".join([*(redactor.feed(chunk) for chunk in chunks), redactor.finish()])


@given(data=streams(), cuts=st.lists(st.integers(0, 400), max_size=20))
def test_the_output_is_that_of_the_whole_wherever_chunks_end(data: bytes, cuts: list[int]) -> None:
    assert redacted(*split(data, cuts)) == redacted(data)


@given(data=streams())
def test_byte_by_byte_gives_the_same_as_the_whole(data: bytes) -> None:
    assert redacted(*(bytes([byte]) for byte in data)) == redacted(data)


@given(data=streams())
def test_no_marker_is_ever_shown(data: bytes) -> None:
    assert MARKER not in redacted(data)


@given(secret=SECRET, before=st.text("xyz\n"), after=st.text("abx\n"), cuts=st.lists(st.integers(0, 200), max_size=20))
def test_a_value_is_masked_in_all_that_follows_and_its_line_vanishes(
    secret: bytes, before: str, after: str, cuts: list[int]
) -> None:
    mask = Mask()
    mask.hide(secret)
    head = f"{before}\n".encode()

    shown = redacted(*split(head + MARKER + secret + b"\n" + after.encode(), cuts))

    assert shown == head + mask.replace(after.encode(), final=True)[0]


@given(data=st.binary().filter(lambda data: MARKER not in data), cuts=st.lists(st.integers(0, 200), max_size=20))
def test_bytes_without_a_marker_are_unchanged(data: bytes, cuts: list[int]) -> None:
    assert redacted(*split(data, cuts)) == data


@given(data=streams(), cuts=st.lists(st.integers(0, 400), max_size=20))
def test_held_back_is_a_part_of_a_marker_or_a_value_whose_line_goes_on(data: bytes, cuts: list[int]) -> None:
    redactor = Redactor(Mask())
    for chunk in split(data, cuts):
        redactor.feed(chunk)

        assert MARKER.startswith(redactor._held)
        assert redactor._held != MARKER
        assert b"\n" not in redactor._value
        assert not (redactor._held and redactor._value)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_a_line_that_is_a_marker_vanishes(end: bytes) -> None:
    assert redacted(b"a\n::add-mask::hunter22" + end) == b"a\n"
    assert redacted(b"::add-mask::hunter22" + end) == b""


def test_the_rest_of_the_same_chunk_is_masked() -> None:
    assert redacted(b"::add-mask::hunter22\nit is hunter22, aHVudGVyMjI=\n") == b"it is ***, ***I=\n"


def test_what_was_shown_before_stays() -> None:
    assert redacted(b"hunter22\n::add-mask::hunter22\nhunter22\n") == b"hunter22\n***\n"


def test_what_was_held_back_is_masked_by_what_is_announced() -> None:
    mask = Mask()
    mask.add(b"-hunter22\nand more")

    assert redacted(b"-hunter22\n", b"::add-mask::hunter22\n", mask=mask) == b"-***\n"


def test_a_carriage_return_is_no_part_of_the_value() -> None:
    assert redacted(b"::add-mask::hunter22\r\nhunter22!\n") == b"***!\n"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"+ echo ::add-mask::hunter22\n", b"+ echo ***\n"),
        (b"$ echo ::add-mask::x\n", b"$ echo ***\n"),
        (b"50 %\r::add-mask::hunter22\r\n", b"50 %\r***\r\n"),
        (b" ::add-mask::hunter22", b" ***"),
        (b"x::add-mask::\n", b"x\n"),
        (b"::add-mask::one::add-mask::two\n", b""),
    ],
)
def test_inside_a_line_the_value_becomes_a_mask_and_the_rest_stays(line: bytes, shown: bytes) -> None:
    assert redacted(line) == shown


def test_a_value_that_stands_inside_a_line_is_masked_from_then_on() -> None:
    assert redacted(b"progress...::add-mask::hunter22\nhunter22\n") == b"progress...***\n***\n"


def test_text_that_was_printed_before_without_a_newline_is_a_part_of_the_line() -> None:
    redactor = Redactor(Mask())

    assert redactor.feed(b"progress") == b"progress"
    assert redactor.feed(b"::add-mask::hunter22\n") == b"***\n"


def test_a_marker_after_a_marker_begins_a_line_again() -> None:
    assert redacted(b"::add-mask::hunter22\n::add-mask::geheimnis\nhunter22 geheimnis\n") == b"*** ***\n"


@pytest.mark.parametrize("text", [b"::add-mask:", b":", b"::add-mask", b"x::", b"::add-maskt::x\n", b"add-mask::x\n"])
def test_what_is_no_marker_in_the_end_is_printed_as_it_is(text: bytes) -> None:
    assert redacted(text) == text


def test_a_line_is_shown_at_once_unless_its_end_may_become_a_marker() -> None:
    redactor = Redactor(Mask())

    assert redactor.feed(b"Continue? [y/n] ") == b"Continue? [y/n] "
    assert redactor.feed(b"time: 12:") == b"time: 12"
    assert redactor.feed(b"30") == b":30"


@pytest.mark.parametrize("value", [b"", b"   ", b"\r"])
def test_an_empty_value_is_nothing(value: bytes) -> None:
    redactor = Redactor(Mask())

    assert redactor.feed(b"::add-mask::" + value + b"\na  b\n") == b"a  b\n"
    assert not redactor.refused


@pytest.mark.parametrize("value", [b"a", b"abc", b" abc ", b"abc\r"])
def test_a_value_that_is_too_short_vanishes_is_not_masked_and_is_told(value: bytes) -> None:
    redactor = Redactor(Mask())

    assert redactor.feed(b"::add-mask::" + value + b"\nabc\n") == b"abc\n"
    assert redactor.refused


def test_of_a_short_value_inside_a_line_nothing_is_told() -> None:
    redactor = Redactor(Mask())

    assert redactor.feed(b"$ echo ::add-mask::x\nx\n") == b"$ echo ***\nx\n"
    assert not redactor.refused


def test_a_value_with_its_newlines_escaped_is_masked_as_it_is_meant() -> None:
    shown = redacted(
        b"::add-mask::first-line%0D%0Asecond 100%25\nfirst-line, c2Vjb25kIDEwMCU=, first-line%0D%0Asecond\n"
    )

    assert shown == b"***, ***U=, ***%0D%0Asecond\n"
    assert redacted(b"::add-mask::ab%0Acd%25\n<ab\ncd%>\n") == b"<***>\n"


def test_a_value_with_a_percent_sign_of_its_own_is_masked_as_it_is() -> None:
    assert redacted(b"::add-mask::ab%25cd\nab%25cd ab%cd\n") == b"*** ***\n"


def test_an_endless_value_is_hidden_in_pieces_and_takes_no_more_memory() -> None:
    redactor = Redactor(Mask())
    value = b"".join(b"%07d;" % number for number in range(100_000))
    shown = b"".join(redactor.feed(chunk) for chunk in (b"::add-mask::", *split(value, range(0, len(value), 10_000))))

    assert shown == b""
    assert len(redactor._value) <= LONGEST
    assert redactor.feed(b"\n<" + value + b">\n").replace(b"***", b"") == b"<>\n"


def test_a_long_value_inside_a_line_is_one_mask() -> None:
    assert redacted(b"+ echo ::add-mask::" + b"x" * (LONGEST + 2) + b"\n") == b"+ echo ***\n"


def test_the_short_last_piece_of_a_long_value_is_not_told() -> None:
    redactor = Redactor(Mask())

    assert redactor.feed(b"::add-mask::" + b"x" * (LONGEST + 2) + b"\n") == b""
    assert not redactor.refused


def test_of_a_value_that_is_cut_off_the_part_that_came_is_hidden() -> None:
    redactor = Redactor(Mask())
    redactor.feed(b"::add-mask::hunter")

    assert redactor.cut() == b""
    assert redactor.feed(b"22\nhunter22\n") == b"22\n***22\n"


def test_of_a_short_part_of_a_value_nothing_is_told() -> None:
    redactor = Redactor(Mask())
    redactor.feed(b"::add-mask::hu")

    assert redactor.cut() == b""
    assert not redactor.refused


def test_a_cut_inside_a_line_leaves_the_mask_and_a_new_line_begins() -> None:
    redactor = Redactor(Mask())

    assert redactor.feed(b"+ echo ::add-mask::hunter22") == b"+ echo "
    assert redactor.cut() == b"***"
    assert redactor.feed(b"::add-mask::geheimnis\n") == b""


def test_a_cut_masks_the_beginning_of_a_secret_and_frees_that_of_a_marker() -> None:
    mask = Mask()
    mask.add(b"hunter22")
    redactor = Redactor(mask)

    assert redactor.feed(b"a hunter2") == b"a "
    assert redactor.cut() == b"***"
    assert redactor.feed(b"b ::add") == b"b "
    assert redactor.cut() == b"::add"
    assert redactor.cut() == b""


def test_two_streams_share_what_is_announced_and_nothing_else() -> None:
    mask = Mask()
    first, second = Redactor(mask), Redactor(mask)

    assert first.feed(b"::add-mask::hun") == b""
    assert second.feed(b"ter22\n::add-mask::geheimnis\n") == b"ter22\n"
    assert first.feed(b"ter22\ngeheimnis\n") == b"***\n"
    assert second.feed(b"hunter22\n") == b"***\n"


def test_data_without_markers_and_secrets_are_not_copied() -> None:
    data = b"nothing to see: here\n"

    assert Redactor(Mask()).feed(data) is data


def test_a_hundred_megabytes_without_markers_cost_next_to_nothing() -> None:
    redactor = Redactor(Mask())
    chunk = b"".join(b"2024-05-01T10:11:%02d std::vector<a::b> d: -> e\n" % (number % 60) for number in range(1400))
    begun = time.process_time()

    for _ in range(100_000_000 // len(chunk)):
        redactor.feed(chunk)

    assert time.process_time() - begun < 0.5  # 0.05 s on a calm machine


def test_a_chunk_full_of_markers_takes_no_time_to_speak_of() -> None:
    begun = time.process_time()

    shown = redacted(b"".join(b"::add-mask::value-%06d\n" % number for number in range(5000)) + b"value-004999\n")

    assert shown == b"***\n"
    assert time.process_time() - begun < 5  # 0.5 s on a calm machine


def test_a_value_that_comes_byte_by_byte_takes_no_time_to_speak_of() -> None:
    redactor = Redactor(Mask())
    begun = time.process_time()

    for _ in range(LONGEST):
        redactor.feed(b"::add-mask::"[:1])
    redactor.feed(b"\n::add-mask::")
    for _ in range(LONGEST):
        redactor.feed(b"x")

    assert redactor.feed(b"\n" + b"x" * LONGEST + b"\n") == b"***\n"
    assert time.process_time() - begun < 5  # 0.2 s on a calm machine
