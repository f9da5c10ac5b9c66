"""What steps have returned, as the engine reads it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.pipelinectl import layout
from runner.pipelinectl.layout import Kind
from runner.pipelinectl.returns import DEEPEST, LONGEST_MESSAGE, Asked, Returned, Wish, returned

ATTEMPT = "abcdefghijklmnop"


def only(files: dict[str, bytes]) -> Returned:
    """Return what the one attempt has returned that has left the files."""
    found = returned(files)
    assert list(found) == [ATTEMPT]
    return found[ATTEMPT]


def primary(content: bytes) -> object:
    """Return the primary return of an attempt that has left it so."""
    return only({f"m.{ATTEMPT}": content}).primary


def test_where_nothing_was_returned_there_is_no_attempt() -> None:
    found = returned({})

    assert (len(found), list(found), found.get(ATTEMPT)) == (0, [], None)
    with pytest.raises(KeyError):
        found[ATTEMPT]


def test_all_that_an_attempt_has_left_is_told_by_its_kind() -> None:
    files = {
        f"m.{ATTEMPT}": b'json\n{"a": [1]}',
        f"o.{ATTEMPT},digest": b"sha256:1\n",
        f"o.{ATTEMPT},a%2Fb": b"x\n\n",
        f"g.{ATTEMPT},count": b"json\n3",
        f"g.{ATTEMPT},name": b"text\n3",
        f"l.{ATTEMPT},short": b"!A.globals.x || none\n",
        f"w.{ATTEMPT}": b"pause\nuntil Monday\nor so\n",
    }

    assert only(files) == Returned(
        primary={"a": [1]},
        named={"a/b": "x\n", "digest": "sha256:1"},
        globals={"count": 3, "name": "3"},
        links={"short": "!A.globals.x || none"},
        wish=Wish(asked=Asked.PAUSE, message="until Monday\nor so"),
    )


def test_attempts_are_kept_apart() -> None:
    found = returned({"m.one": b"text\n1", "o.one,k": b"1\n", "o.two,k": b"2\n", "w.twotwo": b"skip\n"})

    assert dict(found) == {
        "one": Returned(primary="1", named={"k": "1"}),
        "two": Returned(named={"k": "2"}),
        "twotwo": Returned(wish=Wish(asked=Asked.SKIP)),
    }


def test_an_attempt_that_is_asked_for_twice_is_read_once() -> None:
    found = returned({f"m.{ATTEMPT}": b"json\n[1]"})

    assert found[ATTEMPT] is found[ATTEMPT]


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"text\n", ""),
        (b"text\n\n", "\n"),
        (b"text\n[1]", "[1]"),
        (b"text\na\nb\n", "a\nb\n"),
        (b"text\n\xff", "\udcff"),
        (b'json\n"1"', "1"),
        (b"json\n \t\r\n1.20 \n", 1.2),
        (b"json\ntrue", True),
        (b"json\nnull", None),
        (b"json\n[]", []),
        (b'json\n{"a": 1, "a": 2}', {"a": 2}),
        (b'json\n"\\ud83d\\ude00"', "\U0001f600"),
        (b'json\n"\\\\u0000"', "\\u0000"),
    ],
)
def test_a_value_keeps_its_type_and_a_text_every_byte(content: bytes, value: object) -> None:
    found = primary(content)

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "number", ["1e999", "-1E+400", "9" * 5000, "-" + "9" * 5000], ids=["large", "small", "long", "negative"]
)
def test_a_number_that_nothing_can_hold_is_its_text(number: str) -> None:
    assert primary(f"json\n[{number}]".encode()) == [number]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        b"json",
        b"yaml\n1",
        b"text \n1",
        b"text\na\0b",
        b"json\n",
        b"json\n{oops",
        b"json\n1 2",
        b"json\nNaN",
        b"json\n[1, -Infinity]",
        b"json\n\xef\xbb\xbf1",
        b'json\n"\\u0000"',
        b'json\n{"a": [{"\\u0000": 1}]}',
        b"json\n" + b"[" * 100_000,
        b"json\n" + b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
        b'json\n{"a":' * 1 + b'{"a":' * DEEPEST + b"1" + b"}" * (DEEPEST + 1),
        b"text\n" + b"x" * (layout.LONGEST_VALUE + 1),
        b"json\n1" + b" " * layout.LONGEST_VALUE,
    ],
    ids=lambda content: repr(content[:20]),
)
def test_what_nobody_could_use_counts_as_not_returned(content: bytes) -> None:
    files = {f"m.{ATTEMPT}": content, f"g.{ATTEMPT},k": content, f"g.{ATTEMPT},l": b"json\n1"}

    assert only(files) == Returned(globals={"l": 1})


def test_the_largest_and_the_deepest_value_are_taken() -> None:
    assert primary(b"text\n" + b"x" * layout.LONGEST_VALUE) == "x" * layout.LONGEST_VALUE
    assert json.dumps(primary(b"json\n" + b"[" * DEEPEST + b"]" * DEEPEST)) == "[" * DEEPEST + "]" * DEEPEST


@pytest.mark.parametrize("content", [b"a\0b\n", b"x" * (layout.LONGEST_VALUE + 1)], ids=["nul", "long"])
def test_a_named_return_or_a_link_that_nobody_could_use_is_left_out(content: bytes) -> None:
    files = {f"{kind}.{ATTEMPT},{key}": value for kind in "ol" for key, value in (("a", content), ("b", b"1\n"))}

    assert only(files) == Returned(named={"b": "1"}, links={"b": "1"})


def test_a_long_key_is_told_by_the_file_that_holds_it() -> None:
    key = "k" * 1000
    files = layout.entry(Kind.NAMED, ATTEMPT, key, b"v\n")

    assert only(files).named == {key: "v"}
    assert only({name: content for name, content in files.items() if not name.startswith("k.")}) == Returned()


@pytest.mark.parametrize("key", ["é", "a b", "%", ",", "~", "-", "\udcff", "k" * 1024])
def test_a_key_may_be_of_any_bytes(key: str) -> None:
    assert only(layout.entry(Kind.NAMED, ATTEMPT, key, b"v\n")).named == {key: "v"}


@pytest.mark.parametrize(
    "name", ["", "%41", "%2f", "%zz", "a b", "a,b", "%00", "~" + "0" * 64, "~1", "k" * 101, "%C3" * 2000]
)
def test_a_name_that_the_shim_would_not_give_means_nothing(name: str) -> None:
    files = {f"o.{ATTEMPT},{name}": b"v\n", f"k.{'~' + '0' * 64}": b"forged", f"o.{ATTEMPT},ok": b"v\n"}

    assert only(files).named == {"ok": "v"}


@pytest.mark.parametrize(
    "name", [".hidden", "m", "o.attempt", "m.attempt,key", "w.attempt,key", "e.key", "g", f"k.~{'0' * 64}", "zz.a,b"]
)
def test_a_file_of_another_kind_is_passed_over(name: str) -> None:
    assert list(returned({name: b"text\n1"})) == []


@pytest.mark.parametrize(
    ("content", "wish"),
    [
        (b"skip\n", Wish(asked=Asked.SKIP)),
        (b"skip", Wish(asked=Asked.SKIP)),
        (b"stop\nwhy", Wish(asked=Asked.STOP, message="why")),
        (b"pause\n \n", Wish(asked=Asked.PAUSE)),
        (b"skip\n" + b"x" * LONGEST_MESSAGE, Wish(asked=Asked.SKIP, message="x" * LONGEST_MESSAGE)),
        (b"", None),
        (b"SKIP\n", None),
        (b"go on\n", None),
        (b"sk\xffip\n", None),
        (b"skip\na\0b", None),
        (b"skip\n" + b"x" * (LONGEST_MESSAGE + 1), None),
    ],
    ids=lambda part: repr(part)[:30],
)
def test_a_wish_is_one_of_three_words_with_a_message_of_bounded_size(content: bytes, wish: Wish | None) -> None:
    assert only({f"w.{ATTEMPT}": content}).wish == wish


@given(
    st.dictionaries(
        st.from_regex(r"[mogwlk]\.[ab]?(,[~%a0é]{0,4})?", fullmatch=True),
        st.binary(max_size=30)
        | st.sampled_from([b"json\n", b"text\n", b"skip\n"]).flatmap(
            lambda head: st.binary(max_size=20).map(lambda rest: head + rest)
        ),
        max_size=8,
    )
)
def test_whatever_steps_put_there_can_be_read_and_printed(files: dict[str, bytes]) -> None:
    for attempt, found in returned(files).items():
        assert {f"{kind}.{attempt}" for kind in "mogwl"} & {name.partition(",")[0] for name in files}
        json.dumps([found.primary, dict(found.named), dict(found.globals), dict(found.links)], allow_nan=False)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        lambda part: (
            st.lists(part) | st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0")), part)
        ),
    )
)
def test_any_json_comes_back_as_it_was(value: object) -> None:
    assert primary(b"json\n" + json.dumps(value).encode()) == value


def test_half_a_character_in_json_becomes_a_question_mark() -> None:
    (found,) = returned({"m.abc": b'json\n["x\\ud800y", "\\ud83d\\ude00"]'}).values()

    assert found.primary == ["x?y", "\U0001f600"]
