"""Any text at all: expressions are bounded in depth, size and time, and fail with one error only."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from runner.plan.expressions import BadExpressionError, check, holds

_PIECES = st.sampled_from(
    """
    A B X len( hasPrefix( true false nil 'a' '' "b" `c` 1 2.5 0x1 - + == != < <= > >= in not contains startsWith
    endsWith matches and or ! && || ? : ?? ( ) [ ] , . { } ; | # ' \\ // /*
    """.split()  # noqa: SIM905 - a list would take a line for each piece
)
_TEXTS = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="'\"`\\uxU{}0123456789abcdefn._+- \r\n", max_size=20),
    st.lists(_PIECES, max_size=20).map(" ".join),
    st.lists(_PIECES, max_size=12).map("".join),
)
_VALUES = st.text(max_size=5)
_ENVIRONMENTS = st.fixed_dictionaries({}, optional={"A": _VALUES, "B": _VALUES, "X": _VALUES, "len": _VALUES})

_NAMES = st.sampled_from(["A", "B", "X"])
_STRINGS = st.one_of(_NAMES, st.sampled_from(["'a'", "''", "'ab'", "'A'", "`a|b`"]))
_NUMBERS = st.one_of(st.integers(0, 3).map(str), _STRINGS.map(lambda text: f"len({text})"), st.just("1.0"))


def _between(operands: st.SearchStrategy[str], *operators: str) -> st.SearchStrategy[str]:
    return st.tuples(operands, st.sampled_from(operators), operands).map(" ".join)


_CONDITIONS = st.recursive(
    st.one_of(
        st.sampled_from(["true", "false"]),
        _between(_STRINGS, "==", "!=", "<", ">=", "contains", "not startsWith", "endsWith", "matches"),
        _between(_NUMBERS, "==", "!=", "<", "<=", ">", ">="),
        st.tuples(_STRINGS, st.sampled_from(["in", "not in"]), st.lists(_STRINGS, max_size=3)).map(
            lambda parts: f"{parts[0]} {parts[1]} [{', '.join(parts[2])}]"
        ),
    ),
    lambda inner: st.one_of(
        inner.map(lambda text: f"not ({text})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}) and ({two[1]})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}) or ({two[1]})"),
        st.tuples(inner, inner, inner).map(lambda three: f"({three[0]}) ? ({three[1]}) : ({three[2]})"),
    ),
    max_leaves=8,
)


def _is_bad(act: Callable[[], object]) -> bool:
    try:
        act()
    except BadExpressionError as error:
        return bool(error.hint) and error.column >= 1
    return False


@given(text=_TEXTS, variables=_ENVIRONMENTS)
def test_any_text_gives_an_answer_or_the_one_error(text: str, variables: dict[str, str]) -> None:
    refused = _is_bad(lambda: check(text))
    failed = _is_bad(lambda: holds(text, variables))

    assert failed or not refused


@given(text=_CONDITIONS, variables=_ENVIRONMENTS)
def test_a_condition_of_matching_kinds_has_an_answer_and_its_negation_the_other(
    text: str, variables: dict[str, str]
) -> None:
    variables.pop("len", None)
    answer = holds(text, variables)

    assert holds(f"not ({text})", variables) is not answer
    assert holds(f"!!({text})", variables) is answer
    assert holds(f"({text}) ? true : false", variables) is answer
    assert holds(f"({text}) == true", variables) is answer


@given(one=_CONDITIONS, other=_CONDITIONS, variables=_ENVIRONMENTS)
def test_and_and_or_follow_de_morgan(one: str, other: str, variables: dict[str, str]) -> None:
    variables.pop("len", None)

    try:
        both = holds(f"({one}) and ({other})", variables)
        either = holds(f"({one}) or ({other})", variables)
        holds(other, variables)
    except BadExpressionError:
        reject()  # a value that is no pattern, which the order of evaluation may or may not come to

    assert both is (holds(one, variables) and holds(other, variables))
    assert both is not holds(f"not ({one}) || not ({other})", variables)
    assert either is not holds(f"not ({one}) && not ({other})", variables)


@given(value=st.text(max_size=20))
def test_a_value_written_with_escapes_is_the_value(value: str) -> None:
    written = "".join(f"\\U{ord(character):08x}" for character in value)

    assert holds(f"A == '{written}'", {"A": value})
    assert holds(f'len("{written}") == len(A)', {"A": value})


@given(value=st.text(max_size=20))
def test_a_value_between_back_quotes_is_the_value(value: str) -> None:
    assert holds(f"A == `{value.replace('`', '``')}`", {"A": value})


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000,
        "(" * 4990 + "true" + ")" * 4990,
        "[" * 9999,
        "!" * 9999,
        "-" * 9999,
        "not " * 2000,
        "true ? " * 1000 + "true",
        "true ? true : " * 700 + "true",
        "true ?: " * 1000 + "true",
        "true" + " == true" * 1000,
        "X" + " ?? X" * 1000,
        "X" + " not in X" * 1000,
        "len(" * 2000,
    ],
    ids=lambda text: text[:12],
)
def test_what_is_nested_too_deeply_is_refused(text: str) -> None:
    with pytest.raises(BadExpressionError, match="is nested deeper than 100 levels"):
        check(text)


def test_ninety_levels_are_allowed() -> None:
    assert holds("(" * 90 + "true" + ")" * 90, {})
    assert holds("not " * 90 + "true", {})
    assert holds("false ? true : " * 90 + "true", {})
    assert holds("true" + " == true" * 90, {})


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("A == 'b'" + " or A == 'b'" * 800, False),
        ("A == 'a'" + " and A == 'a'" * 700, True),
        ("1" + " <= 1" * 1900, True),
        (f"A in [{', '.join(['`b`'] * 1900)}, 'a']", True),
    ],
    ids=["or", "and", "ordering", "array"],
)
def test_a_chain_may_be_as_long_as_the_text(text: str, answer: bool) -> None:  # noqa: FBT001 - a table
    assert holds(text, {"A": "a"}) is answer


def test_a_text_beyond_ten_thousand_characters_is_refused() -> None:
    assert holds("true".ljust(10_000), {})
    with pytest.raises(BadExpressionError, match="is longer than 10000 characters"):
        check("true".ljust(10_001))


@pytest.mark.parametrize(
    "text",
    [
        "`" * 9999,
        "'" + "\\n" * 4990,
        "/*" * 4999,
        "1" * 9999,
        "1." + "1" * 9000 + "e",
        "((" * 24 + "true" + " ?: true)" * 24 + " ?: true)" * 24,
        "X < (" * 40 + "X" + " < X) < X" * 40,
        "(X < (" * 20 + "X" + " < X) < X ? 'a' : 'b')" * 20,
        "A matches '(a*)*(a*)*(a|a)*b'",
    ],
    ids=lambda text: text[:12],
)
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()

    _is_bad(lambda: holds(text, {"A": "a" * 10_000}))

    assert time.process_time() - began < 2
