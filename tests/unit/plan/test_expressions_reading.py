"""How the text of an expression is read: literals, white space, precedence, and what is refused as unsupported.

The answers of the tables are those of expr-lang v1.17.8, compiled as Vela does.
"""

import pytest

from runner.plan.expressions import BadExpressionError, check, holds
from runner.plan.expressions.lexer import Kind, tokens

BAD = "bad"

VARIABLES = {"A": "a", "B": "b", "früh": "1", "Ⅷ": "letter number", "a٣": "digit"}

STRINGS: list[tuple[str, bool | str]] = [
    ("A == 'a'", True),
    ('A == "a"', True),
    ("A == `a`", True),
    ("'' == \"\"", True),
    ("'' == ``", True),
    ('\'a"b\' == "a\\"b"', True),
    ("'a\\'b' == \"a'b\"", True),
    ("'a\\\"b' == A", BAD),
    ('"a\\\'b" == A', BAD),
    ("'\\a\\b\\f\\n\\r\\t\\v' == \"\\x07\\x08\\x0c\\x0a\\x0d\\x09\\x0b\"", True),
    ("'\\\\' == `\\`", True),
    ("'\\x41' == 'A'", True),
    ("'\\xe9' == 'é'", True),
    ("'\\101' == 'A'", True),
    ("'\\377' == 'ÿ'", True),
    ("'\\400' == A", BAD),
    ("'\\18' == A", BAD),
    ("'\\0' == A", BAD),
    ("'\\u0041' == 'A'", True),
    ("'\\U0001F600' == '😀'", True),
    ("'\\u{41}\\u{1F600}' == 'A😀'", True),
    ("'\\u{10ffff}' == '\\U0010FFFF'", True),
    ("'\\u{110000}' == A", BAD),
    ("'\\U00110000' == A", BAD),
    ("'\\u{}' == A", BAD),
    ("'\\u{1234567}' == A", BAD),
    ("'\\u{41' == A", BAD),
    ("'\\ud800' == '\ufffd'", True),
    ("'\\U0000dfff' == '\\ufffd'", True),
    ("'\\x4' == A", BAD),
    ("'\\u41' == A", BAD),
    ("'\\X41' == A", BAD),
    ("'\\q' == A", BAD),
    ("'\\?' == A", BAD),
    ("'\\`' == A", BAD),
    ("'\\\n' == A", BAD),
    ("'a", BAD),
    ("A == '", BAD),
    ("A == '\\", BAD),
    ("A == 'a\n'", BAD),
    ("'\t' == \"\\t\"", True),
    ("'\r' == '\\n'", True),
    ("`\r` == '\\r'", True),
    ("`a\nb` == 'a\\nb'", True),
    ("`a\\nb` == 'a\\\\nb'", True),
    ("`a``b` == 'a`b'", True),
    ("```` == '`'", True),
    ("`````` == '``'", True),
    ("``` == A", BAD),
    ("`a", BAD),
    ("'// no comment' == '// no comment'", True),
]

NUMBERS: list[tuple[str, bool | str]] = [
    ("10 == 1_0", True),
    ("10 == 1__0_", True),
    ("010 == 10", True),
    ("0x1F == 31", True),
    ("0X_1f == 31", True),
    ("0x1e1 == 481", True),
    ("0b101 == 5", True),
    ("0B1 == 1", True),
    ("0o17 == 15", True),
    ("0O7 == 7", True),
    ("1.5 == 15e-1", True),
    (".5 == 0.5", True),
    ("1. == 1", True),
    ("1e3 == 1000", True),
    ("1E+3 == 1000", True),
    ("1_0.0_1 == 10.01", True),
    ("1.e1 == 10", True),
    ("1e-400 == 0", True),
    ("9223372036854775807 > 0", True),
    ("-9223372036854775807 < 0", True),
    ("9223372036854775808 > 0", BAD),
    ("0xFFFFFFFFFFFFFFFF > 0", BAD),
    ("1e400 > 0", BAD),
    ("1e308 > 9223372036854775807", True),
    ("0x == 0", BAD),
    ("0b == 0", BAD),
    ("0b2 == 0", BAD),
    ("0o8 == 0", BAD),
    ("0x1.5 == 0", BAD),
    ("0b1e1 == 0", BAD),
    ("1e == 0", BAD),
    ("1.5.5 == 0", BAD),
    (".5.5 == 0", BAD),
    (".0x5 == 0", BAD),
    ("1a == 0", BAD),
    ("1and true", BAD),
    ("1 ==1and true", BAD),
    ("1_ == 1", True),
    ("_1 == ''", True),
    ("1..2 == 0", BAD),
    ("٣ == ''", True),
]

