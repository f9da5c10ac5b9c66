import codecs
import json

import pytest

from runner.dialects import source
from runner.dialects.source import Findings, Mapping, Scalar, Sequence, load
from runner.errors import ExitCode, InvalidPipelineError, Place
from tests.support.trees import FILE, PARSERS, Parser, data, mapping, only, refusal, scalar, sequence, tree, warnings


@pytest.fixture(params=PARSERS, autouse=True, ids=lambda parser: parser.__name__)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Parser:
    """Run every test with libyaml and without."""
    chosen: Parser = request.param
    monkeypatch.setattr(source, "PARSER", chosen)
    return chosen


def place(line: int, column: int) -> Place:
    return Place(file=FILE, line=line, column=column)


@pytest.mark.parametrize(
    "text",
    ["1.20", "0755", "3.10", "12:30", "2026-01-02", "0x1F", "1_000", "1e3", "on", "yes", "null", "~", "9" * 5000],
)
def test_a_plain_value_stays_as_it_is_written(text: str) -> None:
    value = mapping(f"version: {text}\n").get("version")
    assert isinstance(value, Scalar)
    assert (value.text, value.plain) == (text, True)


def test_a_key_is_text_whatever_it_looks_like() -> None:
    assert mapping("on: push\n1.20: x\ntrue: y\n").keys() == ("on", "1.20", "true")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("'it''s'", "it's"),
        (r'"tab\tend\u263a\/"', "tab\tend☺/"),
        ("|\n  one\n  two\n", "one\ntwo\n"),
        ("|-\n  one\n   two\n", "one\n two"),
        (">\n  one\n  two\n", "one two\n"),
        ("'!Ref x'", "!Ref x"),
        ("'null'", "null"),
        ('""', ""),
    ],
)
def test_a_quoted_or_block_value_is_what_it_means_and_not_plain(written: str, text: str) -> None:
    value = mapping(f"a: {written}").get("a")
    assert isinstance(value, Scalar)
    assert (value.text, value.plain) == (text, False)


def test_every_node_has_its_line_and_column_from_one() -> None:
    root = mapping("steps:\n  - name: build\n    commands: [make,\n      test]\n")
    steps = root.get("steps")
    assert isinstance(steps, Sequence)
    step = steps.items[0]
    assert isinstance(step, Mapping)
    commands = step.get("commands")
    assert isinstance(commands, Sequence)

    assert root.place == place(1, 1)
    assert steps.place == place(2, 3)
    assert step.place == place(2, 5)
    assert [entry.key.place for entry in step.entries] == [place(2, 5), place(3, 5)]
    assert [entry.value.place for entry in step.entries] == [place(2, 11), place(3, 15)]
    assert [item.place for item in commands.items] == [place(3, 16), place(4, 7)]


def test_columns_count_characters_not_bytes() -> None:
    found = sequence("[ä€😀, b]")
    assert [item.place.column for item in found.items] == [2, 7]


def test_a_missing_value_is_null_at_its_place() -> None:
    value = mapping("a:\nb: 1\n").get("a")
    assert isinstance(value, Scalar)
    assert value.is_null
    assert value.place.line == 1


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_line_ending_counts_as_one_line(newline: str) -> None:
    root = mapping(newline.join(["a: 1", "b: 2", "c: 3"]))
    assert [entry.key.place.line for entry in root.entries] == [1, 2, 3]


def test_a_byte_order_mark_of_utf8_is_not_seen() -> None:
    root = mapping(codecs.BOM_UTF8 + b"a: 1")
    assert root.keys() == ("a",)
    assert root.entries[0].key.place == place(1, 1)


def test_a_yaml_directive_and_an_explicit_start_and_end_are_accepted() -> None:
    assert data(tree("%YAML 1.1\n---\na: b\n...\n")) == {"a": "b"}


