"""Assets and evidence, and the JSON that a shell reads."""

import hashlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.shim import Shim

few = settings(max_examples=7, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)
DOCUMENT = st.builds(
    lambda value, indent, ascii_only: json.dumps(value, indent=indent, ensure_ascii=ascii_only),
    VALUE,
    st.sampled_from([None, 0, 2, "\t", " \r"]),
    st.booleans(),
)


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """A document with a piece cut out or put in, as often as not still JSON."""
    document = draw(DOCUMENT)
    place, length = draw(st.integers(0, len(document))), draw(st.integers(0, 2))
    piece = draw(
        st.sampled_from(
            ['"', "\\", "{", "}", "[", "]", ",", ":", "0", "-", ".", "e", "\n", "\x01", " ", "\\u00", "null"]
        )
    )
    return document[:place] + draw(st.sampled_from(["", piece])) + document[place + length :]


def is_json(text: str) -> bool:
    """Judge as the grammar does; Python takes three numbers more, and refuses integers of more than 4,300 digits."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(text, parse_constant=refuse, parse_int=str)
    except ValueError:
        return False
    return True


def judged(shim: Shim, documents: list[str]) -> list[bool]:
    """Say of each document whether the shim took it; what it took lies there byte for byte."""
    script = 'delete_evidences; for text; do save_evidence n "$((n += 1))" blob "$text" 2>/dev/null; echo $?; done'
    done = shim.run(script, *documents)
    taken = [status == b"0" for status in done.out.splitlines()]
    assert len(taken) == len(documents)
    for number, document in enumerate(documents, start=1):
        if taken[number - 1]:
            kept = shim.store()[f"v.{hashlib.sha256(f'n={number}'.encode()).hexdigest()}"]
            assert kept == f'n={number}\n{{"n": "{number}", "blob":\n{document}'.encode()
    return taken


@few
@given(documents=st.lists(DOCUMENT, min_size=4, max_size=8))
def test_every_document_is_taken_and_kept_as_it_is(shim: Shim, documents: list[str]) -> None:
    assert judged(shim, documents) == [True] * len(documents)


@few
@given(documents=st.lists(spoilt(), min_size=4, max_size=8))
def test_spoilt_documents_are_judged_as_python_does(shim: Shim, documents: list[str]) -> None:
    assert judged(shim, documents) == [is_json(document) for document in documents]


VALID = r"""
0 -0 -1 10 1.5 0.0 1e5 1E+05 -0.1e-9 1e1 true false null "" "a" "\"" "\\" "\/\b\f\n\r\t" "\u00e9\uD83D\ude00" [] {} [[]]
[1,2] {"a":1} {"":""} [{}] {"a":{"b":[]}} ["a","b"] "\ud800" "[,{" "\\\"" ["\\","\\"] [1,"a",{},null] "*" [""] "é" [-1]
{"a":1,"a":2} 100000000000000000000000000000000000000
"""
INVALID = r"""
01 -01 - + +1 .5 1. 1.e1 1e 1e+ 0x1 1a --1 1- 1e5.5 1.5.5 True nul nulll truefalse NaN Infinity -Infinity "a 'a' a" "\"
"\x" "\u12" "\u12g4" \ "a"\ [ ] { } [1 1] [1,] [,1] [,] {"a"} {"a":} {"a":1,} {,} {1:2} {"a":1"b":2} {"a"1} {"a",1}
{"a"::1} [1:2] [1}2] {"a":1] [}{] 1,2 , : "a""b" [1]] {}} "a"1 1"a" []"a" {"a":"b":"c"} ["a" "\ "\\\" [[1],[2]
"""
SPACED = [
    "\t[ \n1 ,\r2 ] ",
    "\n",
    "",
    " ",
    "[1 2]",
    "tr ue",
    "- 1",
    "1 .5",
    '["a\nb"]',
    '["a\x1fb"]',
    '["a\x7fb"]',
    "\ufeff1",
    "1 x",
]


def test_the_corners_of_the_grammar(shim: Shim) -> None:
    documents = [*VALID.split(), *INVALID.split(), *SPACED]

    assert dict(zip(documents, judged(shim, documents), strict=True)) == {text: is_json(text) for text in documents}
    assert [text for text in VALID.split() if not is_json(text)] == []
    assert [text for text in INVALID.split() if is_json(text)] == []


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_has_a_bound(shim: Shim, opening: str, closing: str) -> None:
    deep = [opening * depth + "1" + closing * depth for depth in (256, 257, 5000)]

    assert judged(shim, deep) == [True, False, False]


def test_a_long_document_is_read_in_linear_time(shim: Shim) -> None:
    """A reader that cuts the text once for each token would take minutes."""
    entry = {
        "name": "component",
        "version": "1.2",
        "licenses": ["MIT"],
        "text": 'line\n"quoted"',
        "fixed": True,
        "score": 0.5,
    }
    documents = [json.dumps([entry] * 500), json.dumps(list(range(8000))), json.dumps("\n" * 40000)]
    for number, document in enumerate(documents):
        (shim.work / f"{number}.json").write_text(document)

    assert shim.run("for number in 0 1 2; do save_asset n $number blob $number.json || exit; done").status == 0
    assert len(shim.store()) == 3


def test_a_file_of_more_than_1_mebibyte_is_refused(shim: Shim) -> None:
    (shim.work / "f").write_bytes(b'"' + b"a" * 1048575 + b'"')

    done = shim.call("save_asset", "n", "1", "blob", "f")

    assert done.status == 1
    assert b"'f' has 1048577 bytes" in done.err


@pytest.mark.parametrize("content", [b"", b"{", b"1\x002", b"\0", b"not"])
def test_a_file_without_json_is_refused(shim: Shim, content: bytes) -> None:
    (shim.work / "f").write_bytes(content)

    done = shim.call("save_asset", "n", "1", "blob", "f")

    assert (done.status, done.out) == (1, b"")
    assert done.err.startswith(b"pipelinectl: save_asset: 'f' ")
    assert done.err.count(b"\n") == 1
    assert shim.store() == {}


def test_a_text_that_is_json_and_a_file_counts_as_json(shim: Shim) -> None:
    (shim.work / "1").write_text('"the file"')

    assert shim.run("save_asset n 1 blob 1; save_asset n 2 blob ./1; load_asset").status == 0
    assert json.loads(shim.call("load_asset", "n", "1").out) == {"n": "1", "blob": 1}
    assert json.loads(shim.call("load_asset", "n", "2").out) == {"n": "2", "blob": "the file"}


@few
@given(
    pairs=st.dictionaries(TEXT.filter(bool).filter(lambda name: name != "blob"), TEXT, min_size=1, max_size=4),
    blob=VALUE,
)
def test_an_entry_is_found_by_its_pairs_in_any_order(shim: Shim, pairs: dict[str, str], blob: object) -> None:
    shim.call("delete_evidences")
    words = [word for pair in pairs.items() for word in pair]
    backwards = [word for pair in reversed(pairs.items()) for word in pair]

    assert shim.call("save_evidence", "blob", json.dumps(blob), *words).status == 0
    assert shim.call("save_evidence", *backwards, "blob", "1").status == 1
    for wanted in (backwards, backwards[:2], words[:2]):
        assert json.loads(shim.call("load_evidence", *wanted).out) == pairs | {"blob": blob}


def test_entries_are_listed_as_an_array(shim: Shim) -> None:
    assert shim.call("load_asset").out == b"[]\n"

    shim.run('save_asset a 1 blob "[1]"; save_asset a 1 b 2 blob 2; save_evidence a 1 blob 3')

    listed = sorted(json.loads(shim.call("load_asset").out), key=len)
    assert listed == [{"a": "1", "blob": [1]}, {"a": "1", "b": "2", "blob": 2}]


def test_pairs_must_fit_exactly_one_entry(shim: Shim) -> None:
    shim.run("save_asset a 1 b 1 blob 1; save_asset a 1 b 2 blob 2")

    several, none = shim.call("load_asset", "a", "1"), shim.call("load_asset", "a", "1", "b", "3")
    assert (several.status, several.out, none.status, none.out) == (1, b"", 1, b"")
    assert b"2 entries have all of these pairs" in several.err
    assert json.loads(shim.call("load_asset", "b", "2").out) == {"a": "1", "b": "2", "blob": 2}


@pytest.mark.parametrize(
    ("arguments", "about"),
    [
        (("name", "x"), b"blob is missing"),
        (("blob", "1"), b"nothing but blob"),
        (("a", "1", "blob"), b"a value is missing"),
        (("a", "1", "blob", "1", "blob", "2"), b"blob is given twice"),
        (("a", "1", "a", "2", "blob", "1"), b"'a' is given twice"),
        ((), b"blob is missing"),
    ],
)
def test_a_wrong_call_saves_nothing(shim: Shim, arguments: tuple[str, ...], about: bytes) -> None:
    done = shim.call("save_asset", *arguments)

    assert (done.status, done.out) == (2, b"")
    assert about in done.err
    assert shim.store() == {}


def test_the_blob_finds_no_entry(shim: Shim) -> None:
    shim.call("save_asset", "a", "1", "blob", "1")

    assert shim.call("load_asset", "blob", "1").status == 2


def test_all_evidence_can_be_removed_and_saved_again(shim: Shim) -> None:
    done = shim.run(
        "save_asset n 1 blob 1; save_evidence n 1 blob 2; save_evidence n 2 blob 3; delete_evidences;"
        "save_evidence n 1 blob 4; load_evidence n 1; load_evidence; load_asset n 1"
    )

    assert (done.status, done.err) == (0, b"")
    assert done.out == b'{"n": "1", "blob":4}\n[{"n": "1", "blob":4}]\n{"n": "1", "blob":1}\n'
