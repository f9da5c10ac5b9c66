"""Kinds of values that do not go together: before the run and in it, and what the messages say.

The tables are those of expr-lang v1.17.8, compiled as Vela does.
"""

import itertools

import pytest

from runner.plan.expressions import BadExpressionError, check, holds
from runner.plan.expressions.types import (
    BOOLEAN,
    INTEGER,
    STRING,
    UNKNOWN,
    Kind,
    Type,
    array_of,
    coalesced,
    comparable,
    joined,
    orderable,
)

VARIABLES = {"A": "a", "B": "b", "BROKEN": "["}
NIL = Type(kind=Kind.NIL)
FLOAT = Type(kind=Kind.FLOAT)
STRINGS = array_of([STRING])

# Operands of each kind; the last two have no kind before the run, and then are a string and a number.
OPERANDS = {
    "true": "boolean",
    "1": "number",
    "1.5": "number",
    "A": "string",
    "'b'": "string",
    "nil": "nil",
    "[1]": "array",
    "X": "unknown string",
    "(true ? 1 : 'a')": "unknown number",
}
PAIRS = list(itertools.product(OPERANDS, repeat=2))


def _fits(left: str, right: str, *kinds: str) -> bool:
    """Whether some kind is that of both operands, an unknown one being what the run finds."""
    return any(left.endswith(kind) and right.endswith(kind) for kind in kinds)


def _is_refused(text: str) -> bool:
    try:
        holds(text, VARIABLES)
    except BadExpressionError:
        return True
    return False


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_equality_takes_one_kind_or_nil_or_what_is_unknown(left: str, right: str) -> None:
    kinds = OPERANDS[left], OPERANDS[right]
    allowed = kinds[0] == kinds[1] or any(kind == "nil" or kind.startswith("unknown") for kind in kinds)

    assert _is_refused(f"{left} == {right}") is not allowed
    assert _is_refused(f"{left} != {right}") is not allowed


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_an_order_takes_two_numbers_or_two_strings(left: str, right: str) -> None:
    allowed = _fits(OPERANDS[left], OPERANDS[right], "number", "string")

    assert [_is_refused(f"{left} {operator} {right}") for operator in ("<", "<=", ">", ">=")] == [not allowed] * 4


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_the_operators_of_text_take_two_strings(left: str, right: str) -> None:
    allowed = _fits(OPERANDS[left], OPERANDS[right], "string")
    operators = "contains", "startsWith", "endsWith", "matches", "not contains"

    assert [_is_refused(f"{left} {operator} {right}") for operator in operators] == [not allowed] * len(operators)


@pytest.mark.parametrize("operand", OPERANDS)
def test_a_condition_is_a_boolean(operand: str) -> None:
    is_boolean = operand == "true"

    assert _is_refused(operand) is not is_boolean
    assert _is_refused(f"not {operand}") is not is_boolean
    assert _is_refused(f"{operand} and A == 'a'") is not is_boolean
    assert _is_refused(f"A == 'a' and {operand}") is not is_boolean
    assert _is_refused(f"{operand} ? true : false") is not is_boolean


@pytest.mark.parametrize("operand", OPERANDS)
def test_a_sign_stands_before_a_number(operand: str) -> None:
    assert _is_refused(f"(-{operand}) == nil") is not OPERANDS[operand].endswith("number")


@pytest.mark.parametrize("operand", OPERANDS)
def test_in_stands_before_an_array(operand: str) -> None:
    assert _is_refused(f"nil in {operand}") is not (operand == "[1]")


@pytest.mark.parametrize(("one", "other"), [("nil", "true"), ("true", "nil"), ("nil", "X"), ("A", "nil ?? nil")])
def test_nil_is_no_branch_beside_a_value(one: str, other: str) -> None:
    with pytest.raises(BadExpressionError, match="nil as one branch"):
        check(f"(true ? {one} : {other}) == 1")


@pytest.mark.parametrize(
    ("text", "wrong_everywhere"),
    [
        ("1 == 'a'", True),
        ("not X in ['a']", True),
        ("true or 1 and true", True),
        ("X matches '['", True),
        ("len(X, X) == 1", True),
        ("(X == 'a') < 1", True),
        ("A == 1", False),
        ("A", False),
        ("not A", False),
        ("A matches BROKEN", False),
        ("A in BROKEN", False),
        ("lower == 'a'", False),
        ("A ? true : false", False),
    ],
)
def test_the_check_refuses_what_is_wrong_in_every_environment(
    text: str,
    wrong_everywhere: bool,  # noqa: FBT001 - a table
) -> None:
    refused = True
    try:
        check(text)
        refused = False
    except BadExpressionError:
        pass

    assert refused is wrong_everywhere
    assert _is_refused(text)


def test_a_defined_variable_is_compared_strictly_and_an_undefined_one_is_not() -> None:
    check("A == 1")

    assert not holds("A == 1", {})
    with pytest.raises(BadExpressionError, match="compares a string with an integer"):
        holds("A == 1", {"A": "1"})


