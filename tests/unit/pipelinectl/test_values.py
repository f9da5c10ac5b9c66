import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.pipelinectl import layout
from runner.pipelinectl.values import Store, values_of

_ENTRY = b'name=shop&size=1\n{"name":"shop","size":"1",\n"blob":\n{"a": [1, null]}\n'


def test_an_empty_store_has_every_part_of_the_document() -> None:
    document = values_of(Store())

    assert set(document) == {
        *("env", "constants", "exported", "repos", "artifacts", "data"),
        *("files", "results", "assets", "evidence", "collected", "returns"),
    }
    assert not any(document.values())


def test_values_are_told_by_their_keys() -> None:
    store = {"e.a": b"1\n", "c.b%2Fc": b"x\n\n", "x.a": b"", "x.none": b"", "p.branch": b"main\n", "d.k,p": b"\n"}
    document = values_of(Store(contents=store))

    assert document["env"] == {"a": "1", "b/c": "x\n"}
    assert document["constants"] == ["b/c"]
    assert document["exported"] == ["a", "none"]
    assert document["data"] == {"k": {"p": ""}}


def test_a_constant_counts_before_a_value() -> None:
    assert values_of(Store(contents={"c.k": b"fixed\n", "e.k": b"raced\n"}))["env"] == {"k": "fixed"}


def test_a_repository_without_properties_is_there() -> None:
    store = {"r.app": b"", "r.app,url": b"https://h/a?b=c\n", "r.bare": b"", "a.img": b"", "a.img,tags": b"1,2\n"}
    document = values_of(Store(contents=store))

    assert document["repos"] == {"app": {"url": "https://h/a?b=c"}, "bare": {}}
    assert document["artifacts"] == {"img": {"tags": "1,2"}}


def test_of_files_and_results_there_are_the_sizes() -> None:
    document = values_of(Store(sizes={"f.conf": 3, "t.test,a%20b.xml": 0, "t.test,c": 9, "t.odd": 1}))

    assert document["files"] == {"conf": 3}
    assert document["results"] == {"test": {"a b.xml": 0, "c": 9}}


def test_assets_evidence_and_what_was_collected_are_objects() -> None:
    document = values_of(Store(contents={"j.1": _ENTRY, "v.2": _ENTRY, "n.3": b'{"status": "success"}'}))

    assert document["assets"] == document["evidence"] == [{"name": "shop", "size": "1", "blob": {"a": [1, None]}}]
    assert document["collected"] == [{"status": "success"}]


def test_a_long_key_is_told_by_the_file_that_holds_it() -> None:
    key = b"k" * 1000
    name = layout.encoded(key)

    assert values_of(Store(contents={f"e.{name}": b"v\n", f"k.{name}": key}))["env"] == {key.decode(): "v"}
    assert not values_of(Store(contents={f"e.{name}": b"v\n"}))["env"]


def test_what_means_nothing_is_left_out() -> None:
    store = {"j.1": b"", "v.2": b"a\n[{", "n.3": b"\xff", "n.4": b"[" * 100_000, ".1234": b"x", "zz": b"x", "e": b"x"}

    assert not any(values_of(Store(contents=store)).values())


@pytest.mark.parametrize(
    ("number", "told"),
    [("12", 12), ("-1.5e3", -1500.0), ("1e999", "1e999"), ("9" * 5000, "9" * 5000), ("NaN", "NaN")],
    ids=lambda text: str(text)[:9],
)
def test_a_number_that_no_json_can_hold_is_told_as_text(number: str, told: object) -> None:
    entry = f'n=1\n{{"n":"1",\n"blob":\n{number}'

    assert values_of(Store(contents={"j.1": entry.encode()}))["assets"] == [{"n": "1", "blob": told}]


def test_a_number_that_is_a_secret_is_redacted() -> None:
    document = values_of(Store(contents={"n.1": b'{"pin": 12345678, "n": 1}'}), lambda text: text.replace("2345", "*"))

    assert document["collected"] == [{"pin": "1*678", "n": 1}]


def test_a_secret_that_is_no_utf_8_is_redacted_before_its_bytes_are_replaced() -> None:
    document = values_of(Store(contents={"e.k": b"a \xffsecret\n"}), lambda text: text.replace("\udcffsecret", "***"))

    assert document["env"] == {"k": "a ***"}


def test_every_text_is_redacted() -> None:
    store = {"e.s3cret": b"s3cret\n", "x.s3cret": b"", "r.s3cret,s3cret": b"s3cret\n", "n.1": b'{"s3cret": ["s3cret"]}'}
    document = values_of(
        Store(contents=store, sizes={"f.s3cret": 1, "t.s3cret,s3cret": 1}), lambda text: text.replace("s3cret", "***")
    )

    assert "s3cret" not in json.dumps(document)
    assert document["collected"] == [{"***": ["***"]}]


@given(
    st.dictionaries(
        st.text("ecxrafdjvtnkp.%~,=&aA0\n", max_size=12), st.binary(max_size=30) | st.just(_ENTRY), max_size=8
    )
)
def test_whatever_steps_put_there_becomes_a_document(contents: dict[str, bytes]) -> None:
    json.dumps(values_of(Store(contents=contents, sizes=dict.fromkeys(contents, 1))))
