"""A secret in base64 is masked in lines of any width, wherever it begins and wherever chunks end."""

import base64
import random
import re
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.logs.forms import encoded, forms
from runner.logs.mask import MASK, Mask, Masker

BREAKS = (b"\n", b"\r\n", b" ")
REPEATED = re.compile(rb"(....)\1")
CUTS = st.lists(st.integers(0, 1000), max_size=20)
Encode = Callable[[bytes], bytes]


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """Secrets, and base64 of them and what is around, in lines of any width."""
    letters = st.text(alphabet="ab", min_size=8, max_size=60).map(str.encode)  # repeat themselves in every way
    secrets = draw(
        st.lists(
            st.binary(min_size=8, max_size=120).filter(lambda b: len(b.strip()) >= 8) | letters, min_size=1, max_size=3
        )
    )
    data = b""
    for _ in range(draw(st.integers(1, 3))):
        value = draw(st.binary(max_size=5)) + draw(st.sampled_from(secrets)) + draw(st.binary(max_size=5))
        space = draw(st.sampled_from((*BREAKS, b"\n    ", b"\n12: ")))
        encode = draw(st.sampled_from((base64.b64encode, base64.urlsafe_b64encode)))
        data += (
            draw(st.sampled_from((b"", b"<", b"a "))) + lines(encode(value), draw(st.integers(1, 100)), space) + b"\n"
        )
    return secrets, data


def lines(text: bytes, width: int, space: bytes = b"\n") -> bytes:
    return space.join(text[at : at + width] for at in range(0, len(text), width))


def hiding(*secrets: bytes) -> Mask:
    mask = Mask()
    for secret in secrets:
        assert mask.hide(secret)
    return mask


def masked(mask: Mask, data: bytes, cuts: Sequence[int] = ()) -> bytes:
    masker = Masker(mask)
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return b"".join([*(masker.feed(data[begin:end]) for begin, end in pairwise(places)), masker.finish()])


def left(secret: bytes, shown: bytes, length: int = 11) -> set[bytes]:
    """Return what ``shown`` tells in so many characters of a secret's base64, if it does not repeat itself."""
    windows = {text[at : at + length] for text in encoded(secret.strip()) for at in range(len(text) - length + 1)}
    return {window for window in windows if window in shown and not REPEATED.search(window)}


@given(stream=streams(), cuts=CUTS)
def test_no_eleven_characters_of_a_secret_in_base64_are_shown(
    stream: tuple[list[bytes], bytes], cuts: list[int]
) -> None:
    secrets, data = stream

    shown = masked(hiding(*secrets), data, cuts)

    assert [left(secret, shown) for secret in secrets] == [set()] * len(secrets)


@given(stream=streams(), cuts=CUTS)
def test_broken_base64_is_masked_alike_wherever_chunks_end(stream: tuple[list[bytes], bytes], cuts: list[int]) -> None:
    secrets, data = stream
    mask = hiding(*secrets)

    assert masked(mask, data, cuts) == masked(mask, data)


@given(stream=streams())
def test_broken_base64_is_masked_alike_byte_by_byte(stream: tuple[list[bytes], bytes]) -> None:
    secrets, data = stream
    mask = hiding(*secrets)

    assert masked(mask, data, range(len(data))) == masked(mask, data)


@given(stream=streams(), cuts=CUTS)
def test_no_more_is_held_back_than_the_encoding_and_its_breaks(
    stream: tuple[list[bytes], bytes], cuts: list[int]
) -> None:
    secrets, data = stream
    longest = max(len(form) for secret in secrets for form in forms(secret.strip()) | {secret})
    masker = Masker(hiding(*secrets))

    for begin, end in pairwise(sorted({0, *(cut % (len(data) + 1) for cut in cuts)})):
        masker.feed(data[begin:end])

        assert len(masker._held.translate(None, b" \r\n")) <= longest


