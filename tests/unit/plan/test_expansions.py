"""The reading of ``${...}``."""

import pytest

from runner.plan.expansions import LENGTH, BadTemplateError, Expansion, Part, Text, read


def _only(text: str) -> Expansion:
    (part,) = read(text)
    assert isinstance(part, Expansion)
    return part


def _text(value: str) -> Text:
    return Text(value=value)


def _error(text: str) -> BadTemplateError:
    with pytest.raises(BadTemplateError) as caught:
        read(text)
    return caught.value


def test_a_text_is_split_into_plain_characters_and_expansions() -> None:
    assert read("a $b ${C} d") == (
        _text("a $b "),
        Expansion(source="${C}", name="C", operator=""),
        _text(" d"),
    )


@pytest.mark.parametrize(
    ("text", "operator", "arguments"),
    [
        ("${A}", "", []),
        ("${#A}", LENGTH, []),
        ("${A^}", "^", []),
        ("${A^^}", "^^", []),
        ("${A,}", ",", []),
        ("${A,,}", ",,", []),
        ("${A:1}", ":", ["1"]),
        ("${A:1:2}", ":", ["1", "2"]),
        ("${A: -1}", ":", [" -1"]),
        ("${A:1::2}", ":", ["1", "2"]),
        ("${A#x}", "#", ["x"]),
        ("${A##x}", "##", ["x"]),
        ("${A###}", "##", ["#"]),
        ("${A%x}", "%", ["x"]),
        ("${A%%*.$}", "%%", ["*.$"]),
        ("${A/x/y}", "/", ["x", "y"]),
        ("${A//x/y}", "//", ["x", "y"]),
        ("${A/#x/y}", "/#", ["x", "y"]),
        ("${A/%x/y}", "/%", ["x", "y"]),
        ("${A/x/}", "/", ["x"]),
        ("${A/x//}", "/", ["x"]),
        ("${A/x//y}", "/", ["x", "y"]),
        ("${A//}/x}", "//", ["}", "x"]),
        (r"${A/\//\/}", "/", ["/", "/"]),
        (r"${A/\\/\\}", "/", ["\\", "\\"]),
        (r"${A/\a/$$}", "/", [r"\a", "$"]),
        ("${A/$${/x}", "/", ["${", "x"]),
        ("${A=x}", "=", ["x"]),
        ("${A:=x}", ":=", ["x"]),
        ("${A:-x}", ":-", ["x"]),
        ("${A:?x}", ":?", ["x"]),
        ("${A:+x}", ":+", ["x"]),
        ("${A:-}", ":-", []),
        ("${A:-$$\\/}", ":-", ["$$\\/"]),
        ("${A:-{x}", ":-", ["{x"]),
    ],
)
def test_every_operator_of_the_library_is_read(text: str, operator: str, arguments: list[str]) -> None:
    expansion = _only(text)
    assert expansion == Expansion(source=text, name="A", operator=operator, arguments=tuple(map(_text, arguments)))


@pytest.mark.parametrize("name", ["A", "a1", "_", "1", "VELA_BUILD_COMMIT", "naïve", "日本", "\u0661"])
def test_a_name_is_made_of_letters_and_digits_of_any_script(name: str) -> None:
    assert _only(f"${{{name}}}").name == name


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("${A:-${B}}", ("${B}",)),
        ("${A:-x${B}y}", ("x", "${B}", "y")),
        ("${A:-$${B}}", ("$", "${B}")),
        ("${A:${B}:${C}}", ("${B}", "${C}")),
        ("${A#${B}}", ("${B}",)),
        ("${A/${B}/${C:-${D}}}", ("${B}", "${C:-${D}}")),
    ],
)
def test_an_argument_may_be_an_expansion(text: str, arguments: tuple[str, ...]) -> None:
    def shown(part: Part) -> str:
        return part.value if isinstance(part, Text) else part.source

    assert tuple(map(shown, _only(text).arguments)) == arguments