@pytest.mark.parametrize(
    ("tagged", "text", "plain"),
    [
        ("!!str true", "true", False),
        ("! true", "true", False),
        ("!!int '3'", "3", True),
        ("!!bool yes", "yes", True),
        ("!!null ~", "~", True),
        ("!!float 1.20", "1.20", True),
    ],
)
def test_the_core_tags_say_whether_words_mean_something(tagged: str, text: str, plain: bool) -> None:  # noqa: FBT001 - a table's column
    value = scalar(tagged)
    assert (value.text, value.plain) == (text, plain)


def test_the_core_tags_of_lists_and_maps_are_accepted() -> None:
    assert data(tree("!!map {a: !!seq [b], c: ! [d]}")) == {"a": ["b"], "c": ["d"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !Ref [b]", "1:4: the tag '!Ref' is not known here (quote a value that begins with '!')"),
        ("a: !Ref {b: c}", "1:4: the tag '!Ref' is not known here"),
        ("a: !Ref 'b'", "1:4: the tag '!Ref' is not known here"),
        ("a: !Ref |\n  b", "1:4: the tag '!Ref' is not known here"),
        ("a: !!python/object/apply:os.system [id]", "1:4: the tag '!!python/object/apply:os.system' is not"),
        ("a: !!binary aGk=", "1:4: the tag '!!binary' is not known here"),
        ("a: !!str [b]", "1:4: the tag '!!str' is not known here"),
        ("a: !!set {b}", "1:4: the tag '!!set' is not known here"),
        ("a: !<tag:example.org,2026:x> b", "1:4: the tag 'tag:example.org,2026:x' is not"),
        ("!steps\n- a", "1:1: the tag '!steps' is not known here"),
    ],
)
def test_any_other_tag_is_refused_by_name(text: str, message: str) -> None:
    assert only(text).startswith(f"{FILE}:{message}")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("!ROOT.p.s", "!ROOT.p.s"),
        ("!x", "!x"),
        ("!x # why", "!x"),
        ("!x rest of it", "!x rest of it"),
        ("!x 1", "!x 1"),
        ("!x\n  on two lines", "!x on two lines"),
    ],
)
def test_what_looks_like_a_reference_is_read_as_the_text_that_it_looks_like(value: str, text: str) -> None:
    findings = Findings()
    root = load(f"a: {value}\nb: 1\n".encode(), FILE, findings)

    assert isinstance(root, Mapping)
    assert root.get("a") == Scalar(text=text, place=place(1, 4), plain=False)
    assert data(root) == {"a": text, "b": "1"}
    assert [str(finding) for finding in findings.items] == [
        f"{FILE}:1:4: warning: this is read as the text {text!r} (put it in quotes)"
    ]


def test_references_in_brackets_are_texts_where_yaml_lets_them_be() -> None:
    assert data(tree("a: {b: !x.y , c: [!z ]}")) == {"a": {"b": "!x.y", "c": ["!z"]}}


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "--- # nothing\n...\n", "\ufeff"])
def test_an_empty_file_is_refused_as_empty(text: str) -> None:
    assert only(text) == f"{FILE}:1:1: the file is empty (write a pipeline into it)"


@pytest.mark.parametrize("text", ["a: 1\n---\nb: 2\n", "a: 1\n---\n", "a: 1\n...\n---\nb: 2\n"])
def test_a_second_document_is_not_read_and_told_of_at_its_place(text: str) -> None:
    findings = Findings()
    root = load(text.encode(), FILE, findings)

    assert isinstance(root, Mapping)
    assert root.keys() == ("a",)
    line = text.splitlines().index("---") + 1
    assert [str(finding) for finding in findings.items] == [
        (
            f"{FILE}:{line}:1: warning: a second document begins here, and is not read "
            "(a file holds one pipeline: remove the '---' between them)"
        )
    ]


def test_duplicate_keys_are_refused_with_both_places() -> None:
    text = "steps:\n  - name: a\n    image: b\n    name: c\n"
    assert only(text) == f"{FILE}:4:5: duplicate key 'name' (it stands at {FILE}:2:5 already; keep one of them)"


