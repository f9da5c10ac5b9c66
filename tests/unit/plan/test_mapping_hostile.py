"""Texts that were written to do harm: references are read and resolved in little time, or refused."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.plan.mapping import MappingError, Scope, check, circle, fork_values, is_mapped, required, resolve, text_of
from runner.plan.model import Json

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_JSON: st.SearchStrategy[Json] = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)
# Pieces of which references are made, so that many texts are some.
_PIECES = st.sampled_from(
    [*"!@#$\\{}.[]0 abspk\né", "||", "-1", "!a", "!{a}", "@s", "LastStepId", "primaryReturn", "namedReturn", "\udc80"]
)
_TEXTS = st.lists(_PIECES, max_size=12).map("".join) | st.text(max_size=20)
_NAMES = st.sampled_from(["a", "b", "s", "p", "k"])
_DATA: st.SearchStrategy[Json] = st.recursive(
    _TEXTS | _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3)
)
_SCOPES = st.builds(
    Scope,
    links=st.dictionaries(_NAMES, _DATA, max_size=3),
    globals=st.dictionaries(_NAMES, _DATA, max_size=3),
    own=st.dictionaries(_NAMES, _DATA, max_size=3),
    responses=st.dictionaries(_NAMES, st.dictionaries(_NAMES, _DATA, max_size=3), max_size=3),
    pipeline=_NAMES,
    last=st.none() | st.tuples(_NAMES, _NAMES),
)


@contextmanager
def _soon(seconds: float = 5.0) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


@given(_DATA, _SCOPES)
def test_nothing_but_an_error_of_mapping_is_raised(value: Json, scope: Scope) -> None:
    with suppress(MappingError):
        text_of(resolve(value, scope))
    with suppress(MappingError):
        assert isinstance(fork_values(value, scope), list)


@given(_TEXTS)
def test_what_can_be_read_is_known_without_a_scope(text: str) -> None:
    fault = _fault(lambda: check(text))
    if fault:
        assert _fault(lambda: resolve(text, Scope())) == fault
        assert is_mapped(text)
    else:
        assert all(isinstance(name, str) for name in required(text))


def _fault(call: Callable[[], object]) -> str:
    try:
        call()
    except MappingError as error:
        return error.message
    return ""


@given(st.text(st.characters(exclude_characters="!@#$\\")), _SCOPES)
def test_a_text_without_marks_is_itself(text: str, scope: Scope) -> None:
    assert resolve(text, scope) == text
    assert not is_mapped(text)


@given(_TEXTS, _SCOPES)
def test_a_text_that_is_not_mapped_is_itself(text: str, scope: Scope) -> None:
    if not is_mapped(text):
        assert resolve(text, scope) == text


@given(_JSON)
def test_data_of_globals_arrive_as_they_are(value: Json) -> None:
    found = resolve(["!v || none"], Scope(globals={"v": value}))

    assert found == ["none" if value is None else value]


@given(_JSON)
def test_the_text_of_data_is_their_json(value: Json) -> None:
    if not isinstance(value, str):
        assert json.loads(text_of(value)) == value


@given(st.dictionaries(_NAMES, _TEXTS, max_size=5))
def test_where_no_circle_of_links_is_found_before_the_run_there_is_none(links: dict[str, str]) -> None:
    if circle(dict(links)):
        return
    for name in links:
        assert "circle" not in _fault(partial(resolve, f"!{name}", Scope(links=dict(links))))


@pytest.mark.parametrize(
    "text",
    [
        "!{" * 200_000,
        "\\!{" * 200_000,
        "!{a" * 100_000 + "}",
        "!{a}" * 100_000,
        "||" * 200_000,
        "!a||" * 100_000,
        "!a" + ".b" * 200_000,
        "!a" + "[0]" * 100_000,
        "!a" + "[" * 200_000,
        "!" + "a" * 400_000,
        "!a" + " " * 400_000 + "b",
        " " * 400_000 + "\\",
        "|| " * 100_000 + "!a",
        "!{a" + " || !b" * 100_000 + "}",
        "\\" * 400_000 + "!a",
        "}" * 200_000 + "!{",
        "@a.b || " * 50_000 + "!c",
    ],
    ids=lambda text: text[:8],
)
def test_the_time_that_a_text_takes_grows_with_its_length_only(text: str) -> None:
    with _soon(), suppress(MappingError):
        resolve(text, Scope(globals={"a": "x"}))


def test_texts_that_double_with_each_link_are_refused() -> None:
    links: dict[str, Json] = {f"l{n}": f"!{{l{n + 1}}}!{{l{n + 1}}}" for n in range(30)}

    with _soon(), pytest.raises(MappingError, match="more than 4,194,304 characters"):
        resolve("!l0", Scope(links={**links, "l30": "laugh"}))


def test_lists_that_double_with_each_global_are_refused() -> None:
    own: dict[str, Json] = {f"g{n}": [f"!g{n + 1}", f"!g{n + 1}"] for n in range(30)}

    with _soon(), pytest.raises(MappingError, match="more than 4,194,304 characters"):
        resolve("!g0", Scope(own={**own, "g30": ["laugh"]}))


def test_data_that_double_with_each_stage_that_joins_two_are_no_text_of_a_variable() -> None:
    """As ``!L.globals`` has them: what a stage hands on holds what it was handed; it costs nothing until written."""
    handed: Json = {"n": 1}
    for _ in range(22):
        handed = {"a": handed, "b": handed}

    found = resolve("!L.globals", Scope(globals={"L": {"globals": handed}}))

    assert found is handed
    with _soon(), pytest.raises(MappingError, match="more than 4,194,304 characters"):
        text_of(found)


def test_choices_that_double_with_each_link_are_looked_up_once() -> None:
    links: dict[str, Json] = {f"l{n}": f"!l{n + 1}.k || !l{n + 1}.k || !l{n + 1}" for n in range(30)}

    with _soon(), pytest.raises(MappingError) as caught:
        resolve("!l0", Scope(links=links))

    assert len(caught.value.message) < 1000


def test_a_large_value_that_is_put_in_again_and_again_is_refused() -> None:
    value: Json = [["x" * 10] * 100] * 100

    with _soon(), pytest.raises(MappingError, match="more than"):
        resolve("!{v}" * 1000, Scope(globals={"v": value}))


def test_a_global_that_lacks_something_at_its_end_is_looked_through_once() -> None:
    own: dict[str, Json] = {"big": [*(f"x{n}" for n in range(20_000)), "!nowhere"]}

    with _soon():
        assert resolve("!{big || x}" * 20_000, Scope(own=own)) == "x" * 20_000


def test_among_a_host_of_globals_no_near_name_is_looked_for() -> None:
    names: dict[str, Json] = {f"name{n}": n for n in range(200_000)}

    with _soon(), pytest.raises(MappingError) as caught:
        resolve("!nam3", Scope(globals=names))

    assert caught.value.message == "!nam3: there is no global 'nam3'"


def test_many_links_are_searched_for_circles_in_little_time() -> None:
    links: dict[str, Json] = {f"l{n}": f"!l{n + 1} || !l{n + 2}" for n in range(50_000)}

    with _soon():
        assert circle(links) == ()
        assert len(circle({**links, "l50000": "!l0"})) > 2