SPACE: list[tuple[str, bool | str]] = [
    ("  A=='a'  ", True),
    ("A\n==\r\n'a'\t", True),
    ("A\v==\f'a'", True),
    ("A\u00a0==\u2003'a'\u3000", True),
    ("A\u0085==\u2028'a'", True),
    ("A \x1c== 'a'", BAD),
    ("A \x00== 'a'", BAD),
    ("A \ufeff== 'a'", BAD),
    ("A \u200b== 'a'", BAD),
    ("A == 'a' // the rest", True),
    ("// first\nA == 'a'", True),
    ("A /* is */ == /* not */ 'a'", True),
    ("A/**/==/***/'a'", True),
    ("A == /* a\nb */ 'a'", True),
    ("A == 'a' /* open", BAD),
    ("A == 'a' /*/", BAD),
    ("A == 'a' */", BAD),
    ("", BAD),
    ("   ", BAD),
    ("// nothing", BAD),
    ("A=='a'and B=='b'", True),
    ("not(A=='b')", True),
    ("A=='a'&&!(B=='a')", True),
]

NAMES: list[tuple[str, bool | str]] = [
    ("früh == '1'", True),
    ("a٣ == 'digit'", True),
    ("Ⅷ == 'letter number'", BAD),
    ("x² == ''", BAD),
    ("andy == ''", True),
    ("notA == ''", True),
    ("inA == ''", True),
    ("True == ''", True),
    ("NOT == ''", True),
    ("A-B == ''", BAD),
    ("A.B == ''", BAD),
    ("in == ''", BAD),
    ("else == ''", BAD),
    ("true == ''", BAD),
    ("@A == ''", BAD),
]

PRECEDENCE: list[tuple[str, bool | str]] = [
    ("true or false and false", True),
    ("(true or false) and false", False),
    ("false and false or true", True),
    ("not false and false", False),
    ("not (false and false)", True),
    ("not true == false", True),
    ("not A == 'b'", BAD),
    ("!A == 'b'", BAD),
    ("not (A == 'b')", True),
    ("true == not false", True),
    ("true and not false", True),
    ("1 == 1 < 2", BAD),
    ("1 < 2 == true", True),
    ("true == 1 < 2", BAD),
    ("'a' in ['a'] == true", True),
    ("'a' in ['a'] in [true]", True),
    ("'a' not in ['a'] in [false]", True),
    ("'a' == 'a' in [true]", True),
    ("-1 == -1", True),
    ("-1 < 0 and - 1 < 0", True),
    ("not -1 == -1", BAD),
    ("true ? false : true or true", False),
    ("(true ? false : true) or true", True),
    ("false or true ? false : true", False),
    ("true ? true ? false : true : true", False),
    ("false ? true : false ? true : false", False),
    ("true ? false ?: true : false", True),
    ("nil ?? true and false", BAD),
    ("false and nil ?? true", False),
    ("true and nil ?? true", True),
    ("((((true))))", True),
    ("(true", BAD),
    ("true)", BAD),
    ("()", BAD),
    ("true true", BAD),
    ("A B", BAD),
    ("A == ", BAD),
    ("== A", BAD),
    ("A = 'a'", BAD),
    ("A === 'a'", BAD),
    ("A =! 'a'", BAD),
    ("A <> 'b'", BAD),
    ("A & B", BAD),
    ("true &&", BAD),
    ("true && && true", BAD),
    ("A not 'a'", BAD),
    ("A not == 'a'", BAD),
    ("A not", BAD),
    ("true ? true", BAD),
    ("true ? : ", BAD),
    ("true : true", BAD),
    ("[", BAD),
    ("A in [,]", BAD),
    ("A in ['a',,]", BAD),
    ("A in ['a' 'b']", BAD),
    ("true(1)", BAD),
    ("true,true", BAD),
]


