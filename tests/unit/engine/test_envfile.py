"""The lines of outputs files and files of variables."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.engine.envfile import BadLineError, parse

KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9/_.]{0,5}", fullmatch=True)
VALUES = st.text(alphabet=st.characters(min_codepoint=32, exclude_categories=["Cs"]))


def _error(text: str) -> BadLineError:
    with pytest.raises(BadLineError) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize("text", ["", " ", "\n\n", "# only", "  # a=b", "\t#", "\r\n", "#=\0\x01"])
def test_blank_lines_and_comments_hold_nothing(text: str) -> None:
    assert parse(text) == {}


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("A=1", "A"),
        ("_=1", "_"),
        ("_2=1", "_2"),
        ("a.b=1", "a.b"),
        ("a/b=1", "a/b"),
        (" A = 1 ", "A"),
        ("\tA\t=\t1\t", "A"),
        ("export A=1", "A"),
        ("  export A =1", "A"),
        ("export=1", "export"),
        ("export =1", "export"),
        ("exportA=1", "exportA"),
        ("\u00a0A\u2003=1\u3000", "A"),
        ("A=1\r", "A"),
    ],
)
def test_a_key_is_a_name_perhaps_exported(line: str, key: str) -> None:
    assert parse(line) == {key: "1"}


@pytest.mark.parametrize(
    "line",
    [
        "=1",
        "=",
        "1A=1",
        "A-B=1",
        "A B=1",
        "export  A=1",
        "export\tA=1",
        "export 1=1",
        "é=1",
        "a[0]=1",
        "\ufeffA=1",
        "$A=1",
    ],
)
def test_another_key_is_an_error(line: str) -> None:
    error = _error(line)
    assert error.message == "has no valid key before its ="
    assert error.hint.startswith("a key is made of letters, digits")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bar", "bar"),
        ("a b  c", "a b  c"),
        ("a b # c", "a b"),
        ("a#b", "a"),
        ("#b", ""),
        ("a=b=c", "a=b=c"),
        ("$B ${C} `d`", "$B ${C} `d`"),
        (r"a\tb\ ", "a\\tb\\"),
        ("é日😀", "é日😀"),
        ("a\u00a0b", "a\u00a0b"),
        ("\x7f", "\x7f"),
    ],
)
def test_a_value_without_quotes_ends_at_a_comment_and_has_no_space_around_it(value: str, expected: str) -> None:
    assert parse(f"A= {value} ") == {"A": expected}


@pytest.mark.parametrize("value", ["é # c", "é# c", "é #", "é#"])
def test_a_comment_leaves_the_character_before_it_whole(value: str) -> None:
    # The library cuts off its last byte.
    assert parse(f"A={value}") == {"A": "é"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("'a b'", "a b"),
        ("' a '", " a "),
        ("' a ' # c", " a "),
        ("''", ""),
        ("'#'", "#"),
        (r"'\n\'", r"\n" + "\\"),
        ("'\"'", '"'),
        ("a'b'c", "abc"),
        ("a 'b' c", "a b c"),
        ("a ''", "a "),
        ("a '' # c", "a"),
        ('{"a":"b"}', "{a:b}"),
        ("'a'\"b\"c", "abc"),
    ],
)
def test_quotes_keep_what_is_in_them_and_go(value: str, expected: str) -> None:
    assert parse(f"A={value}") == {"A": expected}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (r'"l1\nl2"', "l1\nl2"),
        (r'"\"\\\/\b\f\n\r\t"', '"\\/\b\f\n\r\t'),
        (r'"\u2318"', "\u2318"),
        (r'"\ud83d\uDE01"', "\U0001f601"),
        (r'"\u00e9é"', "éé"),
        (r'"a\"#b"#c', 'a"#b'),
        ('"\'"', "'"),
        (r'"\\" x # "y', r"\ x"),
        (r'"\t"', "\t"),
        ('"$A"', "$A"),
        ('""', ""),
    ],
)
def test_double_quotes_know_the_escapes_of_json(value: str, expected: str) -> None:
    assert parse(f"A={value}") == {"A": expected}


@pytest.mark.parametrize("value", [r'"\a"', r'"\x41"', r'"\u12"', r'"\uabcZ"', r'"\é"', r'"\'"', r'"\$"', r'"\ "'])
def test_another_escape_is_an_error(value: str) -> None:
    error = _error(f"A={value}")
    assert error.message == "has an escape in double quotes that does not exist"
    assert r"\uXXXX" in error.hint


@pytest.mark.parametrize(
    "value", [r'"\u0000"', r'"\ud83d"', r'"\ud83d \ude01"', r'"\ude01\ud83d"', r'"\ud83dx"', r'"\ud83d\u0041"']
)
def test_an_escape_for_what_no_variable_can_hold_is_an_error(value: str) -> None:
    assert _error(f"A={value}").message == "has an escape for a character that no variable can hold"


@pytest.mark.parametrize(
    ("value", "quote"),
    [('"a', '"'), ("'a", "'"), ("a'", "'"), ('"a\\"', '"'), ("'a' \"b 'c'", '"'), ('"\\', '"'), ("don't", "'")],
)
def test_an_open_quote_is_an_error(value: str, quote: str) -> None:
    error = _error(f"A={value}")
    assert error.message == "has a quote that is not closed"
    assert error.hint == f"write a second {quote} in the same line"


@pytest.mark.parametrize("value", ["a\tb", "a\0", "'\x01'", '"\x1b[0m"', "a\rb", "\x1c"])
def test_a_control_character_in_a_value_is_an_error(value: str) -> None:
    error = _error(f"A={value}x")
    assert error.message == "has a control character in its value"
    assert error.hint == r'write it as an escape in double quotes: "\t"'


def test_a_control_character_in_a_comment_is_none() -> None:
    assert parse("A=1 # a\tb\x01") == {"A": "1"}


@pytest.mark.parametrize("line", ["A", "export A", "echo hi", "'A'"])
def test_a_line_without_an_equals_sign_is_an_error(line: str) -> None:
    error = _error(f"B=1\n\n# c\r\n{line}\nC=1")
    assert (error.line, error.message) == (4, "has no =")
    assert str(error) == "line 4: has no ="
    assert error.hint == r"write KEY=value; a line break in a value is \n in double quotes"


def test_the_first_bad_line_is_the_one_that_is_named() -> None:
    assert _error("A=1\n2=2\nB='\n").line == 2


def test_the_last_of_equal_keys_counts() -> None:
    assert parse("A=1\nB=2\nA=3") == {"A": "3", "B": "2"}
    assert parse("A=1\nA=") == {"A": ""}


@pytest.mark.parametrize("empty", ["", "''", '""', "# c", "''\"\""])
def test_empty_values_are_kept_or_count_as_not_written(empty: str) -> None:
    text = f"A={empty}\nB=1\nB={empty}"
    assert parse(text) == {"A": "", "B": ""}
    assert parse(text, keep_empty=False) == {"B": "1"}


def test_lines_end_at_a_newline_only() -> None:
    assert parse("A=1\r\nB='x\u2028y'\u0085\nC=\u2029") == {"A": "1", "B": "x\u2028y", "C": ""}


@pytest.mark.parametrize(
    "text",
    ["MII+hunter2==", "hunter2", "hunter2 x=1", "A='hunter2", 'A="hunter2\\q"', "A=hunter2\x01", 'A="hunter2\\u0000"'],
)
def test_an_error_shows_nothing_of_a_line_that_may_be_a_secret(text: str) -> None:
    error = _error(text)
    assert "hunter2" not in f"{error} {error.message} {error.hint}"


@given(st.dictionaries(KEYS, VALUES))
def test_what_is_written_in_json_quotes_is_read_again(variables: dict[str, str]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = "\n".join(f"export {key} = {quoted(value)} # {value}" for key, value in variables.items())
    assert parse(text) == variables


@given(KEYS, VALUES.filter(lambda value: "'" not in value))
def test_what_is_written_in_single_quotes_is_read_again(key: str, value: str) -> None:
    assert parse(f"{key}='{value}'") == {key: value}


@given(st.one_of(st.text(), st.text(alphabet="A=\"'# \\\nu0né\t")))
def test_a_text_is_read_or_one_of_its_lines_is_bad(text: str) -> None:
    try:
        variables = parse(text)
    except BadLineError as error:
        assert 1 <= error.line <= text.count("\n") + 1  # noqa: PT017 - whether it raises is up to the text
    else:
        assert len(variables) <= text.count("=")


@pytest.mark.parametrize(
    "text",
    [
        "A=" + "a''" * 300_000,
        "A=" + '"\\n"' * 300_000,
        "A=" + "x" * 1_000_000,
        "A='" + "\\" * 1_000_000,
        'A="' + "\\n" * 500_000,
    ],
    ids=["many quotes", "many escapes", "one value", "an open quote", "open escapes"],
)
def test_a_long_line_is_read_in_little_time(text: str) -> None:
    begin = time.monotonic()
    try:
        assert len(parse(text)["A"]) >= 300_000
    except BadLineError as error:
        assert error.message == "has a quote that is not closed"  # noqa: PT017 - two of the texts are bad
    assert time.monotonic() - begin < 5