@st.composite
def wholes(draw: st.DrawFn) -> tuple[bytes, bytes, range]:
    """A secret, base64 of it in lines between others, and where it may begin to be masked."""
    dice = random.Random(draw(st.integers(0, 999)))
    before, length, after = (draw(st.integers(least, 150)) for least in (0, 8, 0))
    secret = b"x" + dice.randbytes(length - 2) + b"y"  # without white space at its ends
    text = base64.b64encode(dice.randbytes(before) + secret + dice.randbytes(after))
    width, space = draw(st.integers(8, 100)), draw(st.sampled_from(BREAKS))
    least, most = (len(lines(text[: before // 3 * 4 + more], width, space)) for more in (0, 4))
    return secret, lines(text, width, space) + b"\nafter", range(least, most + len(space) + 1)


@given(whole=wholes(), cuts=CUTS)
def test_of_a_whole_secret_in_lines_nothing_is_shown_and_all_around_it(
    whole: tuple[bytes, bytes, range], cuts: list[int]
) -> None:
    secret, data, begins = whole

    head, middle, tail = masked(hiding(secret), data, cuts).partition(MASK)

    assert (data[: len(head)], middle, data[-len(tail) :]) == (head, MASK, tail)
    assert len(head) in begins
    assert tail.endswith(b"\nafter")
    assert left(secret, head + b"|" + tail, length=6) == set()


@given(data=st.text(alphabet="xyz= \r\n*").map(str.encode), cuts=CUTS)
def test_bytes_without_a_part_of_a_secret_are_unchanged(data: bytes, cuts: list[int]) -> None:
    assert masked(hiding(b"correct horse battery staple", bytes(range(33, 200))), data, cuts) == data


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_lines_around_broken_base64_stay(encode: Encode) -> None:
    secret = random.Random(1).randbytes(120)
    text = encode(b"user:" + secret + b"\n")

    shown = masked(hiding(secret), b"$ base64\n" + lines(text, 76) + b"\n$ next\n")

    assert re.fullmatch(rb"\$ base64\ndXNlcj.?\*\*\*.{0,4}\n\$ next\n", shown)


def test_a_short_secret_is_masked_wherever_a_line_ends_in_it() -> None:
    text = base64.b64encode(b"a user: hunter22 and more")

    for width in range(8, len(text)):
        shown = masked(hiding(b"hunter22"), lines(text, width)).translate(None, b"\n")
        assert shown == b"YSB1c2VyOiB***iBhbmQgbW9yZQ==", width


def test_marks_before_every_line_leave_at_most_three_characters_of_it() -> None:
    secret = random.Random(2).randbytes(120)
    text = lines(base64.b64encode(secret), 38, b"\n> ")

    shown = masked(hiding(secret), b"> " + text).splitlines()

    assert len(shown) == 5
    assert [line for line in shown if not re.fullmatch(rb"> [^*]{0,3}\*\*\*", line)] == []


def test_a_break_that_is_longer_than_an_indentation_ends_the_secret() -> None:
    secret = random.Random(3).randbytes(24)
    text = base64.b64encode(secret)
    mask = hiding(secret)

    assert masked(mask, text[:16] + b" " * 64 + text[16:]) == MASK
    assert masked(mask, text[:16] + b" " * 65 + text[16:]) == MASK + b" " * 65 + MASK
    assert masked(mask, text[:16] + b" " * 65 + text[16:], range(200)) == MASK + b" " * 65 + MASK


def test_a_part_waits_only_while_more_of_it_may_come() -> None:
    text = base64.b64encode(b"correct horse battery staple")
    masker = Masker(hiding(b"correct horse battery staple"))

    assert masker.feed(text[:12] + b"\n") == b""
    assert masker.feed(b"next") == MASK + b"\nnext"


def test_a_part_whose_end_has_been_lost_is_masked() -> None:
    masker = Masker(hiding(b"correct horse battery staple"))

    assert masker.feed(b"> " + base64.b64encode(b"correct horse")[:12]) == b"> "
    assert masker.cut() == MASK


def test_white_space_and_zeros_inside_a_secret_do_not_tear_other_base64() -> None:
    mask = hiding(b'{\n          "key": "value of a key"\n}', b"\x30\x82" + bytes(30) + b"key")
    harmless = base64.b64encode(b"[\n          1,\n" + bytes(40) + b"]")

    assert masked(mask, harmless) == harmless


def test_many_secrets_that_begin_and_end_alike_are_masked() -> None:
    secrets = [b"https://user:%s@host.example.org/path" % random.Random(seed).randbytes(20) for seed in range(50)]
    mask = hiding(*secrets)

    for secret in secrets:
        shown = masked(mask, lines(base64.b64encode(b"url=" + secret), 76))
        assert left(secret, shown) == set()


def test_base64_of_a_key_of_several_lines_is_masked() -> None:
    body = base64.encodebytes(random.Random(4).randbytes(600))
    key = b"-----BEGIN KEY-----\n" + body + b"-----END KEY-----\n"

    assert masked(hiding(key), lines(base64.b64encode(key), 76)) == MASK + b"0K"
    assert left(key, masked(hiding(key), lines(base64.b64encode(b"key: " + key), 64))) == set()


def test_of_a_very_long_secret_no_long_part_is_shown_in_base64() -> None:
    secret = random.Random(5).randbytes(200_000)
    begun = time.process_time()
    mask = hiding(secret)

    text = base64.b64encode(b"xy" + secret)
    assert masked(mask, lines(text, 76)) == b"eHl***g=="
    assert len(masked(mask, b"> " + text[5000:9000])) < 400
    assert len(mask._needles._places) < 10_000
    assert time.process_time() - begun < 5  # 0.5 s on a calm machine


def test_fragments_in_every_line_are_masked_fast() -> None:
    secret = random.Random(6).randbytes(60)
    chunk = (b"x" * 30 + base64.b64encode(b"u:" + secret)[:60] + b"!\n") * 700
    masker = Masker(hiding(secret))
    begun = time.process_time()

    shown = b"".join(masker.feed(chunk) for _ in range(30))

    assert shown.count(MASK) == 21_000
    assert 30 * len(chunk) / (time.process_time() - begun) > 2e6  # 10 MB/s on a calm machine
