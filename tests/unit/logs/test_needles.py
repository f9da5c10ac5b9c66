"""Replacing many needles at once: whenever they were added, and however many begin alike."""

import re
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.logs import needles as module
from runner.logs.mask import Mask, Masker
from runner.logs.needles import Needles

MASK = b"*"
LINE = b"2024-05-01 10:11:12 INFO compiling path/to/some/file.c with -O2 -g and more\n"

# Of two letters, so that they overlap and nest, and on both sides of the length of an anchor.
NEEDLE = st.text(alphabet="ab", min_size=1, max_size=40).map(str.encode)


def _needles(*groups: list[bytes]) -> Needles:
    """Return needles that were added in groups, with a search after each."""
    needles = Needles()
    for group in groups:
        needles.add(group)
        needles.replace(b"x", MASK, final=True)
    return needles


def _expected(found: list[bytes], data: bytes) -> bytes:
    """The definition: leftmost, and the longest there."""
    return re.sub(b"|".join(re.escape(needle) for needle in sorted(found, key=len, reverse=True)), MASK, data)


@given(groups=st.lists(st.lists(NEEDLE, min_size=1, max_size=5), min_size=1, max_size=5), data=st.text(alphabet="abc"))
def test_needles_are_replaced_alike_whenever_they_were_added(groups: list[list[bytes]], data: str) -> None:
    everything = [needle for group in groups for needle in group]

    shown, held = _needles(*groups).replace(data.encode(), MASK, final=True)

    assert (shown, held) == (_expected(everything, data.encode()), b"")


@given(groups=st.lists(st.lists(NEEDLE, min_size=1, max_size=5), min_size=1, max_size=3), data=st.text(alphabet="abc"))
def test_what_is_held_back_may_become_a_needle_and_begins_as_far_left_as_one_can(
    groups: list[list[bytes]], data: str
) -> None:
    everything = [needle for group in groups for needle in group]

    shown, held = _needles(*groups).replace(data.encode(), MASK, final=False)

    assert not held or any(needle.startswith(held) and needle != held for needle in everything)
    assert shown + _expected(everything, held) == _expected(everything, data.encode())


def test_without_needles_data_are_not_copied() -> None:
    assert Needles().replace(LINE, MASK, final=False)[0] is LINE


def test_a_needle_of_a_megabyte_is_found_and_held_back() -> None:
    needle = bytes(range(1, 256)) * 4000
    needles = _needles([needle])

    assert needles.replace(b"<" + needle + b">", MASK, final=True) == (b"<*>", b"")
    assert needles.replace(b"<" + needle[:-1], MASK, final=False) == (b"<", needle[:-1])


def test_later_needles_are_taken_in_with_the_others_after_a_while() -> None:
    needles = _needles([b"first-%03d" % number for number in range(100)], [b"later-one"])
    assert len(needles._automata) == 2

    for _ in range(module._CALM + 1):
        assert needles.replace(b"first-007 later-one", MASK, final=True) == (b"* *", b"")

    assert len(needles._automata) == 1


def test_many_later_needles_are_taken_in_at_once() -> None:
    needles = _needles([b"first"], [b"later-one", b"later-two"])

    assert len(needles._automata) == 1
    assert needles.replace(b"first later-two", MASK, final=True) == (b"* *", b"")


def test_a_needle_that_begins_as_another_needs_no_new_automaton() -> None:
    needles = _needles([b"-----BEGIN RSA PRIVATE KEY-----\nAA"])
    before = needles._automata

    needles.add([b"-----BEGIN RSA PRIVATE KEY-----\nBB"])

    assert needles.replace(b"-----BEGIN RSA PRIVATE KEY-----\nBB", MASK, final=True) == (b"*", b"")
    assert needles._automata is before


def test_more_needles_than_a_dfa_is_made_of_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FEW", 10)
    needles = _needles([b"secret-%03d" % number for number in range(50)])

    assert needles.replace(b"secret-042 secret-050", MASK, final=True) == (b"* secret-050", b"")


def test_threads_that_search_while_others_add_miss_nothing_that_was_there() -> None:
    needles = _needles([b"known-secret"])
    seen: list[bytes] = []

    def search() -> None:
        seen.extend(needles.replace(b"known-secret", MASK, final=True)[0] for _ in range(2000))

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(500):
        needles.add([b"another-%d" % number])
    for thread in threads:
        thread.join()

    assert set(seen) == {MASK}