@pytest.mark.parametrize("text", ["a: 1\n'a': 2", '{"a": 1, a: 2}', "? a\n: 1\na: 2", "&k a: 1\n*k : 2"])
def test_keys_are_duplicates_by_their_text_however_they_are_written(text: str) -> None:
    assert "duplicate key 'a'" in only(text)


@pytest.mark.parametrize("text", ["{a: b}: x", "[a, b]: x", "? - a\n: x", "k: &k [a]\n*k : x"])
def test_a_list_or_map_as_key_is_refused(text: str) -> None:
    assert "a list or a map cannot be a key (quote the key" in only(text)


def test_an_unquoted_template_is_told_to_be_quoted() -> None:
    assert only("image: {{ image }}").startswith(f"{FILE}:1:9: a list or a map cannot be a key")
    assert "needs quotes" in only("image: {{ image }}")


def test_all_errors_of_a_file_come_at_once_even_before_one_that_ends_the_reading() -> None:
    text = "a: !x [1]\na: *nowhere\nb: [1\nc: 2\n"
    *known, syntax = refusal(text)

    assert [(finding.place.line, finding.message) for finding in known] == [
        (1, "the tag '!x' is not known here"),
        (2, "duplicate key 'a'"),
        (2, "unknown anchor 'nowhere'"),
    ]
    assert syntax.place == place(4, 2)
    assert "expected ',' or ']'" in syntax.message


@pytest.mark.parametrize(
    ("text", "line", "column", "hint"),
    [
        ("a: b: c", 1, 5, "quote a value that holds ': '"),
        ("a: @home", 1, 4, "begins with such a character: put it in quotes"),
        ("a: `id`", 1, 4, "begins with such a character: put it in quotes"),
        ("a: %x", 1, 4, "begins with such a character: put it in quotes"),
        ("a: !{x}", 1, 5, "begins with '!': put it in quotes"),
        ("a: !x || y", 1, 8, "holds '||': put it in quotes"),
        ("a: | text", 1, 6, "a block begins a line below"),
        ("a:\n  - 'x\n", 3, 1, "close the quote or bracket"),
        ("a: [b\n", 2, 1, "close the bracket"),
        ("- a\nb: c", 2, 1, "check the indentation"),
        ("a: 1\n  b: 2", 2, 4, "quote a value that holds ': '"),
        ("a: !e!tag b", 1, 4, "begins with '!': put it in quotes"),
        ("%YAML 2.0\n---\na: b", 1, 1, "remove the %YAML line"),
        ("key\n: x", 2, 1, "check the indentation"),
    ],
)
def test_what_is_not_yaml_is_refused_at_its_place_with_a_hint(text: str, line: int, column: int, hint: str) -> None:
    (finding,) = refusal(text)
    assert finding.place == place(line, column)
    assert hint in finding.hint


def test_an_unclosed_bracket_names_the_line_where_it_was_opened() -> None:
    assert "that begins at line 2" in only("a: 1\nb: [c,\n  d\n")


def test_a_backslash_in_double_quotes_is_explained() -> None:
    assert "single quotes take it as it is" in only(r'pattern: "\d+"')


