"""What the operators do with a value: what drone/envsubst v1.0.3 does, except where a test says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.plan.expansions import LENGTH
from runner.plan.operators import apply

PATH = "/home/user/notes.tar.gz"
TAIL = "abcABC123ABCabc"


@pytest.mark.parametrize(
    ("value", "expected"), [("", "0"), ("aabb", "4"), ("é", "2"), ("日本", "6"), ("😀", "4"), ("a\n", "2")]
)
def test_a_length_counts_bytes(value: str, expected: str) -> None:
    assert apply(LENGTH, value, ()) == expected


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("", "aBc", "aBc"),
        ("^", "abc", "Abc"),
        ("^^", "abc-d", "ABC-D"),
        (",", "ABC", "aBC"),
        (",,", "ABC-D", "abc-d"),
        ("^", "", ""),
        (",", "", ""),
        ("^", "éa", "Éa"),
        ("^^", "straße", "STRAßE"),
        ("^^", "ŉﬁᾳ", "ŉﬁᾼ"),
        (",,", "İΣ", "i\u03c3"),
        ("^", "1a", "1a"),
    ],
)
def test_case_is_changed_character_by_character(operator: str, value: str, expected: str) -> None:
    assert apply(operator, value, ()) == expected


@given(st.text())
def test_no_change_of_case_changes_the_number_of_characters(value: str) -> None:
    assert {len(apply(operator, value, ())) for operator in ("^", "^^", ",", ",,")} == {len(value)}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("0",), "abcdef"),
        (("2",), "cdef"),
        (("+2",), "cdef"),
        (("02",), "cdef"),
        (("6",), ""),
        (("99",), ""),
        (("-2",), "ef"),
        (("-99",), "abcdef"),
        (("0", "3"), "abc"),
        (("2", "0"), ""),
        (("2", "99"), "cdef"),
        (("-3", "2"), "de"),
        (("-99", "2"), "ab"),
        (("6", "1"), ""),
        (("9223372036854775807",), ""),
        (("9223372036854775808",), "abcdef"),
        (("9" * 5000,), "abcdef"),
        (("x",), "abcdef"),
        ((" -1",), "abcdef"),
        (("1_0",), "abcdef"),
        (("٢",), "abcdef"),
        (("1", "x"), "abcdef"),
        (("x", "1"), "abcdef"),
        (("", ""), "abcdef"),
    ],
)
def test_a_substring_begins_at_a_position_and_may_have_a_length(arguments: tuple[str, ...], expected: str) -> None:
    assert apply(":", "abcdef", arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("0", "-1"), "abcde"),
        (("2", "-2"), "cd"),
        (("4", "-2"), ""),
        (("5", "-3"), ""),
        (("0", "-99"), ""),
        (("-3", "-1"), "de"),
    ],
)
def test_a_negative_length_counts_from_the_end_where_the_library_panics(
    arguments: tuple[str, ...], expected: str
) -> None:
    assert apply(":", "abcdef", arguments) == expected


@pytest.mark.parametrize(
    ("value", "arguments", "expected"),
    [
        ("aéb", ("1",), "éb"),
        ("aéb", ("3",), "b"),
        ("aéb", ("0", "3"), "aé"),
        ("aéb", ("-1",), "b"),
        # Where the library returns bytes that are no text:
        ("aéb", ("2",), "b"),
        ("aéb", ("0", "2"), "a"),
        ("aéb", ("2", "1"), ""),
        ("日本", ("1", "4"), ""),
        ("日本", ("1", "5"), "本"),
        ("😀", ("0", "3"), ""),
    ],
)
def test_a_substring_counts_bytes_but_leaves_out_what_it_would_tear(
    value: str, arguments: tuple[str, ...], expected: str
) -> None:
    assert apply(":", value, arguments) == expected


@given(st.text(max_size=20), st.integers(-30, 30), st.integers(0, 30))
def test_a_substring_is_the_slice_of_the_bytes(value: str, position: int, length: int) -> None:
    raw = value.encode()
    start = position if position >= 0 else max(0, len(raw) + position)
    expected = raw[start : start + length]
    result = apply(":", value, (str(position), str(length))).encode()
    assert result in expected
    try:
        expected.decode()
    except UnicodeDecodeError:
        assert len(result) < len(expected)
    else:
        assert result == expected


@pytest.mark.parametrize(
    ("operator", "arguments", "expected"),
    [
        ("/", ("abc", "XYZ"), "XYZABC123ABCabc"),
        ("/", ("abc",), "ABC123ABCabc"),
        ("/", ("nope", "x"), TAIL),
        ("/", ("*", "x"), TAIL),
        ("/", ("", "x"), f"x{TAIL}"),
        ("//", ("abc", "x"), "xABC123ABCx"),
        ("//", ("abc",), "ABC123ABC"),
        ("//", ("ABC", ""), "abc123abc"),
        ("//", ("", "-"), "-a-b-c-A-B-C-1-2-3-A-B-C-a-b-c-"),
        ("/#", ("abc", "x"), "xABC123ABCabc"),
        ("/#", ("abc", ""), "ABC123ABCabc"),
        ("/#", ("ABC", "x"), TAIL),
        ("/#", ("", "x"), f"x{TAIL}"),
        ("/%", ("abc", "x"), "abcABC123ABCx"),
        ("/%", ("abc", ""), "abcABC123ABC"),
        ("/%", ("ABC", "x"), TAIL),
        ("/%", ("", "x"), f"{TAIL}x"),
        ("/%", ("c", "cc"), f"{TAIL}c"),
    ],
)
def test_a_replacement_takes_its_pattern_literally(operator: str, arguments: tuple[str, ...], expected: str) -> None:
    assert apply(operator, TAIL, arguments) == expected


@pytest.mark.parametrize("operator", ["/#", "/%"])
def test_a_prefix_or_suffix_is_not_replaced_by_nothing_written(operator: str) -> None:
    assert apply(operator, "aa", ("a",)) == "aa"


def test_a_newline_in_a_value_is_a_character_like_others() -> None:
    assert apply("//", "a\nb\n", ("\n", " ")) == "a b "
    assert apply("##", "a\nb/c", ("*/",)) == "c"
    assert apply("#", "a\nb", ("?",)) == "\nb"


@pytest.mark.parametrize(
    ("operator", "pattern", "expected"),
    [
        ("#", "*/", "home/user/notes.tar.gz"),
        ("##", "*/", "notes.tar.gz"),
        ("%", ".*", "/home/user/notes.tar"),
        ("%%", ".*", "/home/user/notes"),
        ("%", "/*", "/home/user"),
        ("%%", "/*", ""),
        ("#", "/home", "/user/notes.tar.gz"),
        ("%", ".gz", "/home/user/notes.tar"),
        ("#", "home", PATH),
        ("%", ".tar", PATH),
        ("#", "", PATH),
        ("##", "*", ""),
        ("%%", "**", ""),
    ],
)
def test_an_affix_is_cut_off(operator: str, pattern: str, expected: str) -> None:
    assert apply(operator, PATH, (pattern,)) == expected


@given(st.text(max_size=20), st.text(alphabet="ab*?[]^-\\/", max_size=6))
def test_what_is_cut_off_is_an_affix_and_the_longest_is_no_shorter_than_the_shortest(value: str, pattern: str) -> None:
    shortest, longest = (apply(operator, value, (pattern,)) for operator in ("#", "##"))
    assert value.endswith(shortest)
    assert shortest.endswith(longest)
    shortest, longest = (apply(operator, value, (pattern,)) for operator in ("%", "%%"))
    assert value.startswith(shortest)
    assert shortest.startswith(longest)