def _outcome(text: str) -> bool | str:
    try:
        return holds(text, VARIABLES)
    except BadExpressionError:
        return BAD


@pytest.mark.parametrize(("text", "expected"), STRINGS + NUMBERS + SPACE + NAMES + PRECEDENCE)
def test_a_text_is_read_as_expr_lang_reads_it(text: str, expected: bool | str) -> None:  # noqa: FBT001 - a table
    assert _outcome(text) == expected


@pytest.mark.parametrize(
    ("text", "column", "what"),
    [
        ("A + B == 'ab'", 3, "has arithmetic"),
        ("1 - 1 == 0", 3, "has arithmetic"),
        ("2 * 1 == 2", 3, "has arithmetic"),
        ("2 / 1 == 2", 3, "has arithmetic"),
        ("2 % 1 == 0", 3, "has arithmetic"),
        ("2 ** 1 == 2", 3, "has arithmetic"),
        ("2 ^ 1 == 2", 3, "has arithmetic"),
        ("A == 'a' + 'b'", 10, "has arithmetic"),
        ("1 in 1..3", 7, "has a range"),
        ("A | lower() == 'a'", 3, "has a pipe"),
        ("A.b == 'a'", 2, "has access to members"),
        ("A?.b == 'a'", 2, "has access to members"),
        ("A[0] == 'a'", 2, "has access to members"),
        ("'a' in ['a'][0:1]", 13, "has access to members"),
        ("{'a': 1} == nil", 1, "has a map"),
        ("A in {'a': 1}", 6, "has a map"),
        ("true; false", 5, "has a sequence"),
        ("let x = A; x == 'a'", 1, "has a declaration"),
        ("if true { true } else { false }", 1, "has an if"),
        ("::len(A) == 1", 1, "has ::"),
        ("lower(A) == 'a'", 1, "calls lower"),
        ("A == 'a' or upper(B) == 'B'", 13, "calls upper"),
        ("any([1], # > 0)", 10, "has a #"),
        ("A == #", 6, "has a #"),
        ("A == b'a'", 6, "has a literal of bytes"),
        ('A == B"a"', 6, "has a literal of bytes"),
        ("$env == nil", 1, "has $env"),
        ("unknown(A)", 1, "calls unknown"),
    ],
)
def test_what_is_not_supported_is_named_with_its_column(text: str, column: int, what: str) -> None:
    with pytest.raises(BadExpressionError) as caught:
        check(text)

    assert str(caught.value) == f"{text!r} {what}, which is not supported here (column {column})"
    assert caught.value.column == column
    assert caught.value.hint


def test_the_hint_for_an_unsupported_function_lists_the_supported_ones() -> None:
    with pytest.raises(BadExpressionError) as caught:
        check("trim(A) == 'a'")

    assert caught.value.hint == "the functions are hasPrefix, hasSuffix, len"


def test_the_one_variable_that_vela_cannot_read_is_refused() -> None:
    with pytest.raises(BadExpressionError, match="the variable Value, which Vela cannot read"):
        check("Value == 'a'")


