"""Values put into a text, early and late."""

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.plan.substitution import BadTemplateError, early, late, names

VARIABLES = {"A": "aabb", "B": "BB", "EMPTY": "", "ML": "a\nb", "DOLLAR": "${A} $$ \\/", "N": "1"}

# Pieces from which hostile and half-right templates grow.
PIECES = [
    "$",
    "{",
    "}",
    "${",
    "A",
    "B",
    "EMPTY",
    "NOPE",
    ":",
    "-",
    "#",
    "%",
    "/",
    "^",
    ",",
    "=",
    "1",
    "*",
    "[",
    "]",
    "\\",
]
TEMPLATES = st.lists(st.sampled_from(PIECES), max_size=16).map("".join)
VALUES = st.dictionaries(st.sampled_from(["A", "B", "EMPTY"]), st.text(max_size=8))


def _either(text: str, variables: Mapping[str, str]) -> tuple[str, str] | None:
    try:
        return early(text, variables), late(text, variables)
    except BadTemplateError:
        return None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("${A}", "aabb"),
        ("x${A}y${B}z", "xaabbyBBz"),
        ("${A}${A}", "aabbaabb"),
        ("$A $B", "$A $B"),
        ("$", "$"),
        ("a$", "a$"),
        ("$(pwd) $? $1 $!", "$(pwd) $? $1 $!"),
        ("}{", "}{"),
        ("${ML}", "a\nb"),
        ("${EMPTY}", ""),
    ],
)
def test_a_variable_in_braces_gives_way_to_its_value(text: str, expected: str) -> None:
    assert early(text, VARIABLES) == expected
    assert late(text, VARIABLES) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$$", "$"),
        ("$$$", "$$"),
        ("$$$$", "$$"),
        ("$${A}", "${A}"),
        ("$$${A}", "$aabb"),
        ("$$$${A}", "$${A}"),
        ("$$A", "$A"),
        ("kill $$; echo $${arr[@]}", "kill $; echo ${arr[@]}"),
        ("$${A:-${B}}", "${A:-BB}"),
        ("some ${A}$${B$${A}$A${A}", "some aabb${B${A}$Aaabb"),
    ],
)
def test_two_dollars_are_one(text: str, expected: str) -> None:
    assert early(text, VARIABLES) == expected


@pytest.mark.parametrize("text", [r"sed 's/a\/b/c/'", r"a\\b", r"\$x", r"c:\dir", "\\", r"\\server\\share", "a\0b"])
def test_backslashes_and_control_characters_stay(text: str) -> None:
    assert early(text, VARIABLES) == text
    assert late(text, VARIABLES) == text


def test_a_backslash_does_not_keep_a_variable_from_being_substituted() -> None:
    assert early(r"\${A}", VARIABLES) == r"\aabb"


@pytest.mark.parametrize(
    "text",
    [
        "${NOPE}",
        "${NOPE:-def}",
        "${NOPE:=a b}",
        "${NOPE^^}",
        "${NOPE:0:3}",
        "${#NOPE}",
        "${NOPE%.*}",
        r"${NOPE//\//-}",
        "${NOPE:-$$}",
        "${NOPE:-${A}}",
        "${NOPE:-${EMPTY:-${B}}}",
        "${A:${NOPE}}",
        "${A/${NOPE}/x}",
        "${A/${EMPTY:-${NOPE}}/x}",
        "${NOPE:-${OTHER}}",
    ],
)
def test_an_expansion_that_hangs_on_an_unknown_variable_stays_as_written_early(text: str) -> None:
    assert early(f"<{text}>{text}", VARIABLES) == f"<{text}>{text}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A:-${NOPE}}", "aabb"),
        ("${EMPTY:-${NOPE}}", "${NOPE}"),
        ("${EMPTY:-x${NOPE^^}y${A}}", "x${NOPE^^}yaabb"),
        ("${EMPTY:-${EMPTY:=${NOPE:-${A}}}}", "${NOPE:-${A}}"),
    ],
)
def test_an_unknown_variable_in_a_default_counts_only_when_the_default_does(text: str, expected: str) -> None:
    assert early(text, VARIABLES) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${NOPE}", ""),
        ("${NOPE:-def}", "def"),
        ("${NOPE:-${A}}", "aabb"),
        ("${NOPE:-${OTHER:-x}}", "x"),
        ("${NOPE^^}", ""),
        ("${#NOPE}", "0"),
        ("${A:${NOPE}}", "aabb"),
        ("img:${NOPE=1}.${N}", "img:1.1"),
    ],
)
def test_an_unknown_variable_is_empty_late(text: str, expected: str) -> None:
    assert late(text, VARIABLES) == expected


@pytest.mark.parametrize("operator", ["=", ":=", ":-", ":?", ":+"])
def test_each_default_stands_in_for_an_empty_value_only(operator: str) -> None:
    assert late(f"${{EMPTY{operator}x y}}", VARIABLES) == "x y"
    assert late(f"${{NOPE{operator}x y}}", VARIABLES) == "x y"
    assert late(f"${{A{operator}x y}}", VARIABLES) == "aabb"
    assert late(f"${{EMPTY{operator}}}", VARIABLES) == ""


def test_the_pieces_of_a_default_are_joined() -> None:
    assert late("${NOPE:-a${B}b${N}$$}", VARIABLES) == "aBBb1$$"


