import tracemalloc

import pytest
import yaml

from runner.dialects import source
from runner.dialects.findings import MAX_ERRORS
from runner.dialects.source import Limits, Mapping, Scalar, Sequence
from tests.support.trees import FILE, PARSERS, Parser, data, mapping, only, refusal, sequence, tree, warnings


@pytest.fixture(params=PARSERS, autouse=True, ids=lambda parser: parser.__name__)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Parser:
    """Run every test with libyaml and without."""
    chosen: Parser = request.param
    monkeypatch.setattr(source, "PARSER", chosen)
    return chosen


def laughs(levels: int, line: str) -> str:
    """Return a document where each level repeats the one before in the given way (``{0}`` is an alias of it)."""
    last = "*x{}"
    levels_text = [f"x{n}: &x{n} {line.format(last.format(n - 1))}" for n in range(1, levels + 1)]
    return "\n".join(["x0: &x0 {a: b}", *levels_text, ""])


def test_an_alias_is_the_node_of_its_anchor() -> None:
    root = mapping("a: &x {k: [1]}\nb: *x\nc: [*x]\n")
    nested = root.get("c")
    assert isinstance(nested, Sequence)
    assert root.get("a") is root.get("b") is nested.items[0]


def test_an_anchor_can_be_set_again_and_the_latest_counts() -> None:
    assert data(tree("[&x 1, *x, &x 2, *x]")) == ["1", "1", "2", "2"]


def test_an_anchor_inside_of_one_with_its_name_is_the_later_one() -> None:
    assert data(tree("a: &x\n  b: &x 1\nc: *x\n")) == {"a": {"b": "1"}, "c": "1"}


def test_a_key_can_have_an_anchor_and_be_an_alias() -> None:
    assert data(tree("&k a: 1\nb: {*k : 2}\n")) == {"a": "1", "b": {"a": "2"}}


def test_an_unknown_anchor_is_refused_with_the_nearest_name() -> None:
    text = "defaults: &defaults {a: 1}\nb: *default\n"
    assert only(text) == f"{FILE}:2:4: unknown anchor 'default' (did you mean '*defaults'?)"


def test_an_anchor_below_its_alias_is_unknown() -> None:
    assert only("a: *x\nb: &x 1\n").startswith(f"{FILE}:1:4: unknown anchor 'x' (an anchor ('&name') must stand above")


@pytest.mark.parametrize("text", ["&s [*s]", "&s {a: *s}", "a: &s {b: [1, {c: *s}]}", "a: &s {<<: *s}"])
def test_an_alias_inside_of_its_own_anchor_is_refused(text: str) -> None:
    assert "the alias '*s' stands inside of what it stands for" in only(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<<: *base\na: own\n", {"a": "own", "b": "base"}),
        ("a: own\n<<: *base\n", {"a": "own", "b": "base"}),
        ("<<: [*base, *more]\n", {"a": "base", "b": "base", "c": "more"}),
        ("<<: [*more, *base]\n", {"a": "more", "b": "base", "c": "more"}),
        ("<<: {a: inline}\n", {"a": "inline"}),
        ("<<: [{a: inline}, *base]\n", {"a": "inline", "b": "base"}),
        ("<<: *both\n", {"a": "more", "b": "base", "c": "more"}),
        ("<<: *list\n", {"a": "base", "b": "base", "c": "more"}),
        ("<<: []\n", {}),
        ("!!merge <<: *base\n", {"a": "base", "b": "base"}),
    ],
)
def test_merges_follow_the_standard(text: str, expected: dict[str, str]) -> None:
    anchors = (
        "base: &base {a: base, b: base}\nmore: &more {a: more, c: more}\n"
        "list: &list [*base, *more]\nboth: &both {<<: [*more, *base]}\n"
    )
    document = anchors + "it:\n" + "".join(f"  {line}\n" for line in text.splitlines())

    found = mapping(document).get("it")
    assert found is not None
    assert data(found) == expected
    assert yaml.safe_load(document)["it"] == expected


