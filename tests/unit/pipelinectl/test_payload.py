"""What an async stage is handed, as it is frozen, sent, kept and read again."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import UsageError
from runner.pipelinectl import layout
from runner.pipelinectl.payload import (
    LONGEST,
    VERSION,
    Configuration,
    Payload,
    Request,
    is_stage_name,
    read_payload,
    read_request,
)
from runner.pipelinectl.values import Store, values_of

SIGNS = 'aZ09_-./ é€😀"\\\n\udcff'
TEXTS = st.text(st.sampled_from(SIGNS), max_size=6)
KEYS = st.text(st.sampled_from(SIGNS + "\0"), max_size=6)
MAPS = st.dictionaries(KEYS, TEXTS, max_size=3)
THINGS = st.dictionaries(KEYS, MAPS, max_size=2)
PAYLOADS = st.builds(
    Payload,
    stage=st.from_regex(r"[a-z0-9]([a-z0-9-]{0,9}[a-z0-9])?", fullmatch=True),
    values=MAPS,
    repositories=THINGS,
    artifacts=THINGS,
    debug=st.booleans(),
    name=TEXTS,
    kind=TEXTS,
    configuration=st.builds(Configuration, url=TEXTS, commit=TEXTS, path=TEXTS),
    parent=TEXTS,
)
BARE = {"version": VERSION, "stage": "scan"}


def _sent(payload: Payload) -> bytes:
    return payload.document().encode("utf-8", "backslashreplace")


def _content(**more: Any) -> bytes:  # noqa: ANN401 - any JSON
    return json.dumps({**BARE, **more}).encode()


@given(PAYLOADS)
def test_what_is_sent_is_read_as_it_was(payload: Payload) -> None:
    assert read_payload(_sent(payload)) == payload


def test_half_a_character_is_read_as_it_was() -> None:
    payload = Payload(stage="scan", values={"k": "a\ud800b"})

    assert read_payload(_sent(payload)) == payload


def test_the_document_has_the_names_that_whoever_posts_one_counts_on() -> None:
    payload = Payload(
        stage="scan",
        values={"url": "https://x"},
        repositories={"lib": {"commit": "0badcafe"}},
        artifacts={"img": {"digest": "d"}},
        debug=True,
        name="shop",
        kind="ci",
        configuration=Configuration(url="https://h/shop", commit="0badcafe", path=".pipeline-config.yaml"),
        parent="1a2b3c4d",
    )

    assert json.loads(_sent(payload)) == {
        "version": 1,
        "stage": "scan",
        "env": {"url": "https://x"},
        "repositories": {"lib": {"commit": "0badcafe"}},
        "artifacts": {"img": {"digest": "d"}},
        "pipeline": {"name": "shop", "type": "ci", "debug": True},
        "configuration": {"url": "https://h/shop", "commit": "0badcafe", "path": ".pipeline-config.yaml"},
        "parent": "1a2b3c4d",
    }


def test_a_stage_and_a_version_are_all_that_a_payload_needs() -> None:
    assert read_payload(_content()) == Payload(stage="scan")


def test_keys_that_nobody_knows_mean_nothing() -> None:
    assert read_payload(_content(properties={"a": 1}, data=None)) == Payload(stage="scan")


def test_the_stage_that_it_is_for_may_be_told_beside_it() -> None:
    assert read_payload(json.dumps({"version": VERSION, "stage": "other"}).encode(), stage="scan").stage == "scan"


def test_text_beyond_ascii_takes_no_more_room_than_it_had() -> None:
    assert len(_sent(Payload(stage="scan", values={"k": "é" * 1000}))) < 3000


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "the payload is not JSON"),
        (b"{", "the payload is not JSON"),
        (b"[" * 100_000, "the payload is not JSON"),
        (b'{"version": ' + b"1" * 5000 + b"}", "the payload is not JSON"),
        (b"[]", "the payload is no JSON object"),
        (b"null", "the payload is no JSON object"),
        (b"{}", "the payload is of version None"),
        (b'{"version": "1"}', "the payload is of version '1'"),
        (b'{"version": 2, "stage": "scan"}', "the payload is of version 2"),
        (b'{"version": 1}', "'' is no name of an async stage"),
        (_content(stage="Scan"), "'Scan' is no name of an async stage"),
        (_content(stage=["scan"]), "stage is no text"),
        (_content(env=[]), "env is no JSON object"),
        (_content(env={"k": 1}), "env.k is no text"),
        (_content(env={"k": None}), "env.k is no text"),
        (_content(marked="url"), "marked is no list"),
        (_content(marked=[1]), "marked is no text"),
        (_content(repositories=[]), "repositories is no JSON object"),
        (_content(repositories={"lib": "https://h"}), "repositories.lib is no JSON object"),
        (_content(repositories={"lib": {"url": True}}), "repositories.lib.url is no text"),
        (_content(artifacts={"img": {"size": 3}}), "artifacts.img.size is no text"),
        (_content(pipeline="shop"), "pipeline is no JSON object"),
        (_content(pipeline={"name": 1}), "pipeline.name is no text"),
        (_content(pipeline={"type": {}}), "pipeline.type is no text"),
        (_content(configuration={"url": 1}), "configuration.url is no text"),
        (_content(parent=7), "parent is no text"),
        (_content(stage="sc\0an"), "stage holds a NUL character"),
        (_content(env={"k": "a\0b"}), "env.k holds a NUL character"),
        (_content(marked=["\0"]), "marked holds a NUL character"),
        (_content(repositories={"lib": {"commit": "a\0b"}}), "repositories.lib.commit holds a NUL character"),
        (_content(artifacts={"img": {"digest": "\0"}}), "artifacts.img.digest holds a NUL character"),
        (_content(pipeline={"name": "\0"}), "pipeline.name holds a NUL character"),
        (_content(configuration={"path": "x\0"}), "configuration.path holds a NUL character"),
        (_content(parent="\0"), "parent holds a NUL character"),
    ],
)
def test_what_is_no_payload_is_refused_with_where(content: bytes, wrong: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_payload(content)

    assert caught.value.message.startswith(wrong)


def test_debug_is_on_only_where_it_is_true() -> None:
    assert [read_payload(_content(pipeline={"debug": value})).debug for value in (True, 1, "true")] == [
        True,
        False,
        False,
    ]


def test_a_payload_that_is_too_large_is_refused_before_it_is_read_unless_it_is_our_own() -> None:
    large = _content(env={"k": "x" * LONGEST})

    with pytest.raises(UsageError, match="a payload has at most 16 MiB"):
        read_payload(large)
    assert len(read_payload(large, most=None).values["k"]) == LONGEST


@pytest.mark.parametrize("name", ["a", "0", "scan", "a-b", "a" * 63, "a--b"])
def test_a_name_that_a_pipeline_run_can_have_is_that_of_an_async_stage(name: str) -> None:
    assert is_stage_name(name)


@pytest.mark.parametrize("name", ["", "-", "a-", "-a", "A", "a_b", "a.b", "a/b", "a" * 64, "a\n", "é", "a b"])
def test_another_name_is_not(name: str) -> None:
    assert not is_stage_name(name)


def test_a_request_is_told_by_its_name_and_what_is_in_it() -> None:
    content = json.dumps({"version": VERSION, "env": {"a": "1"}, "marked": ["b"], "at": 12.5, "earlier": 3}).encode()

    assert read_request("0badcafe.slow-scan", content) == Request(
        id="0badcafe", payload=Payload(stage="slow-scan", values={"a": "1"}, marked=("b",)), at=12.5, earlier=3
    )


@pytest.mark.parametrize("at", [None, "soon", [], {}])
def test_a_request_that_does_not_say_when_it_was_made_comes_first(at: object) -> None:
    assert read_request("0badcafe.scan", json.dumps({"version": VERSION, "at": at}).encode()).at == 0.0


@pytest.mark.parametrize("earlier", [None, "2", 2.5, [], {}])
def test_a_number_that_is_none_is_that_of_the_first_request(earlier: object) -> None:
    content = json.dumps({"version": VERSION, "at": 1.5, "earlier": earlier}).encode()

    assert read_request("0badcafe.scan", content).moment == (1.5, 0)


def test_a_moment_that_no_clock_has_does_no_harm() -> None:
    late = read_request("0badcafe.scan", b'{"version": 1, "at": 1' + b"0" * 400 + b"}")
    early = read_request("1badcafe.scan", b'{"version": 1, "at": 7.5}')

    assert sorted([late, early], key=lambda request: request.moment) == [early, late]


@pytest.mark.parametrize(
    "name", ["", "scan", "0badcafe", "0badcafe.", "0BADCAFE.scan", "0badcaf.scan", "0badcafe1.scan", ".0badcafe.scan"]
)
def test_a_file_of_another_name_is_no_request(name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a request"):
        read_request(name, b'{"version": 1}')


@pytest.mark.parametrize("stage", ["Scan", "a/b", "scan\n", "a" * 64])
def test_a_request_for_what_no_stage_can_be_called_is_none(stage: str) -> None:
    with pytest.raises(UsageError, match="is no name of an async stage"):
        read_request(f"0badcafe.{stage}", b'{"version": 1}')


def test_bytes_that_are_no_utf_8_stay_what_they_are() -> None:
    request = read_request("0badcafe.scan", b'{"version": 1, "env": {"name": "caf\xe9"}}')
    again = read_payload(_sent(request.payload))

    assert again.values == request.payload.values
    assert again.store() == {"e.name": b"caf\xe9\n"}


def test_half_a_character_becomes_a_question_mark_in_the_store() -> None:
    assert Payload(stage="scan", values={"k": "a\ud800"}).store() == {"e.k": b"a?\n"}


def test_a_run_begins_with_what_it_was_handed_and_nothing_is_marked() -> None:
    payload = Payload(
        stage="scan",
        values={"url": "https://x", "a/b": ""},
        repositories={"lib": {"url": "https://h/lib"}, "bare": {}},
        artifacts={"img": {"tags": "1,2"}},
    )

    assert payload.store() == {
        "e.url": b"https://x\n",
        "e.a%2Fb": b"\n",
        "r.lib": b"",
        "r.lib,url": b"https://h/lib\n",
        "r.bare": b"",
        "a.img": b"",
        "a.img,tags": b"1,2\n",
    }


def test_keys_that_are_too_long_for_a_file_are_there_by_their_hash_and_their_name() -> None:
    key, name = "k" * 200, "n" * 200
    payload = Payload(stage="scan", values={key: "1"}, repositories={key: {name: "2"}})

    files = payload.store()
    found = values_of(Store(contents=files))

    assert (found["env"], found["repos"]) == ({key: "1"}, {key: {name: "2"}})
    assert {content for file, content in files.items() if file.startswith("k.")} == {key.encode(), name.encode()}


@given(st.dictionaries(TEXTS.filter(bool), MAPS, max_size=3))
def test_what_a_run_begins_with_has_all_keys_that_it_was_handed(things: dict[str, dict[str, str]]) -> None:
    values = {key: key for key in things}

    found = values_of(
        Store(contents=Payload(stage="scan", values=values, repositories=things, artifacts=things).store())
    )

    assert [len(found["env"]), len(found["repos"]), len(found["artifacts"])] == [len(things)] * 3


def test_an_entry_of_a_short_key_is_one_file() -> None:
    assert layout.entry(layout.Kind.VALUE, "a b", content=b"1\n") == {"e.a%20b": b"1\n"}
    assert layout.entry(layout.Kind.REPOSITORY, "lib", "url", b"u\n") == {"r.lib,url": b"u\n"}


def test_an_entry_of_a_long_key_tells_what_its_hash_stands_for() -> None:
    key = "é" * 100
    name = layout.encoded(key.encode())

    assert name.startswith("~")
    assert layout.entry(layout.Kind.ARTIFACT, "img", key, b"1\n") == {
        f"k.{name}": key.encode(),
        f"a.img,{name}": b"1\n",
    }
