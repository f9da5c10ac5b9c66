import json
from collections.abc import Iterator
from typing import TypeAlias

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.dialects import source
from runner.dialects.source import Findings, Mapping, Node, Scalar, Sequence, load
from runner.errors import Finding, InvalidPipelineError
from tests.support.trees import FILE, PARSERS, Data, Parser, data, tree

Value: TypeAlias = "str | int | bool | list[Value] | dict[str, Value] | None"

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
WORD = st.text("abcxyz_", min_size=1, max_size=8)
# PyYAML writes U+0085 raw between double quotes, where it means a line break.
DUMPED_TEXT = TEXT.filter(lambda text: "\x85" not in text)
LIKE_WORDS = st.sampled_from(
    ["null", "~", "yes", "1.20", "0755", "<<", "!x", "*x", "&x", "- a", "a: b", "# c", "=", "{"]
)


def trees(text: st.SearchStrategy[str]) -> st.SearchStrategy[Value]:
    """Return trees of scalars, lists and maps, few enough to be read quickly."""
    leaves: st.SearchStrategy[Value] = st.one_of(text, st.integers(), st.booleans(), st.none())
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(text, inner, max_size=4)),
        max_leaves=25,
    )


WORDS = ["a", "b c", "é", "😀", "&x ", "*x", "<<: ", "!", "!!str ", "d800", "\\u", "@", "%", "#", "\0", "\ufeff"]
MARKS = ["- ", ": ", "? ", "[", "]", "{", "}", ", ", "'", '"', "|\n", ">-\n"]
BREAKS = ["\n", "\n  ", "\r\n", "\t", "\u2028", "---\n", "...\n"]
PIECES = st.sampled_from(WORDS + MARKS + BREAKS)


@pytest.fixture(params=PARSERS, autouse=True, scope="module", ids=lambda parser: parser.__name__)
def parser(request: pytest.FixtureRequest) -> Iterator[Parser]:
    """Run every test with libyaml and without."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "PARSER", request.param)
        yield request.param


def as_text(value: Value) -> Data:
    """Return what a tree looks like when its scalars are source text."""
    if isinstance(value, list):
        return [as_text(item) for item in value]
    if isinstance(value, dict):
        return {key: as_text(item) for key, item in value.items()}
    return value if isinstance(value, str) else json.dumps(value)


def nulls(node: Node) -> list[str]:
    """Return the texts of all nulls of a tree."""
    if isinstance(node, Mapping):
        return [text for entry in node.entries for child in (entry.key, entry.value) for text in nulls(child)]
    if isinstance(node, Sequence):
        return [text for item in node.items for text in nulls(item)]
    return [node.text] if node.is_null else []


def count_nones(value: Value) -> int:
    if isinstance(value, dict):
        return sum(count_nones(item) for item in value.values())
    if isinstance(value, list):
        return sum(count_nones(item) for item in value)
    return int(value is None)


def scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Mapping):
        for entry in node.entries:
            yield entry.key
            yield from scalars(entry.value)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from scalars(item)
    else:
        yield node


@settings(deadline=None)
@given(value=trees(DUMPED_TEXT | LIKE_WORDS), flow=st.sampled_from([True, False, None]), unicode=st.booleans())
def test_a_dumped_tree_is_read_back_as_its_texts(value: Value, flow: bool | None, unicode: bool) -> None:  # noqa: FBT001 - hypothesis gives them by name
    dumped = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=unicode, sort_keys=False)
    found = tree(dumped)

    assert data(found) == as_text(value)
    assert nulls(found) == ["null"] * count_nones(value)


@settings(deadline=None)
@given(
    value=st.dictionaries(TEXT, trees(TEXT | LIKE_WORDS)),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, "\t"]),
)
def test_dumped_json_is_read_back_as_its_texts(value: dict[str, Value], ascii_only: bool, indent: str | None) -> None:  # noqa: FBT001 - hypothesis gives them by name
    dumped = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert data(tree(dumped)) == as_text(dict(value))


@settings(deadline=None)
@given(value=trees(WORD), flow=st.sampled_from([True, False, None]))
def test_a_plain_scalar_stands_at_its_place(value: Value, flow: bool | None) -> None:  # noqa: FBT001 - hypothesis gives it by name
    dumped = yaml.safe_dump({"root": value}, default_flow_style=flow)
    lines = dumped.splitlines()

    for scalar in scalars(tree(dumped)):
        if scalar.plain:
            assert lines[scalar.place.line - 1][scalar.place.column - 1 :].startswith(scalar.text)


def outcome(content: bytes) -> Node | tuple[Finding, ...]:
    """Return the tree of what may be anything, or the findings; any other error is the test's failure."""
    try:
        return load(content, FILE, Findings())
    except InvalidPipelineError as error:
        return error.findings


def check_outcome(content: bytes) -> None:
    """Assert that a tree has texts that can be written anywhere, and that findings have places in the file."""
    found = outcome(content)
    if not isinstance(found, tuple):
        for scalar in scalars(found):
            assert "\0" not in scalar.text
            scalar.text.encode()
        return
    assert found
    for finding in found:
        assert finding.place.file == FILE
        assert min(finding.place.line, finding.place.column) >= 1


@settings(deadline=None)
@given(content=st.binary(max_size=200))
def test_random_bytes_give_a_tree_or_findings(content: bytes) -> None:
    check_outcome(content)


@settings(max_examples=500, deadline=None)
@given(pieces=st.lists(PIECES, max_size=25))
def test_random_pieces_of_yaml_give_a_tree_or_findings(pieces: list[str]) -> None:
    check_outcome("".join(pieces).encode())


@settings(max_examples=200, deadline=None)
@given(value=trees(TEXT | LIKE_WORDS), at=st.floats(0, 1), piece=PIECES)
def test_a_damaged_document_gives_a_tree_or_findings(value: Value, at: float, piece: str) -> None:
    dumped = yaml.safe_dump(value, allow_unicode=True)
    cut = int(at * len(dumped))
    check_outcome((dumped[:cut] + piece + dumped[cut:]).encode())