def test_merged_entries_stand_where_the_merge_stood() -> None:
    root = mapping("x: &x {m: 1, b: 2, n: 3}\nit: {a: 1, <<: *x, b: own, c: 3}\n")
    found = root.get("it")
    assert isinstance(found, Mapping)
    assert found.keys() == ("a", "m", "n", "b", "c")


def test_a_merged_entry_keeps_the_place_where_it_was_written() -> None:
    found = mapping("x: &x {m: 1}\nit: {<<: *x}\n").get("it")
    assert isinstance(found, Mapping)
    assert str(found.entries[0].key.place) == f"{FILE}:1:8"


def test_duplicate_merges_are_one_list_with_a_warning_as_in_vela() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {a: 2, c: 2}\nit:\n  <<: *x\n  <<: *y\n"
    assert data(tree(text)) == {
        "x": {"a": "1", "b": "1"},
        "y": {"a": "2", "c": "2"},
        "it": {"a": "1", "b": "1", "c": "2"},
    }
    assert len(warnings(text)) == 1


def test_a_quoted_merge_key_is_a_key_like_any_other() -> None:
    assert data(tree('{"<<": a}')) == {"<<": "a"}


@pytest.mark.parametrize("value", ["1", "", "[1]", "[[]]", "null", "*text"])
def test_merging_what_is_no_map_is_refused(value: str) -> None:
    message = only(f"text: &text word\nit:\n  <<: {value}\n")
    assert "'<<' merges maps only (write '<<: *anchor'" in message
    assert message.startswith(f"{FILE}:3:")


def test_an_unknown_anchor_in_a_merge_is_one_error() -> None:
    assert "unknown anchor" in only("it: {<<: *x}")


BOMBS = {
    "alias bomb of lists": laughs(60, "[{0}, {0}]"),
    "alias bomb of maps": laughs(60, "{{a: {0}, b: {0}}}"),
    "classic billion laughs": laughs(9, "[" + ", ".join(["{0}"] * 9) + "]"),
    "merge bomb of 23 levels": laughs(23, "{{<<: [{0}, {0}]}}"),
    "merge bomb of 1000 levels": laughs(1000, "{{<<: [{0}, {0}]}}"),
    "merge bomb of duplicate merges": laughs(60, "{{<<: {0}, <<: {0}}}"),
    "wide maps merged often": "x: &x {" + ", ".join(f"k{n}: v" for n in range(5000)) + "}\n" + "y: {<<: *x}\n" * 4000,
    "900 nested lists": "[" * 900,
    "100,000 nested lists": "[" * 100_000,
    "100,000 nested maps": '{"a":' * 100_000,
    "nested lists of one line": "- " * 100_000,
    "nested by aliases": laughs(100, "[{0}]"),
    "a long text repeated": "x: &x '" + "x" * 500_000 + "'\ny: [" + "*x, " * 4000 + "]",
    "many aliases": "x: &x 1\ny: [" + "*x, " * 20_000 + "]",
    "many directives": "".join(f"%TAG !{n}! a\n" for n in range(50_000)) + "--- a",
    "many unknown anchors": "[" + "".join(f"*x{n}, " for n in range(10_000)) + "]",
    "many duplicate keys": "a: 1\n" * 10_000,
    "too many bytes": "# comment\n" * 200_000,
    "an integer of 5,000 digits as a merge": f"<<: {'9' * 5000}",
    "a cycle": "&s [*s]",
    "python objects": "!!python/object/apply:os.system [id]",
}


@pytest.mark.timeout(1)
@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_a_hostile_file_is_refused_at_once_with_a_place(text: str) -> None:
    for finding in refusal(text):
        assert finding.place.file == FILE
        assert finding.hint


@pytest.mark.parametrize("name", ["merge bomb of 1000 levels", "alias bomb of maps", "a long text repeated"])
def test_a_hostile_file_is_refused_in_little_memory(name: str) -> None:
    tracemalloc.start()
    try:
        refusal(BOMBS[name])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 32 * 1024 * 1024


