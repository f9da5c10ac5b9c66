"""How references are written."""

import pytest

from runner.plan.mapping import MappingError, check, is_mapped
from runner.plan.mapping.references import Choice, Embedded, Part, Reference, Text, read, read_path, references, shown


def _reference(mark: str, *path: Part) -> Reference:
    return Reference(mark=mark, path=path)


def _text(*pieces: str | Embedded) -> Text:
    return Text(pieces=pieces)


def _embedded(source: str, *choices: Choice) -> Embedded:
    return Embedded(source=source, choices=choices)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("!name", _reference("!", "name")),
        ("@step", _reference("@", "step")),
        ("#step.key", _reference("#", "step", "key")),
        ("$preset", _reference("$", "preset")),
        ("$step.primaryReturn[0]", _reference("$", "step", "primaryReturn", 0)),
        ("!a.b.c", _reference("!", "a", "b", "c")),
        ("!a[0][12].b[-1]", _reference("!", "a", 0, 12, "b", -1)),
        ("!dash-ed_name", _reference("!", "dash-ed_name")),
        ("!2.x", _reference("!", "2", "x")),
        ("!_x", _reference("!", "_x")),
        ("!über", _reference("!", "über")),
        ("!a.key with blanks.b", _reference("!", "a", "key with blanks", "b")),
        ("!a/b:c", _reference("!", "a/b:c")),
        ("!a.0", _reference("!", "a", "0")),
        ("\t!a\n", _reference("!", "a")),
    ],
)
def test_a_mark_and_a_path_are_a_reference(text: str, reference: Reference) -> None:
    assert read(text) == (reference,)


@pytest.mark.parametrize(
    "text",
    [
        "!a b",
        "#1 100%",
        "@me, you",
        "$HOME/bin",
        "$a+b",
        "$5,00",
        "!-x",
        "!.x",
        "![0]",
        "!!x",
        "!",
        "a!b",
        "%x",
        "&x",
        "?x",
    ],
)
def test_other_texts_are_texts(text: str) -> None:
    assert read(text) == (_text(text),)


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("!a || !b.c||d e", (_reference("!", "a"), _reference("!", "b", "c"), _text("d e"))),
        ("a || @b", (_text("a"), _reference("@", "b"))),
        ("!a ||", (_reference("!", "a"), _text(""))),
        ("|| || !a", (_reference("!", "a"),)),
        ("!a || || b", (_reference("!", "a"), _text("b"))),
        ("!a || \\!b", (_reference("!", "a"), _text("!b"))),
        ("!a ||| b", (_reference("!", "a"), _text("| b"))),
        ("a || b", (_text("a || b"),)),
        (" a||\\!b ", (_text(" a||!b "),)),
    ],
)
def test_choices_are_separated_where_there_is_a_reference(text: str, choices: tuple[Choice, ...]) -> None:
    assert read(text) == choices


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a !{b} c", ("a ", _embedded("!{b}", _reference("!", "b")), " c")),
        ("@{s}", ("", _embedded("@{s}", _reference("@", "s")), "")),
        ("#{s.k[1]}", ("", _embedded("#{s.k[1]}", _reference("#", "s", "k", 1)), "")),
        ("!{ a }", ("", _embedded("!{ a }", _reference("!", "a")), "")),
        ("!{a b.c}", ("", _embedded("!{a b.c}", _reference("!", "a b", "c")), "")),
        ("!{a||b}", ("", _embedded("!{a||b}", _reference("!", "a"), _text("b")), "")),
        (
            "!{a || @b ||  || c d || }",
            (
                "",
                _embedded(
                    "!{a || @b ||  || c d || }", _reference("!", "a"), _reference("@", "b"), _text("c d"), _text("")
                ),
                "",
            ),
        ),
        ("!{a}}", ("", _embedded("!{a}", _reference("!", "a")), "}")),
        ("{!{a}}", ("{", _embedded("!{a}", _reference("!", "a")), "}")),
    ],
)
def test_references_in_braces_stand_in_texts(text: str, pieces: tuple[str | Embedded, ...]) -> None:
    assert read(text) == (_text(*pieces),)


def test_a_choice_in_braces_does_not_end_the_choice_around() -> None:
    embedded = _embedded("!{a || b}", _reference("!", "a"), _text("b"))

    assert read("x-!{a || b} || !c") == (_text("x-", embedded, ""), _reference("!", "c"))


