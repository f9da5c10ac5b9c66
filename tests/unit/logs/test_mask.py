"""Masking: no secret comes out, nothing else is changed, and no more than needed is held back."""

import os
import re
import threading
import time
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.logs.mask import MASK, Mask, Masker

# Two letters make needles overlap, nest and begin like each other all the time.
NEEDLE = st.text(alphabet="ab\n", min_size=4, max_size=40).map(str.encode)
NEEDLES = st.lists(NEEDLE, min_size=1, max_size=6)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """Needles, and data that is made of them, of pieces of them, and of other text."""
    needles = draw(NEEDLES)
    whole = st.sampled_from(needles)
    piece = st.builds(lambda needle, end: needle[:end], whole, st.integers(1, 39))
    other = st.binary(max_size=6) | st.text(alphabet="abc\n", max_size=8).map(str.encode)
    return needles, b"".join(draw(st.lists(whole | piece | other, max_size=12)))


def mask_of(*needles: bytes) -> Mask:
    mask = Mask()
    for needle in needles:
        assert mask.add(needle)
    return mask


def masked(needles: Sequence[bytes], chunks: Sequence[bytes]) -> bytes:
    masker = Masker(mask_of(*needles))
    return b"".join([*(masker.feed(chunk) for chunk in chunks), masker.finish()])


def expected(needles: Sequence[bytes], data: bytes) -> bytes:
    """The definition: leftmost, and the longest there."""
    ordered = sorted(needles, key=len, reverse=True)
    return re.sub(b"|".join(re.escape(needle) for needle in ordered), MASK, data)


def split(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[begin:end] for begin, end in pairwise(places)]


@given(stream=streams(), cuts=st.lists(st.integers(0, 200), max_size=20))
def test_the_output_is_the_leftmost_longest_replacement_wherever_chunks_end(
    stream: tuple[list[bytes], bytes], cuts: list[int]
) -> None:
    needles, data = stream

    assert masked(needles, split(data, cuts)) == expected(needles, data)


@given(stream=streams())
def test_byte_by_byte_gives_the_same_as_the_whole(stream: tuple[list[bytes], bytes]) -> None:
    needles, data = stream

    assert masked(needles, [bytes([byte]) for byte in data]) == masked(needles, [data])


@given(stream=streams(), cuts=st.lists(st.integers(0, 200), max_size=20))
def test_no_secret_is_in_the_output(stream: tuple[list[bytes], bytes], cuts: list[int]) -> None:
    needles, data = stream  # none holds an asterisk, so the replacement cannot spell one

    shown = masked(needles, split(data, cuts))

    assert not [needle for needle in needles if needle in shown]


@given(needles=NEEDLES, data=st.text(alphabet="xyz*").map(str.encode), cuts=st.lists(st.integers(0, 50)))
def test_bytes_without_a_secret_are_unchanged(needles: list[bytes], data: bytes, cuts: list[int]) -> None:
    assert masked(needles, split(data, cuts)) == data


@given(stream=streams(), cuts=st.lists(st.integers(0, 200), max_size=20))
def test_held_back_is_only_a_beginning_of_a_secret(stream: tuple[list[bytes], bytes], cuts: list[int]) -> None:
    needles, data = stream
    masker = Masker(mask_of(*needles))

    for chunk in split(data, cuts):
        masker.feed(chunk)
        held = masker._held

        assert not held or any(len(held) < len(needle) and needle.startswith(held) for needle in needles)


def test_a_secret_split_over_two_chunks_is_masked() -> None:
    assert masked([b"hunter22"], [b"password: hun", b"ter22!\n"]) == b"password: ***!\n"


def test_a_secret_over_several_lines_is_masked() -> None:
    assert masked([b"-----KEY\nabc\n-----"], [b"x -----KEY\n", b"abc\n", b"----- y"]) == b"x *** y"


def test_an_interactive_line_appears_at_once() -> None:
    masker = Masker(mask_of(b"hunter22", b"\nsecret"))

    assert masker.feed(b"Continue? [y/n] ") == b"Continue? [y/n] "


def test_only_the_end_that_may_grow_waits_for_the_next_chunk() -> None:
    masker = Masker(mask_of(b"hunter22"))

    assert masker.feed(b"a long line, then h") == b"a long line, then "
    assert masker.feed(b"ello") == b"hello"


def test_a_secret_that_may_become_a_longer_one_waits() -> None:
    masker = Masker(mask_of(b"abcd", b"abcdef"))

    assert masker.feed(b"abcd") == b""
    assert masker.feed(b"e") == b""
    assert masker.feed(b"x") == b"***ex"


def test_a_long_secret_that_begins_before_a_short_one_wins() -> None:
    assert masked([b"abcdefgh1", b"defg"], [b"..abcdefg", b"h1.."]) == b"..***.."
    assert masked([b"abcdefgh1", b"defg"], [b"..abcdefg", b"h2.."]) == b"..abc***h2.."


def test_secrets_of_any_bytes_are_masked_literally() -> None:
    for needle in (b".*.*", b"a|b|c|d", b"\x00\xff\xfe\n", b"(?i)[]\\E", bytes(range(256))):
        assert masked([needle], [b"<" + needle + b">"]) == b"<***>"


def test_without_secrets_data_pass_through_without_a_copy() -> None:
    masker = Masker(Mask())
    data = os.urandom(100)

    assert masker.feed(data) is data
    assert masker.finish() == b""


def test_data_without_secrets_are_not_copied() -> None:
    data = b"nothing to see here\n"

    assert Masker(mask_of(b"hunter22")).feed(data) is data