def test_a_value_is_inserted_as_it_is_and_not_read_again() -> None:
    assert early("<${DOLLAR}>", VARIABLES) == "<${A} $$ \\/>"
    assert late("<${DOLLAR}>", VARIABLES) == "<${A} $$ \\/>"


def test_what_early_left_or_unescaped_is_substituted_late() -> None:
    text = early("${A} ${NOPE:-none} $${OUT} ${OUT^^}", VARIABLES)
    assert text == "aabb ${NOPE:-none} ${OUT} ${OUT^^}"
    assert late(text, VARIABLES | {"OUT": "built"}) == "aabb none built BUILT"


def test_an_operator_works_on_the_value_and_its_argument_may_be_an_expansion() -> None:
    assert early("${A^^} ${#A} ${A:${N}:2} ${A/${A:0:1}/x} ${A%${B,,}}", VARIABLES) == "AABB 4 ab xabb aa"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", set()),
        ("plain $A $${B}", set()),
        ("${A}", {"A"}),
        ("${A}${B}${A}", {"A", "B"}),
        ("${#A} ${B^^}", {"A", "B"}),
        ("${A:-x${B/${C}/${D:${E}}}}", {"A", "B", "C", "D", "E"}),
    ],
)
def test_the_names_are_those_of_all_variables_however_deep(text: str, expected: set[str]) -> None:
    assert names(text) == expected


@pytest.mark.parametrize("text", ["${A[0]}", "${", "x ${ A }", "${A:-${B[@]}}"])
def test_a_bad_template_is_an_error_for_every_caller_whatever_the_values(text: str) -> None:
    for variables in (VARIABLES, {}):
        assert _either(text, variables) is None
    with pytest.raises(BadTemplateError):
        names(text)


@given(st.text().filter(lambda text: "$" not in text), VALUES)
def test_a_text_without_a_dollar_is_unchanged(text: str, variables: Mapping[str, str]) -> None:
    assert _either(text, variables) == (text, text)


@given(st.text(), VALUES)
def test_any_text_can_be_passed_through_by_doubling_its_dollars(text: str, variables: Mapping[str, str]) -> None:
    assert _either(text.replace("$", "$$"), variables) == (text, text)


@given(st.one_of(TEMPLATES, st.text(max_size=30)), VALUES)
def test_nothing_but_a_bad_template_is_raised_and_the_values_do_not_decide_on_it(
    text: str, variables: Mapping[str, str]
) -> None:
    assert (_either(text, variables) is None) == (_either(text, {}) is None)


@given(TEMPLATES)
def test_early_and_late_agree_when_all_variables_are_known(text: str) -> None:
    known = dict.fromkeys(["A", "B", "EMPTY", "NOPE"], "a1/b") | {"EMPTY": ""}
    result = _either(text, known)
    if result is not None and names(text) <= set(known):
        assert result[0] == result[1]


@given(TEMPLATES)
def test_early_without_variables_changes_only_escapes(text: str) -> None:
    if _either(text, {}) is not None and "$$" not in text:
        assert early(text, {}) == text


@given(st.text(), st.text(), st.text())
def test_plain_text_around_a_variable_stays(before: str, value: str, after: str) -> None:
    before, after = before.replace("$", ""), after.replace("$", "")
    assert early(f"{before}${{A}}{after}", {"A": value}) == before + value + after


def test_half_a_surrogate_pair_in_a_value_ends_nothing() -> None:
    broken = {"A": "a\ud800/b"}
    assert early("${A} ${A:1} ${#A} ${A%/*} ${A^^}", broken) == "a\ud800/b \ud800/b 6 a\ud800 A\ud800/B"


@pytest.mark.parametrize(
    "text",
    [
        "${A//a/${A//a/${A//a/${A//a/${A}}}}}",
        "${A}" * 20_000,
        ("${A##*" + "?a" * 400 + "b}") * 200,
        "${A^}" * 20_000,
    ],
    ids=["nested replacements", "repetition", "patterns", "operators"],
)
def test_a_text_that_would_grow_beyond_measure_is_refused_at_once(text: str) -> None:
    begin = time.monotonic()
    with pytest.raises(BadTemplateError, match="makes the text too long"):
        late(text, {"A": "a" * 1_000})
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    "text",
    ["$" * 400_001, "${A" * 100_000, "${A}" * 100_000, "\\" * 400_000, "${A/" + "$$" * 200_000 + "/x}", "${" * 200_000],
    ids=["dollars", "unclosed", "many", "backslashes", "a long pattern", "open braces"],
)
def test_a_long_text_is_read_in_little_time(text: str) -> None:
    begin = time.monotonic()
    _either(text, {"A": "a"})
    assert time.monotonic() - begin < 5


def test_a_text_of_ordinary_size_with_large_values_is_not_refused() -> None:
    large = {"A": "word " * 20_000}
    assert len(early("${A} ${A//word/another} ${A%% *}", large)) > 260_000


@pytest.mark.parametrize("text", ["${MSG}", "${MSG:0:5}", "${#MSG}", "${NONE:-x}${MSG^^}", "${EMPTY:-${MSG}}"])
def test_what_comes_from_outside_is_not_read_again(text: str) -> None:
    variables = {"MSG": "fix $${A} ${B}", "EMPTY": ""}
    known = {**variables, "A": "a", "B": "b"}

    once = early(text.replace("${NONE:-x}", ""), variables, outside={"MSG"})

    assert late(once, known) == early(text.replace("${NONE:-x}", ""), variables)