def test_other_braces_are_text() -> None:
    assert read("${a} {b} $!{c}") == (_text("${a} {b} $", _embedded("!{c}", _reference("!", "c")), ""),)


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("\\!a", "!a"),
        ("  \\!a", "  !a"),
        ("\\$a b", "$a b"),
        ("\\#1 x", "#1 x"),
        ("\\\\!a", "\\\\!a"),
        ("\\! a", "\\! a"),
        ("a \\!b", "a \\!b"),
        ("a\\!{b || c}d", "a!{b || c}d"),
        ("\\${a}", "\\${a}"),
        ("\\!{a", "!{a"),
        ("x || \\@{y}", "x || @{y}"),
    ],
)
def test_a_backslash_goes_only_before_what_would_be_a_reference(text: str, literal: str) -> None:
    assert "".join(str(piece) for piece in _only(read(text)).pieces) == literal


def _only(choices: tuple[Choice, ...]) -> Text:
    (choice,) = choices
    assert isinstance(choice, Text)
    return choice


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("a !{b", "a !{b: !{ has no } behind it", "close it, or write \\!{ where the text itself is meant"),
        ("}@{", "}@{: @{ has no } behind it", "close it, or write \\@{ where the text itself is meant"),
        ("!{}", "!{}: '' begins with no name", "write it as in !A.list[0]"),
        ("!{ || a}", "!{ || a}: '' begins with no name", "write it as in !A.list[0]"),
        ("!{!a}", "!{!a}: '!a' begins with no name", "write it as in !A.list[0]"),
        ("!{.a}", "!{.a}: '.a' begins with no name", "write it as in !A.list[0]"),
        ("!a..b", "!a..b: '..b' is neither a key nor an index", "write it as in !A.list[0]; an index is a number"),
        ("!a.", "!a.: '.' is neither a key nor an index", "write it as in !A.list[0]; an index is a number"),
        ("!a[x]", "!a[x]: '[x]' is neither a key nor an index", "write it as in !A.list[0]; an index is a number"),
        ("!a[0", "!a[0: '[0' is neither a key nor an index", "write it as in !A.list[0]; an index is a number"),
        ("!a[0]b", "!a[0]b: 'b' is neither a key nor an index", "write it as in !A.list[0]; an index is a number"),
        ("!a[]", "!a[]: '[]' is neither a key nor an index", "write it as in !A.list[0]; an index is a number"),
        ("!a || !b..", "!b..: '..' is neither a key nor an index", "write it as in !A.list[0]; an index is a number"),
        (
            "!a.!{b}",
            "!a.!{b}: '{b}' is neither a key nor an index",
            "write it as in !A.list[0]; an index is a number",
        ),
        (
            "!{a || !{b}}",
            "!{a || !{b}: !{ stands within braces",
            "write !name for a further choice in the same braces",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_what_would_be_right(text: str, message: str, hint: str) -> None:
    with pytest.raises(MappingError) as caught:
        check(text)

    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert is_mapped(text)


def test_an_index_of_endless_digits_cannot_be_read() -> None:
    check("!a[999999999]")
    with pytest.raises(MappingError, match="neither a key nor an index"):
        check(f"!a[{'9' * 5000}]")


def test_a_plain_text_is_a_path_where_one_may_stand() -> None:
    assert read_path(" A.list[0] ") == (_reference("!", "A", "list", 0),)
    assert read_path("my list") == (_reference("!", "my list"),)
    assert read_path("!A || b") == (_reference("!", "A"), _text("b"))
    assert read_path("@s") == (_reference("@", "s"),)
    with pytest.raises(MappingError, match="begins with no name"):
        read_path("")
    with pytest.raises(MappingError, match="begins with no name"):
        check("#1 x", path=True)


def test_all_references_of_a_text_are_yielded_also_those_in_braces() -> None:
    found = references(read("!a || x !{b || @c || d} #{e} || \\!f"))

    assert list(found) == [
        _reference("!", "a"),
        _reference("!", "b"),
        _reference("@", "c"),
        _reference("#", "e"),
    ]


def test_messages_show_a_reference_on_one_line_and_not_without_end() -> None:
    assert shown("!a.b || c") == "!a.b || c"
    assert shown("!a\nb") == "'!a\\nb'"
    assert len(shown("!" + "a" * 10_000)) < 100
