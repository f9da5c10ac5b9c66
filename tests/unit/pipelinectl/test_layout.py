import re
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.pipelinectl import layout

_KEYS = st.binary(min_size=1, max_size=layout.LONGEST_KEY).filter(lambda key: b"\0" not in key)


@given(_KEYS)
def test_every_key_is_a_short_file_name_from_which_it_comes_back(key: bytes) -> None:
    name = layout.encoded(key)

    assert re.fullmatch(r"[A-Za-z0-9_.%~-]{1,100}", name)
    assert layout.decoded(name, {f"k.{name}": key}) == key


@given(_KEYS, _KEYS)
def test_different_keys_have_different_names(one: bytes, other: bytes) -> None:
    assert (layout.encoded(one) == layout.encoded(other)) == (one == other)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (b"app-name_1.2", "app-name_1.2"),
        (b"..", ".."),
        (b"plan/eu west", "plan%2Feu%20west"),
        (b"~", "%7E"),
        (b"a,b%", "a%2Cb%25"),
        (b"\n\xff", "%0A%FF"),
        (b"x" * 100, "x" * 100),
        (b"x" * 101, "~c675a2e604b0cd1229c036e3ce0c87422980a245e295bbc605a507a2299752db"),
    ],
)
def test_a_key_is_encoded_as_the_layout_says(key: bytes, name: str) -> None:
    assert layout.encoded(key) == name


def test_a_hashed_name_without_its_key_stands_for_nothing() -> None:
    assert layout.decoded(layout.encoded(b"x" * 200), {}) is None


def test_two_names_and_a_kind_fit_into_a_file_name() -> None:
    longest = layout.encoded(b"x" * layout.LONGEST_NAME)

    assert len(f"r.{longest},{longest}") < 255


def test_a_text_ends_with_a_newline_that_is_not_part_of_it() -> None:
    assert layout.text("a\n") == b"a\n\n"
    assert layout.text("\udcff") == b"\xff\n"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "secure-properties", "x" * 256, "a\0b"])
def test_a_property_has_the_name_of_a_file(name: str) -> None:
    assert not layout.is_file_name(name)


@pytest.mark.parametrize("name", ["api-url", "a b", "...", "é" * 127, "-n"])
def test_any_other_name_will_do(name: str) -> None:
    assert layout.is_file_name(name)


def test_properties_are_files_and_secure_ones_stand_apart_as_well() -> None:
    files = layout.configuration({"region": "eu", "key": "old"}, {"key": "k3y\n"})

    assert files == {
        PurePosixPath("region"): b"eu",
        PurePosixPath("environment-properties/region"): b"eu",
        PurePosixPath("key"): b"k3y\n",
        PurePosixPath("secure-properties/key"): b"k3y\n",
    }


@pytest.mark.parametrize("name", ["api-url", "tools/url", "a b/c d", "tools/..."])
def test_a_property_is_a_file_of_all_stages_or_of_those_that_name_its_folder(name: str) -> None:
    assert layout.is_property(name)


@pytest.mark.parametrize(
    "name", ["", "/", "tools/", "/url", "a/b/c", "../url", "tools/..", "secure-properties/url", "tools/" + "x" * 256]
)
def test_what_can_be_no_file_of_either_is_no_property(name: str) -> None:
    assert not layout.is_property(name)


def test_properties_with_a_folder_are_no_files_of_all_stages() -> None:
    assert layout.configuration({"tools/url": "u", "a": "1"}, {"keys/a": "k"}) == {
        PurePosixPath("a"): b"1",
        PurePosixPath("environment-properties/a"): b"1",
    }