@pytest.mark.parametrize(
    "text",
    [
        "${}",
        "${ A }",
        "${ A}",
        "${!A}",
        "${@}",
        "${*}",
        "${?}",
        "${-}",
        "${$}",
        "${#}",
        "${##}",
        "${²}",
        "${${A}}",
        "${#$}",
    ],
)
def test_without_a_name_there_is_no_variable(text: str) -> None:
    assert _error(text).message == f"{text} is not a variable that can be substituted"


@pytest.mark.parametrize(
    "text",
    [
        "${A[0]}",
        "${arr[@]}",
        "${#arr[@]}",
        "${A-def}",
        "${A+x}",
        "${A?x}",
        "${A }",
        "${A.b}",
        "${A@Q}",
        "${A^^x}",
        "${A^,}",
    ],
)
def test_a_form_of_the_shell_that_is_not_supported_is_an_error_with_the_way_out(text: str) -> None:
    error = _error(f"echo {text} done")
    assert error.message == f"{text} is not a variable that can be substituted"
    assert error.hint == f"write ${text} so that the shell sees it"
    assert str(error) == error.message


@pytest.mark.parametrize("text", ["${A#}", "${A##}", "${A%}", "${A%%}", "${A:}", "${A::2}", "${A:1:}", "${A///x}"])
def test_an_operator_without_its_argument_is_an_error(text: str) -> None:
    assert _error(text).message == f"{text} lacks what its operator works with"


def test_a_replacement_without_its_second_slash_is_an_error() -> None:
    error = _error("${A/b${C}}")
    assert error.message == "${A/b${C}} has no / after its pattern"
    assert error.hint == "write ${NAME/PATTERN/TEXT}"


@pytest.mark.parametrize("text", ["${A#x${B}}", "${A/b/x${B}}", "${A:1${B}}", "${A:1:2${B}}"])
def test_text_and_an_expansion_do_not_mix_in_one_argument(text: str) -> None:
    assert _error(text).hint == f"write {text.replace('${', '$${')} so that the shell sees it"


@pytest.mark.parametrize(
    "text", ["${", "${A", "${A:-x", "${A:-${B}", "${A/b/", "a ${#A", "${A:", "${A^^", "${A:-${B:-}"]
)
def test_a_missing_brace_is_named(text: str) -> None:
    error = _error(text)
    assert error.message.endswith("has no closing }")
    assert error.hint == "write $${ where ${ itself is meant"


def test_the_error_names_the_outermost_expansion_and_its_hint_escapes_the_inner_ones_too() -> None:
    error = _error("x ${A:-${B[0]}} y")
    assert error.message.startswith("${A:-${B[0]}} ")
    assert error.hint == "write $${A:-$${B[0]}} so that the shell sees it"


@pytest.mark.parametrize("text", ["${A[0]}", "${A:-${B[0]}}", "${!A}", "${A-${B}}"])
def test_the_hint_is_right(text: str) -> None:
    advice = _error(text).hint.removeprefix("write ").removesuffix(" so that the shell sees it")
    assert read(advice) == (_text(text),)


def test_a_message_shows_the_first_line_of_an_expansion_and_not_too_much_of_it() -> None:
    assert _error("${A[\n]}").message == "${A[… is not a variable that can be substituted"
    assert len(_error("${A[" + "x" * 500 + "]}").message) < 120


def test_expansions_may_be_nested_but_not_without_end() -> None:
    def nested(depth: int) -> str:
        return "${A:-" * depth + "x" + "}" * depth

    assert _only(nested(16)).source == nested(16)
    assert _error(nested(17)).message.endswith("holds ${...} more than 16 deep")
    assert _error(nested(100_000)).message.endswith("holds ${...} more than 16 deep")


def test_a_nul_and_a_backslash_outside_are_ordinary_characters() -> None:
    assert read("a\0\\/\\\\") == (_text("a\0\\/\\\\"),)
    assert _only("${A:-\0}").arguments == (_text("\0"),)
