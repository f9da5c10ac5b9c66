"""Go's filepath.Match and RE2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.plan.match import BadPatternError, check, matches
from runner.plan.model import Matcher

BAD = "bad"

# The table of Go's own test (path/filepath/match_test.go).
GO_CASES: list[tuple[str, str, bool | str]] = [
    ("abc", "abc", True),
    ("*", "abc", True),
    ("*c", "abc", True),
    ("a*", "a", True),
    ("a*", "abc", True),
    ("a*", "ab/c", False),
    ("a*/b", "abc/b", True),
    ("a*/b", "a/c/b", False),
    ("a*b*c*d*e*/f", "axbxcxdxe/f", True),
    ("a*b*c*d*e*/f", "axbxcxdxexxx/f", True),
    ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", False),
    ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", False),
    ("a*b?c*x", "abxbbxdbxebxczzx", True),
    ("a*b?c*x", "abxbbxdbxebxczzy", False),
    ("ab[c]", "abc", True),
    ("ab[b-d]", "abc", True),
    ("ab[e-g]", "abc", False),
    ("ab[^c]", "abc", False),
    ("ab[^b-d]", "abc", False),
    ("ab[^e-g]", "abc", True),
    (r"a\*b", "a*b", True),
    (r"a\*b", "ab", False),
    ("a?b", "a☺b", True),
    ("a[^a]b", "a☺b", True),
    ("a???b", "a☺b", False),
    ("a[^a][^a][^a]b", "a☺b", False),
    ("[a-ζ]*", "\u03b1", True),
    ("*[a-ζ]", "A", False),
    ("a?b", "a/b", False),
    ("a*b", "a/b", False),
    (r"[\]a]", "]", True),
    (r"[\-]", "-", True),
    (r"[x\-]", "x", True),
    (r"[x\-]", "-", True),
    (r"[x\-]", "z", False),
    (r"[\-x]", "x", True),
    (r"[\-x]", "-", True),
    (r"[\-x]", "a", False),
    ("[]a]", "]", BAD),
    ("[-]", "-", BAD),
    ("[x-]", "x", BAD),
    ("[x-]", "-", BAD),
    ("[x-]", "z", BAD),
    ("[-x]", "x", BAD),
    ("[-x]", "-", BAD),
    ("[-x]", "a", BAD),
    ("\\", "a", BAD),
    ("[a-b-c]", "a", BAD),
    ("[", "a", BAD),
    ("[^", "a", BAD),
    ("[^bc", "a", BAD),
    ("a[", "a", BAD),
    ("a[", "ab", BAD),
    ("a[", "x", BAD),
    ("a/b[", "x", BAD),
    ("*x", "xxx", True),
]

FURTHER_CASES: list[tuple[str, str, bool | str]] = [
    ("", "", True),
    ("", "a", False),
    ("a", "", False),
    ("*", "", True),
    ("**", "a/b", False),
    ("**", "ab", True),
    ("src/**/*.go", "src/a/b.go", True),
    ("src/**/*.go", "src/b.go", False),
    ("[!ab].go", "c.go", False),
    ("[!ab].go", "!.go", True),
    ("{a,b}", "a", False),
    # A class takes a separator, as it does in Go.
    ("a[^x]b", "a/b", True),
    # A star that found its place is not moved again, even where another place would do.
    ("*[^b]*c", "xa/c", False),
    # After a star Go goes on byte by byte, and a byte inside a character is none of the class.
    ("*[^é]", "é", True),
    ("[b-a]", "a", False),
    (r"\a", "a", True),
]


def _outcome(pattern: str, value: str) -> bool | str:
    try:
        return matches(Matcher.FILEPATH, pattern, value)
    except BadPatternError:
        return BAD


@pytest.mark.parametrize(("pattern", "value", "expected"), GO_CASES + FURTHER_CASES)
def test_a_glob_matches_what_go_says(pattern: str, value: str, expected: bool | str) -> None:  # noqa: FBT001 - a table
    assert _outcome(pattern, value) == expected


@given(name=st.text(alphabet="ab/*?[]\\^-é\udc80", max_size=12))
def test_a_pattern_with_every_special_character_escaped_matches_itself_only(name: str) -> None:
    pattern = "".join(f"\\{character}" if character in "*?[\\" else character for character in name)

    assert matches(Matcher.FILEPATH, pattern, name)
    assert not matches(Matcher.FILEPATH, pattern, f"{name}x")


@given(pattern=st.text(alphabet="ab/*?[]\\^-é", max_size=8), names=st.lists(st.text(alphabet="ab/é"), min_size=2))
def test_whether_a_pattern_can_be_read_does_not_depend_on_the_value(pattern: str, names: list[str]) -> None:
    assert len({_outcome(pattern, name) == BAD for name in names}) == 1


@given(name=st.text(alphabet="ab/é", max_size=8))
def test_a_star_takes_every_name_without_a_separator(name: str) -> None:
    assert matches(Matcher.FILEPATH, "*", name) == ("/" not in name)


def test_a_long_pattern_of_stars_is_decided_quickly() -> None:
    assert not matches(Matcher.FILEPATH, "*a" * 50 + "b", "a" * 2000)


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [("a\\", r"write \\ for a backslash"), ("[a", r"write \[ for"), ("[]", r"write \- or \]")],
)
def test_a_bad_glob_says_what_would_be_right(pattern: str, hint: str) -> None:
    with pytest.raises(BadPatternError) as caught:
        check(Matcher.FILEPATH, pattern)

    assert hint in caught.value.hint
    assert repr(pattern) in str(caught.value)
    assert caught.value.pattern == pattern


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("rc/a", "src/a/b.go", True),
        ("^ma.n$", "main", True),
        ("^ma.n$", "MAIN", False),
        ("(?i)^ma.n$", "MAIN", True),
        ("src/*", "lib/x-src", True),
        (r"^(\d+\.)+\d+$", "20.4.42", True),
        (r"\pL", "é", True),
        ("", "anything", True),
        ("a.c", "a\nc", False),
    ],
)
def test_a_regular_expression_is_searched_for_anywhere(pattern: str, value: str, *, expected: bool) -> None:
    assert matches(Matcher.REGEXP, pattern, value) == expected


@pytest.mark.parametrize("pattern", ["*-dev", "(", r"(a)\1", "(?=a)", "a{1001}"])
def test_what_re2_does_not_accept_is_a_bad_pattern(pattern: str) -> None:
    with pytest.raises(BadPatternError, match="is no regular expression"):
        check(Matcher.REGEXP, pattern)


def test_a_bad_regular_expression_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadPatternError):
        check(Matcher.REGEXP, "*-never-seen-before")

    assert capfd.readouterr() == ("", "")


def test_a_value_with_half_a_surrogate_pair_is_compared_all_the_same() -> None:
    assert matches(Matcher.REGEXP, "^a.b$", "a\ud800b") is False
    assert matches(Matcher.REGEXP, "^a.+b$", "a\ud800b") is True
    assert matches(Matcher.FILEPATH, "a*b", "a\ud800b") is True


@pytest.mark.parametrize("matcher", list(Matcher))
def test_a_good_pattern_passes_the_check(matcher: Matcher) -> None:
    check(matcher, "release/.[0-9]")