def test_a_secret_added_while_streaming_holds_from_then_on() -> None:
    mask = Mask()
    masker = Masker(mask)

    assert masker.feed(b"hunter22\n") == b"hunter22\n"
    mask.add(b"hunter22")
    assert masker.feed(b"hunter22\n") == b"***\n"


def test_what_is_held_back_for_one_secret_is_checked_against_one_added_since() -> None:
    mask = mask_of(b"abcdefgh")
    masker = Masker(mask)

    assert masker.feed(b"abcdef") == b""
    mask.add(b"cdef")
    assert masker.finish() == b"ab***"


def test_the_end_of_a_stream_frees_what_was_held_back_once() -> None:
    masker = Masker(mask_of(b"hunter22"))

    assert masker.feed(b"> hunter2") == b"> "
    assert masker.finish() == b"hunter2"
    assert masker.finish() == b""


def test_a_beginning_whose_end_may_have_been_lost_is_masked() -> None:
    masker = Masker(mask_of(b"hunter22"))

    masker.feed(b"> hunter2")
    assert masker.cut() == MASK
    masker.feed(b"> hun")
    assert masker.cut() == b"hun"
    assert masker.cut() == b""


@pytest.mark.parametrize("value", [b"a", b"ab", b"abc"])
def test_a_short_value_is_refused_and_not_masked(value: bytes) -> None:
    mask = Mask()

    assert not mask.add(value)
    assert mask.redact(value.decode()) == value.decode()


def test_an_empty_value_is_nothing_to_warn_about() -> None:
    mask = Mask()

    assert mask.add(b"")
    assert mask.redact("text") == "text"


def test_text_is_redacted_whole() -> None:
    mask = mask_of("schlüssel".encode(), b"abcd", b"abcdef")

    assert mask.redact("der schlüssel abcdef, abcdx") == "der *** ***, ***x"


@given(text=st.text(alphabet=st.characters(codec=None, exclude_characters="s")))
def test_any_text_without_a_secret_is_redacted_to_itself(text: str) -> None:
    assert mask_of(b"secret").redact(text) == text


def test_a_secret_beside_half_a_surrogate_pair_is_redacted() -> None:
    assert mask_of(b"secret").redact("\ud800 secret") == "\ud800 ***"
    assert mask_of(b"\xff\xfe\xfd\xfc").redact("<\udcff\udcfe\udcfd\udcfc>") == "<***>"


def test_many_threads_add_while_another_masks() -> None:
    mask = Mask()
    values = [b"secret-%04d" % number for number in range(400)]
    adders = [threading.Thread(target=lambda part=part: [mask.add(v) for v in values[part::4]]) for part in range(4)]
    masker = Masker(mask)
    for adder in adders:
        adder.start()
    while any(adder.is_alive() for adder in adders):
        masker.feed(b"x" * 64)
    for adder in adders:
        adder.join()

    assert masker.feed(b" ".join(values) + b"\n") == b" ".join([MASK] * len(values)) + b"\n"


@pytest.mark.parametrize("secret", [b"hunter22", b"  hunter22\r\n"])
def test_a_secret_is_hidden_with_and_without_the_space_around_it_and_in_its_forms(secret: bytes) -> None:
    mask = Mask()

    assert mask.hide(secret)

    assert mask.redact("<hunter22> aHVudGVyMjI= 68756e7465723232") == "<***> ***I= ***"
    assert mask.redact(f"<{secret.decode()}>") == "<***>"


def test_a_short_secret_is_hidden_without_the_newline_of_its_file() -> None:
    mask = Mask()

    assert mask.hide(b"abcd\n")
    assert mask.redact("abcd.") == "***."


@pytest.mark.parametrize("secret", [b"abc", b" abc\n", b"a\n  \n"])
def test_a_secret_that_is_too_short_without_its_space_is_refused_in_every_form(secret: bytes) -> None:
    mask = Mask()

    assert not mask.hide(secret)
    assert mask.redact(f"<{secret.decode()}> YWJj") == f"<{secret.decode()}> YWJj"


@pytest.mark.parametrize("secret", [b"", b"    ", b"\n\n\n\n"])
def test_nothing_but_space_is_nothing_to_hide(secret: bytes) -> None:
    mask = Mask()

    assert mask.hide(secret)
    assert mask.redact("a      b\n\n\n\n\n") == "a      b\n\n\n\n\n"


@pytest.mark.parametrize("count", [1, 8, 500])
def test_a_hundred_megabytes_without_a_secret_take_less_than_two_seconds(count: int) -> None:
    masker = Masker(mask_of(*(b"secret-value-%d" % number for number in range(count))))
    chunk = (b"2024-05-01 10:11:12 INFO compiling path/to/some/file.c with -O2 -g and more\n" * 500)[:32768]
    begun = time.perf_counter()

    shown = sum(len(masker.feed(chunk)) for _ in range(100_000_000 // len(chunk)))

    assert shown + len(masker._held) == 100_000_000 // len(chunk) * len(chunk)
    assert time.perf_counter() - begun < 2  # 0.2 s on a calm machine


def test_a_long_secret_of_which_only_beginnings_come_costs_little() -> None:
    masker = Masker(mask_of(b"-" * 4000 + b"!"))
    begun = time.perf_counter()

    shown = b"".join(masker.feed(b"-" * 100) for _ in range(300)) + masker.finish()

    assert shown == b"-" * 30_000
    assert time.perf_counter() - begun < 2