@pytest.mark.parametrize(
    ("text", "line"),
    [("a:\n\tb: 1", 2), ("a:\n  b: 1\n\tc: 2", 3), ("\ta: 1", 1), ("a:\n  - b\n\t- c", 3)],
)
def test_a_tab_as_indentation_is_refused_as_a_tab(text: str, line: int) -> None:
    assert only(text) == f"{FILE}:{line}:1: a tab stands where YAML wants spaces (indent with spaces)"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: \xff\n", "2:4: the byte 0xff is not UTF-8 (save the file as UTF-8)"),
        ("ä: ".encode() + b"\xed\xa0\x80", "1:4: the byte 0xed is not UTF-8"),
        (b"a: \xc3", "1:4: the byte 0xc3 is not UTF-8"),
        ("a: 1".encode("utf-16"), "1:1: the file is in UTF-16 (save it as UTF-8)"),
        (codecs.BOM_UTF16_BE + "a: 1".encode("utf-16-be"), "1:1: the file is in UTF-16"),
        ("a: 1".encode("utf-32"), "1:1: the file is in UTF-16"),
        ("a: 1".encode("utf-16-le"), "1:2: the character U+0000 cannot stand in YAML"),
        (b"a: 1\nb: x\0y", "2:5: the character U+0000 cannot stand in YAML"),
        (b"a: \x1b[31m", "1:4: the character U+001B cannot stand in YAML"),
        ("a: \ufeffb".encode(), "1:4: the character U+FEFF cannot stand in YAML"),
        (b"a: \x7f", "1:4: the character U+007F cannot stand in YAML"),
    ],
)
def test_bytes_that_are_no_text_are_refused_at_their_place(content: bytes, message: str) -> None:
    assert only(content).startswith(f"{FILE}:{message}")


def test_an_escaped_nul_is_refused() -> None:
    assert only(r'a: "x\0y"').startswith(f"{FILE}:1:4: a NUL character in a text")


def test_an_escaped_control_character_is_text() -> None:
    assert scalar(r'"\x1b[0m"').text == "\x1b[0m"


def test_an_escaped_half_of_a_surrogate_pair_is_refused() -> None:
    assert len(refusal(r'a: "\ud800"')) == 1
    assert len(refusal(r'{"a": "\ude00\ud83d"}')) == 1


def test_json_is_read_with_its_places() -> None:
    root = mapping('{\n  "stages": [{"id": "A", "on": true}],\n  "n": 1.20, "none": null\n}\n')
    none = root.get("none")

    assert data(root) == {"stages": [{"id": "A", "on": "true"}], "n": "1.20", "none": "null"}
    assert isinstance(none, Scalar)
    assert none.is_null
    assert none.place == place(3, 22)


@pytest.mark.parametrize(
    "text",
    ["😀 and \\ud83d\\ude00", "a\u2028 b", "del\x7f", "\x85", "\ufeff", 'tab\tquote"back\\', "/", "\uffff", "☺\n"],
)
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, "\t", 2])
def test_json_text_means_the_same_as_to_a_json_parser(text: str, ascii_only: bool, indent: str | int | None) -> None:  # noqa: FBT001 - a table's column
    document = json.dumps({"a": [text], "b": "c"}, ensure_ascii=ascii_only, indent=indent)
    assert data(tree(document)) == {"a": [text], "b": "c"}


def test_yaml_that_only_looks_like_json_is_left_as_it_is() -> None:
    assert data(tree(r"{a: '\ud83d\ude00'}")) == {"a": r"\ud83d\ude00"}


def test_json_that_no_json_parser_can_read_is_refused_as_yaml() -> None:
    assert "stand inside each other" in only(r'{"\\": ' * 100_000)


def test_duplicate_keys_of_json_are_refused() -> None:
    assert "duplicate key 'a'" in only('{"a": 1, "a": 2}')


def test_warnings_stay_in_the_findings_of_the_caller() -> None:
    (warning,) = warnings("x: &x {a: 1}\ny: &y {b: 2}\nz:\n  <<: *x\n  <<: *y\n")
    assert warning == f"{FILE}:5:3: warning: duplicate '<<' in one map (write one: '<<: [*first, *second]')"


def test_a_refusal_repeats_what_the_caller_had_found_before() -> None:
    findings = Findings()
    findings.warning(Place(file="other.yml"), "odd")
    with pytest.raises(InvalidPipelineError) as caught:
        load(b"", FILE, findings)
    assert [finding.place.file for finding in caught.value.findings] == ["other.yml", FILE]


def test_a_refused_file_ends_the_command_with_the_code_for_invalid() -> None:
    with pytest.raises(InvalidPipelineError) as caught:
        tree("a: [")
    assert caught.value.exit_code is ExitCode.INVALID
