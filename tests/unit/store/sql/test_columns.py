import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.types import TypeEngine

from runner.errors import StoreError
from runner.plan.status import Status
from runner.store.sql.columns import Choice, Count, Moment, Sealed, Seconds, Texts, Words, decoded, encoded

ANY = st.text(st.characters(exclude_categories=()) | st.sampled_from("\0\x1a\ud800\udfff0041"))


@given(ANY)
def test_every_text_comes_back_as_it_was(text: str) -> None:
    assert decoded(encoded(text)) == text


@given(ANY)
def test_what_is_encoded_can_be_written_everywhere(text: str) -> None:
    there = encoded(text)

    assert "\0" not in there
    assert there.encode("utf-8").decode("utf-8") == there


@given(st.dictionaries(ANY, ANY))
def test_texts_by_name_come_back_as_they_were_and_can_be_written_everywhere(texts: dict[str, str]) -> None:
    there = Texts().write(texts)

    assert there.isascii()
    assert "\0" not in there
    assert Texts().read(there) == texts


@given(ANY, ANY)
def test_different_texts_stay_different(one: str, other: str) -> None:
    assert (encoded(one) == encoded(other)) == (one == other)


@pytest.mark.parametrize("text", ["", "exit code 1", "two\nlines\ttab \x1b[31mred\x1b[0m", "é 日本 𝄞"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert encoded(text) == text


def test_what_is_not_ordinary_stays_readable() -> None:
    assert encoded("caf\udce9 \0 \x1a") == "caf\x1adce9 \x1a0000 \x1a001a"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Words(), b"bytes"),
        (Words(), 1),
        (Choice(Status), "jogging"),
        (Texts(), "{"),
        (Texts(), "[]"),
        (Texts(), '{"a": 1}'),
        (Texts(), b"{}"),
        (Choice(Status), b"running"),
        (Moment(), "now"),
        (Moment(), 1e300),
        (Seconds(), "1"),
        (Count(), "1"),
        (Count(), 1.5),
        (Sealed(), "text"),
        (Sealed(), 5),
    ],
)
def test_what_cannot_stand_in_a_column_is_damage(column: TypeEngine[object], value: object) -> None:
    engine = create_engine("sqlite://")
    there = text("SELECT :value AS value").columns(value=column)

    with engine.connect() as connection, pytest.raises(StoreError, match="the database is damaged: "):
        connection.execute(there, {"value": value}).one()
    engine.dispose()


@pytest.mark.parametrize("column", [Words(), Texts(), Choice(Status), Moment(), Seconds(), Count(), Sealed()], ids=str)
def test_nothing_is_nothing_in_every_column(column: TypeEngine[object]) -> None:
    engine = create_engine("sqlite://")

    with engine.connect() as connection:
        found = connection.execute(text("SELECT NULL AS value").columns(value=column)).scalar()
    engine.dispose()

    assert found is None


def test_sqlite_itself_takes_no_half_of_a_pair() -> None:
    with pytest.raises(UnicodeEncodeError):
        sqlite3.connect(":memory:").execute("SELECT ?", ("\udce9",))