def test_a_variable_may_have_the_name_of_a_function_while_it_is_defined() -> None:
    check("lower == 'a'")

    assert holds("lower == 'a'", {"lower": "a"})
    with pytest.raises(BadExpressionError, match="lower, which is a function and no variable"):
        holds("lower == 'a'", {})


def test_a_variable_hides_the_function_of_its_name() -> None:
    assert holds("len('a') == 1", {})
    with pytest.raises(BadExpressionError, match="calls len, which is a variable"):
        holds("len('a') == 1", {"len": "1"})


@pytest.mark.parametrize(
    ("text", "column", "reason", "hint"),
    [
        ("A == 'a' and B == 1", 16, "compares a string with an integer", "variables are strings: quote"),
        ("A", 1, "gives a string, and not true or false", "compare the value"),
        ("X", 1, "gives a string, and not true or false", "an undefined variable is the empty string"),
        ("true and not A", 10, "uses a string as a condition", "not binds tighter than a comparison"),
        ("not X", 5, "gives a string, and not true or false", "compare the value"),
        ("A in B", 3, "looks for a string in a string", "in stands before an [array]"),
        ("X in Y", 3, "looks for a string in a string", "in stands before an [array]"),
        ("A contains 1", 3, "applies contains to a string and an integer", "contains stands between strings"),
        ("X < 1", 3, "orders a string and a number", "variables are strings"),
        ("A matches '[a'", 11, "has a bad pattern: '[a' is no regular expression", "the syntax is RE2's"),
        ("A matches BROKEN", 11, "has a bad pattern: '['", "the syntax is RE2's"),
        ("-A == 1", 1, "has a sign before a string", "only numbers have a sign"),
        ("len(1) == 1", 5, "calls len with an integer", "it takes a string or an array"),
        ("true or len(A, B) == 1", 9, "calls len with 2 arguments", "it takes 1"),
        ("true ? nil : true", 6, "has nil as one branch of ?:", "values of one kind"),
    ],
)
def test_a_mismatch_of_kinds_says_where_it_is_and_what_would_be_right(
    text: str, column: int, reason: str, hint: str
) -> None:
    with pytest.raises(BadExpressionError) as caught:
        holds(text, VARIABLES)

    assert caught.value.column == column
    assert f"{text!r} {reason}" in str(caught.value)
    assert f"(column {column})" in str(caught.value)
    assert hint in caught.value.hint
    assert caught.value.expression == text


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (STRING, STRING, True),
        (STRING, INTEGER, False),
        (INTEGER, FLOAT, True),
        (BOOLEAN, INTEGER, False),
        (NIL, STRING, True),
        (STRING, UNKNOWN, True),
        (STRINGS, array_of([INTEGER]), True),
        (STRINGS, STRING, False),
    ],
)
def test_types_compare_when_their_values_may(left: Type, right: Type, expected: bool) -> None:  # noqa: FBT001 - a table
    assert comparable(left, right) is expected
    assert comparable(right, left) is expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (STRING, STRING, True),
        (INTEGER, FLOAT, True),
        (STRING, INTEGER, False),
        (STRING, UNKNOWN, True),
        (UNKNOWN, UNKNOWN, True),
        (BOOLEAN, BOOLEAN, False),
        (BOOLEAN, UNKNOWN, False),
        (NIL, UNKNOWN, False),
        (STRINGS, STRINGS, False),
    ],
)
def test_types_have_an_order_when_both_are_strings_or_numbers(
    left: Type,
    right: Type,
    expected: bool,  # noqa: FBT001 - a table
) -> None:
    assert orderable(left, right) is expected
    assert orderable(right, left) is expected


@pytest.mark.parametrize(
    ("elements", "element"),
    [
        ([], UNKNOWN),
        ([STRING, STRING], STRING),
        ([STRING, INTEGER], UNKNOWN),
        ([INTEGER, FLOAT], UNKNOWN),
        ([STRING, NIL], UNKNOWN),
        ([UNKNOWN, NIL], NIL),
        ([NIL, UNKNOWN], UNKNOWN),
        ([array_of([INTEGER]), STRINGS], STRINGS),
    ],
)
def test_an_array_of_one_kind_has_the_type_of_its_last_element(elements: list[Type], element: Type) -> None:
    assert array_of(elements) == Type(kind=Kind.ARRAY, element=element)


@pytest.mark.parametrize(
    ("one", "other", "either", "first"),
    [
        (STRING, STRING, STRING, STRING),
        (STRING, INTEGER, UNKNOWN, UNKNOWN),
        (INTEGER, FLOAT, UNKNOWN, UNKNOWN),
        (UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
        (NIL, NIL, NIL, NIL),
        (NIL, STRING, UNKNOWN, STRING),
        (STRING, NIL, UNKNOWN, STRING),
        (STRINGS, STRINGS, STRINGS, STRINGS),
        (STRINGS, array_of([INTEGER]), array_of([]), STRINGS),
        (array_of([UNKNOWN]), array_of([UNKNOWN]), array_of([]), array_of([])),
    ],
)
def test_two_branches_keep_a_type_they_share(one: Type, other: Type, either: Type, first: Type) -> None:
    assert joined(one, other) == either
    assert coalesced(one, other) == first