@pytest.mark.parametrize(
    ("accepted", "refused", "limits", "message"),
    [
        ("a: 12", "a: 123", Limits(size=5), "1:1: the file has 6 bytes, more than 5 (split it"),
        ("[[a]]", "[[[a]]]", Limits(depth=2), "1:3: more than 2 lists and maps stand inside each other"),
        ("x: &x [a]\ny: *x", "x: &x [a]\ny: [*x]", Limits(depth=2), "2:5: more than 2 lists and maps"),
        ("[a, b]", "[a, b, c]", Limits(nodes=3), "1:8: more than 3 values up to here, aliases written out"),
        ("[&x [a], *x]", "[&x [a, b], *x]", Limits(nodes=5), "1:13: more than 5 values up to here"),
        ("[ab, cd]", "[ab, cde]", Limits(characters=4), "1:6: more than 4 characters of text"),
        ("[&x ab, *x]", "[&x ab, *x, *x]", Limits(characters=4), "1:13: more than 4 characters of text"),
        ("[&x a, *x, *x]", "[&x a, *x, *x, *x]", Limits(aliases=2), "1:16: more than 2 aliases"),
        ("{<<: [{}, {}]}", "{<<: [{}, {}, {}]}", Limits(merges=2), "1:2: more than 2 maps merged"),
    ],
)
def test_a_limit_is_named_when_it_is_passed_and_not_before(
    accepted: str, refused: str, limits: Limits, message: str
) -> None:
    tree(accepted, limits)
    assert only(refused, limits).startswith(f"{FILE}:{message}")


def test_depth_counts_again_beside_a_deep_anchor() -> None:
    text = "x: &x [[a]]\ny: &y [b]\nz: [*y]\n"
    assert data(tree(text, Limits(depth=3))) == {"x": [["a"]], "y": ["b"], "z": [["b"]]}


def test_an_anchor_inside_of_an_anchor_counts_for_both() -> None:
    limits = Limits(depth=3)
    text = "x: &x [&y [a]]\n"
    assert data(tree(text + "z: *x", limits)) == {"x": [["a"]], "z": [["a"]]}
    assert "more than 3 lists" in only(text + "z: [*x]", limits)
    assert data(tree(text + "z: [*y]", limits)) == {"x": [["a"]], "z": [["a"]]}


def test_more_nesting_than_python_can_follow_is_a_finding_too() -> None:
    assert "cannot be read as YAML" in only("[" * 5000, Limits(depth=10_000))


def test_a_character_beyond_unicode_is_a_finding_too() -> None:
    assert refusal(r'a: "\UFFFFFFFF"')[0].place.line == 1


def test_so_many_errors_end_the_reading() -> None:
    errors = refusal("a: 1\n" * 1000)
    assert len(errors) == MAX_ERRORS + 1
    assert errors[-1].place.line == MAX_ERRORS + 1


def test_many_steps_that_share_one_environment_are_no_bomb() -> None:
    variables = "".join(f"  VARIABLE_{n}: value\n" for n in range(50))
    step = "- image: alpine\n  environment:\n    <<: *env\n    OWN: '{}'\n"
    steps = "".join("  " + step.format(n).replace("\n", "\n  ").rstrip() + "\n" for n in range(300))
    root = mapping(f"env: &env\n{variables}steps:\n{steps}")

    found = root.get("steps")
    assert isinstance(found, Sequence)
    last = found.items[-1]
    assert isinstance(last, Mapping)
    environment = last.get("environment")
    assert isinstance(environment, Mapping)
    assert len(environment.entries) == 51
    own = environment.get("OWN")
    assert isinstance(own, Scalar)
    assert own.text == "299"


@pytest.mark.timeout(20)
def test_a_megabyte_of_text_is_read() -> None:
    line = "- " + "word " * 60 + "\n"
    text = line * (1024 * 1024 // len(line))
    assert len(sequence(text).items) == text.count("\n")
