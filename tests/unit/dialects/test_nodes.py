from dataclasses import FrozenInstanceError

import pytest

from runner.dialects.nodes import Entry, Mapping, Scalar
from runner.errors import Place

HERE = Place(file="pipeline.yml")


def value(text: str, *, plain: bool = True) -> Scalar:
    return Scalar(text=text, place=HERE, plain=plain)


@pytest.mark.parametrize("word", ["", "~", "null", "Null", "NULL"])
def test_null_has_five_spellings_and_none_of_them_in_quotes(word: str) -> None:
    assert value(word).is_null
    assert not value(word, plain=False).is_null


@pytest.mark.parametrize("word", ["nULL", "none", "0", "false", " "])
def test_other_words_are_not_null(word: str) -> None:
    assert not value(word).is_null


@pytest.mark.parametrize("word", ["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"])
def test_the_words_of_yaml_1_1_mean_true(word: str) -> None:
    assert value(word).boolean is True


@pytest.mark.parametrize("word", ["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"])
def test_the_words_of_yaml_1_1_mean_false(word: str) -> None:
    assert value(word).boolean is False


@pytest.mark.parametrize("word", ["tRUE", "1", "0", "", "null", "enabled", "yes "])
def test_other_words_are_no_boolean(word: str) -> None:
    assert value(word).boolean is None


@pytest.mark.parametrize("word", ["true", "no"])
def test_a_quoted_word_is_no_boolean(word: str) -> None:
    assert value(word, plain=False).boolean is None


def test_a_map_gives_values_by_key_and_keys_in_order() -> None:
    last, first = value("1"), value("2")
    found = Mapping(
        entries=(Entry(key=value("zebra"), value=last), Entry(key=value("ant"), value=first)),
        place=HERE,
    )

    assert found.keys() == ("zebra", "ant")
    assert found.get("zebra") is last
    assert found.get("ant") is first
    assert found.get("bee") is None


def test_nodes_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        value("a").text = "b"  # type: ignore[misc]  # that it is refused is what is tested