@pytest.mark.parametrize(
    ("text", "column", "reason", "hint"),
    [
        ("", 1, "ends too early", "a value is expected"),
        ("A == ", 6, "ends too early", "a value is expected"),
        ("A == 'a' and", 13, "ends too early", "a value is expected"),
        ("(A == 'a'", 10, "ends too early", ") is expected"),
        ("A == 'a')", 9, "has an unexpected )", "an operator is expected, or the end"),
        ("A 'a'", 3, "has an unexpected 'a'", "an operator is expected, or the end"),
        ("A = 'a'", 3, "has an unexpected =", "an operator is expected, or the end"),
        ("A not 'a'", 3, "has an unexpected not", "not is followed by in, contains"),
        ("true ? true", 12, "ends too early", ": is expected"),
        ("A in ['a' 'b']", 11, "has an unexpected 'b'", ", is expected"),
        ("A ?? 'b' == 'a'", 10, "mixes == with ??", "put one of them in parentheses"),
        ("A == 'a", 6, "has a string that does not end", "close it with ' on the same line"),
        ("A == `a", 6, "has a string that does not end", "close it with `"),
        (r"A == 'a\q'", 8, "has a bad escape", r"write \\ for a backslash"),
        (r"A == '\U00110000'", 7, "has an escape beyond Unicode", r"the largest is \U0010FFFF"),
        ("A == 1x", 6, "has the bad number '1x'", "write a number such as 10 or 1.5"),
        ("A == 0x", 6, "has the bad number '0x'", "write a number such as 10 or 1.5"),
        ("1 < 9223372036854775808", 5, "has the number '9223372036854775808', which is too large", "64 bits"),
        ("A == 'a' /* b", 10, "has a comment that does not end", "close it with */"),
        ("A == ~1", 6, "has the character '~', which means nothing here", "quote text"),
    ],
)
def test_a_malformed_text_says_where_and_what_would_be_right(text: str, column: int, reason: str, hint: str) -> None:
    with pytest.raises(BadExpressionError) as caught:
        check(text)

    assert str(caught.value) == f"{text!r} {reason} (column {column})"
    assert caught.value.column == column
    assert hint in caught.value.hint


def test_the_message_shows_the_beginning_of_a_long_expression() -> None:
    text = "A == 'a' and " * 50

    with pytest.raises(BadExpressionError) as caught:
        check(text)

    assert repr(f"{text[:100]}...") in str(caught.value)
    assert len(str(caught.value)) < 200
    assert caught.value.expression == text


def test_tokens_know_their_kind_their_column_and_their_value() -> None:
    found = [(token.kind, token.text, token.column, token.value) for token in tokens("A  not in [`x`, 0x10] // end")]

    assert found == [
        (Kind.NAME, "A", 1, None),
        (Kind.SYMBOL, "not", 4, None),
        (Kind.SYMBOL, "in", 8, None),
        (Kind.SYMBOL, "[", 11, None),
        (Kind.STRING, "`x`", 12, "x"),
        (Kind.SYMBOL, ",", 15, None),
        (Kind.NUMBER, "0x10", 17, 16),
        (Kind.SYMBOL, "]", 21, None),
        (Kind.END, "", 29, None),
    ]


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("!!a", ["!", "!"]),
        ("a!=b", ["!="]),
        ("a&&!b", ["&&", "!"]),
        ("a<=b>=c", ["<=", ">="]),
        ("a?b:c", ["?", ":"]),
        ("a?:c", ["?", ":"]),
        ("a??b?.c", ["??", "?."]),
        ("a||b|c", ["||", "|"]),
        ("1..2", [".."]),
        ("a::b", ["::"]),
        ("a***b", ["**", "*"]),
        ("a=!b", ["=", "!"]),
        ("not in", ["not", "in"]),
        ("a/b//c", ["/"]),
    ],
)
def test_operators_are_cut_as_long_as_they_go(text: str, symbols: list[str]) -> None:
    assert [token.text for token in tokens(text) if token.kind is Kind.SYMBOL] == symbols
