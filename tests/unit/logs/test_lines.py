"""Lines: bounded, the same wherever chunks end; and text that cannot play with a terminal."""

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.logs.lines import CONTINUED, LONGEST, Lines, decode, safe


def shown(*chunks: bytes) -> bytes:
    lines = Lines()
    return b"".join([*(lines.feed(chunk) for chunk in chunks), lines.finish()])


@given(chunks=st.lists(st.binary(max_size=12) | st.sampled_from([b"\r\n", b"\r", b"\n", b"ab\n"]), max_size=12))
def test_lines_are_the_same_wherever_chunks_end(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    ended = whole if whole.endswith(b"\n") or not whole else whole + b"\n"

    assert shown(*chunks) == shown(whole) == ended.replace(b"\r\n", b"\n")


@given(
    lengths=st.lists(
        st.sampled_from([0, 1, LONGEST - 1, LONGEST, LONGEST + 1, 2 * LONGEST, 3 * LONGEST + 7]), min_size=1, max_size=4
    ),
    size=st.sampled_from([1000, LONGEST - 1, LONGEST, LONGEST + 1, 10 * LONGEST]),
)
def test_long_lines_are_the_same_wherever_chunks_end_and_lose_no_byte(lengths: list[int], size: int) -> None:
    data = b"".join("äx".encode() * (length // 3) + b"y" * (length % 3) + b"\n" for length in lengths)

    output = shown(*(data[begin : begin + size] for begin in range(0, len(data), size)))

    assert output == shown(data)
    assert output.replace(CONTINUED + b"\n", b"") == data
    assert max(map(len, output.split(b"\n"))) <= LONGEST + len(CONTINUED)


def test_plain_lines_cost_less_than_looking_for_two_characters_in_them() -> None:
    block = (b"7".zfill(99) + b"\n") * 1000
    lines = Lines()

    def cost(work: Callable[[bytes], object]) -> float:
        rounds = []
        for _ in range(5):
            began = time.thread_time()
            for _ in range(50):
                work(block)
            rounds.append(time.thread_time() - began)
        return min(rounds)

    assert cost(lines.feed) < cost(lambda data: data.find(b"\r\n"))


def test_a_line_of_the_longest_length_is_not_cut() -> None:
    assert shown(b"x" * LONGEST + b"\nnext\n") == b"x" * LONGEST + b"\nnext\n"


def test_a_longer_line_is_cut_and_marked() -> None:
    assert shown(b"x" * LONGEST + b"yz\n") == b"x" * LONGEST + CONTINUED + b"\nyz\n"


def test_a_cut_leaves_characters_whole() -> None:
    first, _, second = shown(b"x" * (LONGEST - 1) + "€€".encode() + b"\n").partition(CONTINUED + b"\n")

    assert first == b"x" * (LONGEST - 1)
    assert second == "€€\n".encode()


def test_what_is_not_utf_8_is_cut_at_the_limit() -> None:
    assert shown(b"\x80" * (LONGEST + 1)) == b"\x80" * LONGEST + CONTINUED + b"\n\x80\n"


def test_an_endless_line_needs_bounded_memory_and_appears_as_it_comes() -> None:
    lines = Lines()
    appeared = 0
    for _ in range(300):
        appeared += len(lines.feed(b"x" * 10_000))

        assert len(lines._rest) <= LONGEST

    assert appeared > 2_900_000


def test_an_endless_line_in_tiny_chunks_is_not_quadratic() -> None:
    lines = Lines()
    begun = time.perf_counter()
    for _ in range(2 * LONGEST):
        lines.feed(b".")

    assert time.perf_counter() - begun < 5  # 0.4 s on a calm machine


def test_an_incomplete_line_waits_for_its_end() -> None:
    lines = Lines()

    assert lines.feed(b"one\ntw") == b"one\n"
    assert lines.feed(b"o\n") == b"two\n"
    assert lines.finish() == b""


def test_the_last_line_gets_its_end_when_the_stream_has_ended() -> None:
    lines = Lines()

    assert lines.feed(b"no newline\r") == b""
    assert lines.finish() == b"no newline\n"
    assert lines.finish() == b""


def test_progress_and_nul_and_invalid_bytes_are_kept() -> None:
    assert shown(b"10%\r20%\r\n\x00\xff\x1b[0m\n") == b"10%\r20%\n\x00\xff\x1b[0m\n"


def test_a_carriage_return_and_its_newline_may_come_apart() -> None:
    assert shown(b"one\r", b"\ntwo\r", b"three\r\n") == b"one\ntwo\rthree\n"


def test_invalid_bytes_are_shown_as_replacements() -> None:
    assert decode(b"a\xffb\xe2\x82") == "a\ufffdb\ufffd"


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b]52;c;ZXZpbA==\x07after", "after"),  # writes the clipboard
        ("\x1b]0;title\x1b\\after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP+q544e\x1b\\after", "after"),  # asks the terminal, which answers on the keyboard
        ("\x1b[6nafter", "after"),
        ("\x1b[2J\x1b[1;1Hafter", "after"),
        ("\x1b[?1049hafter", "after"),
        ("\x1b(0after\x1bc", "after"),
        ("\x9b2Jafter\x9d0;title\x9c!", "after!"),  # the same in one character
        ("bell\x07 back\x08 nul\x00 del\x7f", "bell back nul del"),
        ("\x1b]0;never ends", ""),
        ("\x1b]0;never ends\nnext line", "\nnext line"),
        ("end \x1b", "end "),
        ("end \x1b[12", "end 12"),
        ("\x1b[\x1b[31mred", "\x1b[31mred"),
        ("\x1b[>4;2mkeys", "keys"),  # ends in m and is not a colour
    ],
)
def test_what_could_play_with_a_terminal_is_removed(hostile: str, harmless: str) -> None:
    assert safe(hostile) == harmless


def test_colours_tabs_and_ordinary_text_stay() -> None:
    text = "\x1b[1;31merror\x1b[0m\t\x1b[38:2::1:2:3mñ 漢字 🙂\x1b[m\n"

    assert safe(text) == text


def test_of_a_line_that_redraws_itself_the_last_state_is_left() -> None:
    assert safe("10%\r50%\r100%\nnext\r\n\rlast\r") == "100%\nnext\nlast"


@given(text=st.text(alphabet=st.sampled_from("\x1b\x9b\x9d\x07\x9c[]P\\;?0m1hJ\r\n\t x")))
def test_nothing_but_colours_is_left_of_any_sequence(text: str) -> None:
    left = re.sub(r"\x1b\[[0-9;:]*m", "", safe(text))

    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", left)
    assert left.count("\n") == text.count("\n")


@pytest.mark.parametrize("hostile", ["\x1b]" * 50_000, "\x1b[" + ";" * 100_000, "\r" * 100_000, "a\rb" * 50_000])
def test_no_text_takes_long_to_make_safe(hostile: str) -> None:
    begun = time.perf_counter()

    safe(hostile)

    assert time.perf_counter() - begun < 2
