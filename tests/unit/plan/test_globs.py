"""The globs of prefixes and suffixes."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.plan.expansions import BadTemplateError
from runner.plan.globs import reach


def _reaches(glob: str, value: str, *, from_end: bool = False) -> tuple[int, int]:
    """The least and the most that the glob matches."""
    return (
        reach(glob, value, greedy=False, from_end=from_end),
        reach(glob, value, greedy=True, from_end=from_end),
    )


@pytest.mark.parametrize(
    ("glob", "value", "expected"),
    [
        ("", "abc", (0, 0)),
        ("a", "abc", (1, 1)),
        ("b", "abc", (0, 0)),
        ("abcd", "abc", (0, 0)),
        ("?", "abc", (1, 1)),
        ("??", "a/c", (2, 2)),
        ("*", "abc", (1, 3)),
        ("**", "abc", (1, 3)),
        ("*", "", (0, 0)),
        ("a*", "abc", (1, 3)),
        ("*b", "abcb", (2, 4)),
        ("*a*b", "xaxbxaxb", (4, 8)),
        ("*?", "abc", (1, 3)),
        ("a?b*c", "axbcxc", (4, 6)),
        ("*/", "a/b/c", (2, 4)),
        ("[ab]", "bcd", (1, 1)),
        ("[^ab]", "bcd", (0, 0)),
        ("[^ab]", "cd", (1, 1)),
        ("[a-c]*", "b1", (1, 2)),
        ("[c-a]", "b", (0, 0)),
        ("[^c-a]", "b", (1, 1)),
        ("[c-ab]", "b", (1, 1)),
        ("[*]", "*", (1, 1)),
        ("[?]x", "?x", (2, 2)),
        ("[[]", "[", (1, 1)),
        ("[^^]", "^", (0, 0)),
        (r"[\]]", "]", (1, 1)),
        (r"[\^]", "^", (1, 1)),
        (r"[a\-c]", "-", (1, 1)),
        (r"\*", "*a", (1, 1)),
        (r"\a", "a", (1, 1)),
        (r"\\", "\\", (1, 1)),
        ("]", "]", (1, 1)),
        (".+", "a+", (0, 0)),
        ("(a|b)", "(a|b)", (5, 5)),
        ("é?", "é日本", (2, 2)),
        ("[日-本]", "本", (1, 1)),
        ("a\nb", "a\nb", (3, 3)),
        ("\0", "\0", (1, 1)),
    ],
)
def test_a_glob_matches_at_the_beginning(glob: str, value: str, expected: tuple[int, int]) -> None:
    assert _reaches(glob, value) == expected


@pytest.mark.parametrize(
    ("glob", "value", "expected"),
    [
        ("", "abc", (0, 0)),
        ("c", "abc", (1, 1)),
        ("bc", "abc", (2, 2)),
        ("cb", "abc", (0, 0)),
        ("*", "abc", (1, 3)),
        ("*", "", (0, 0)),
        (".*", "a.b.c", (2, 4)),
        ("b*", "aabb", (1, 2)),
        ("?b", "aabb", (2, 2)),
        ("é*", "éaéb", (2, 4)),
        # Where the library reads the glob backwards:
        ("[0-9]", "v12", (1, 1)),
        ("-[a-z]*", "x-a-1-b", (2, 6)),
        (r"\*", "a*", (1, 1)),
        (r"\?x", "?x", (2, 2)),
    ],
)
def test_a_glob_matches_at_the_end(glob: str, value: str, expected: tuple[int, int]) -> None:
    assert _reaches(glob, value, from_end=True) == expected


@pytest.mark.parametrize(
    "glob", ["[", "[]", "[]a]", "[^]", "[^", "[a", "[a-", "[a-]", "[-a]", "[a-b-c]", "\\", "*\\", "a[", "[\\", "*["]
)
def test_a_malformed_glob_matches_nothing(glob: str) -> None:
    for value in ("a", "[", "]", "\\", "-", "^", glob):
        assert _reaches(glob, value) == (0, 0)
        assert _reaches(glob, value, from_end=True) == (0, 0)


def test_half_a_surrogate_pair_is_one_character() -> None:
    assert _reaches("?b", "\ud800b") == (2, 2)
    assert _reaches("\ud800*", "\ud800b") == (1, 2)
    assert _reaches("[\ud800]", "\ud800") == (1, 1)


@given(st.text(max_size=12), st.integers(0, 12))
def test_an_escaped_beginning_is_matched_exactly(value: str, count: int) -> None:
    start = value[:count]
    glob = "".join(f"\\{character}" for character in start)
    assert _reaches(glob, value) == (len(start), len(start))


@given(st.text(alphabet="ab/", max_size=12), st.text(alphabet="ab?*", max_size=6))
def test_both_ends_are_mirror_images(value: str, glob: str) -> None:
    assert _reaches(glob, value) == _reaches(glob[::-1], value[::-1], from_end=True)


@given(st.text(alphabet="ab", min_size=1, max_size=10), st.text(alphabet="ab?*", max_size=5))
def test_the_least_and_the_most_are_those_of_trying_every_prefix(value: str, glob: str) -> None:
    matching = [length for length in range(1, len(value) + 1) if _covers(glob, value[:length])]
    expected = (min(matching), max(matching)) if matching else (0, 0)
    assert _reaches(glob, value) == expected


def _covers(glob: str, value: str) -> bool:
    if not glob:
        return not value
    if glob[0] == "*":
        return _covers(glob[1:], value) or (bool(value) and _covers(glob, value[1:]))
    return bool(value) and glob[0] in ("?", value[0]) and _covers(glob[1:], value[1:])


def test_stars_cost_no_more_than_other_characters() -> None:
    begin = time.monotonic()
    assert _reaches("*a" * 500 + "b", "a" * 100_000) == (0, 0)
    assert time.monotonic() - begin < 5


def test_a_glob_that_is_too_long_to_match_is_an_error() -> None:
    with pytest.raises(BadTemplateError, match="is too long a pattern") as caught:
        reach("[^a]" * 200_000, "a", greedy=True)
    assert caught.value.hint == "write a shorter one"