def test_five_hundred_secrets_set_one_by_one_between_chunks_take_less_than_a_second() -> None:
    mask = Mask()
    masker = Masker(mask)
    begun = time.process_time()

    for number in range(500):
        mask.hide(b"%03d a 'secret' of $ome kind & more" % number)
        masker.feed(LINE)

    assert time.process_time() - begun < 1  # 0.5 s on a calm machine


def test_a_secret_of_five_thousand_lines_is_hidden_in_a_few_seconds() -> None:
    mask = Mask()
    lines = [b'"key-%06d": "%06d",' % (number, number * 7) for number in range(5000)]
    begun = time.process_time()

    mask.hide(b"\n".join(lines))

    assert mask.redact(f"<{lines[777].decode()}>") == "<***>"
    assert time.process_time() - begun < 5  # 0.5 s on a calm machine


def test_text_with_a_secret_in_every_line_is_masked_fast() -> None:
    mask = Mask()
    for number in range(20):
        mask.hide(b"%02d secret & value" % number)
    chunk = (b"x" * 40 + b"07 secret & value" + b"y" * 42 + b"\n") * 655
    masker = Masker(mask)
    begun = time.process_time()

    for _ in range(300):
        masker.feed(chunk)

    assert 300 * len(chunk) / (time.process_time() - begun) > 50e6  # 90 MB/s on a calm machine


def test_the_first_needle_may_come_in_the_middle_of_searches() -> None:
    needles = Needles()
    seen: list[bytes] = []
    done = threading.Event()

    def search() -> None:
        while not done.is_set():
            seen.append(needles.replace(b"the-needle", MASK, final=True)[0])

    thread = threading.Thread(target=search)
    thread.start()
    needles.add([b"the-needle"])
    assert needles.replace(b"the-needle", MASK, final=True)[0] == MASK
    done.set()
    thread.join()

    assert set(seen) <= {b"the-needle", MASK}


def test_a_text_is_found_in_parts_and_over_breaks() -> None:
    needles = Needles()
    needles.add([], [b"abcdefghijklmnopqrst"])

    assert needles.replace(b"<abc\ndefghijklm\r\n  nopqrst>", MASK, final=True) == (b"<*>", b"")
    assert needles.replace(b"<efghijklm>", MASK, final=True) == (b"<*>", b"")
    assert needles.replace(b"<fghijklm>", MASK, final=True) == (b"<fghijklm>", b"")
    assert needles.replace(b"<abcdefgh ", MASK, final=False) == (b"<", b"abcdefgh ")


def test_a_text_that_goes_on_after_a_needle_with_which_it_begins_wins() -> None:
    needles = Needles()
    needles.add([b"abcdefghijkl"], [b"abcdefghijklmnopqrst"])

    assert needles.replace(b"<abcdefghijkl\nmnopqrst>", MASK, final=True) == (b"<*>", b"")
    assert needles.replace(b"<abcdefghijkl\nmnop", MASK, final=False) == (b"<", b"abcdefghijkl\nmnop")
    assert needles.replace(b"<abcdefghijkl\nx", MASK, final=False) == (b"<*\nx", b"")


def test_a_text_of_less_than_a_window_is_none() -> None:
    needles = Needles()
    needles.add([], [b"abcdefg"])

    assert needles.replace(b"abcdefg abc defg", MASK, final=False) == (b"abcdefg abc defg", b"")


def test_a_text_that_was_added_before_takes_no_more_place() -> None:
    needles = _needles([b"other"])
    for _ in range(3):
        needles.add([], [b"abcdefghijklmnopqrst"])

    assert {len(places) for places in needles._places.values()} == {1}


def test_texts_behind_the_limit_of_all_windows_are_found_unbroken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ALL_WINDOWS", 1)
    some = Needles()
    some.add([], [b"abcdefghijkl"])
    some.add([], [b"mnopqrstuvwx"])

    shown, _ = some.replace(b"abcdef\nghijkl mnopqrstuvwx mnopqr\nstuvwx", b"***", final=True)

    assert shown == b"*** *** mnopqr\nstuvwx"
