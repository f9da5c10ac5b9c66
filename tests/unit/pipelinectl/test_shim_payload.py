"""serialize and deserialize: one JSON object, there and back."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.shim import Shim, public_folder

few = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40)
KEY = st.text(st.characters(exclude_characters="\0=", codec="utf-8"), min_size=1, max_size=40).filter(
    lambda k: not k.startswith("--all")
)
VALUES = st.dictionaries(KEY, TEXT, max_size=4)
THINGS = st.dictionaries(KEY, VALUES, max_size=3)


@contextmanager
def another(shim: Shim) -> Iterator[Shim]:
    """The same shim with empty stores."""
    with public_folder() as root:
        yield Shim(name=shim.name, home=shim.home, root=root)


def payload(**sections: object) -> dict[str, object]:
    return {"version": 1, **sections}


@few
@given(env=VALUES, repositories=THINGS, artifacts=THINGS)
def test_texts_make_the_round_trip(
    shim: Shim, env: dict[str, str], repositories: dict[str, dict[str, str]], artifacts: dict[str, dict[str, str]]
) -> None:
    given_payload = payload(env=env, repositories=repositories, artifacts=artifacts)
    with another(shim) as first, another(shim) as second:
        for store, text in (
            (first, json.dumps(given_payload, indent=1)),
            (second, json.dumps(given_payload, ensure_ascii=False)),
        ):
            (store.work / "p").write_text(text)
            read = store.run("pipelinectl deserialize p")
            assert (read.status, read.out, read.err) == (0, b"", b"")
        assert first.store() == second.store()

        printed = first.call("pipelinectl", "serialize", "--all-repos", "--all-artifacts", *env)

        assert (printed.status, printed.err) == (0, b"")
        expected = payload(repositories=repositories, artifacts=artifacts) | ({"env": env} if env else {})
        assert json.loads(printed.out) == expected


def test_only_what_was_asked_for_is_printed(shim: Shim) -> None:
    shim.run(
        "save_repo r a=1; save_repo bare; save_artifact a b=2; set_env k v other x; set_envc c w; set_secret s hidden"
    )

    def serialized(*arguments: str) -> object:
        return json.loads(shim.call("pipelinectl", "serialize", *arguments).out)

    assert serialized() == payload()
    assert serialized("--all-repos") == payload(repositories={"r": {"a": "1"}, "bare": {}})
    assert serialized("--all-artifacts") == payload(artifacts={"a": {"b": "2"}})
    assert serialized("k", "c", "k") == payload(env={"k": "v", "c": "w"})


@pytest.mark.parametrize("key", ["none", "secret", "property", "answer"])
def test_a_key_that_was_never_set_prints_nothing(shim: Shim, key: str) -> None:
    (shim.config / "property").write_text("x")
    (shim.values / "p.answer").write_text("x\n")
    shim.run("set_secret secret x; set_env k v")

    done = shim.call("pipelinectl", "serialize", "k", "--all-repos", key)

    assert (done.status, done.out) == (1, b"")
    assert f"'{key}' is not set".encode() in done.err


def test_a_payload_wins_over_what_is_there(shim: Shim) -> None:
    (shim.work / "p").write_text(json.dumps(payload(env={"k": "new"}, repositories={"r": {"a": "new"}})))
    shim.run("set_env k old kept 1; save_repo r a=old b=kept; export_env kept")

    assert shim.call("pipelinectl", "deserialize", "p").status == 0
    assert shim.run("get_env k; get_env kept; load_repo r a; load_repo r b").out == b"new\n1\nnew\nkept\n"
    assert [name for name in shim.store() if name.startswith("x.")] == ["x.kept"]


def test_a_constant_that_stands_refuses_the_whole_payload(shim: Shim) -> None:
    (shim.work / "p").write_text(json.dumps(payload(repositories={"r": {}}, env={"a": "1", "c": "2"})))
    shim.call("set_envc", "c", "1")

    done = shim.call("pipelinectl", "deserialize", "p")

    assert done.status == 1
    assert b"'c' is a constant" in done.err
    assert shim.store() == {"c.c": b"1\n"}


def test_values_of_a_payload_count_as_set_by_set_env(shim: Shim) -> None:
    (shim.work / "p").write_text(json.dumps(payload(env={"k": "v"})))

    assert shim.run("pipelinectl deserialize p; set_env k w; get_env k").out == b"w\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "1",
        '"version"',
        "{}",
        '{"version": 2}',
        '{"version": "1"}',
        '{"env": {"k": "v"}}',
        '{"version": 1, "env": []}',
        '{"version": 1, "env": {"k": 1}}',
        '{"version": 1, "env": {"k": "v"}, "other": {}}',
        '{"version": 1, "env": {"k": "v"}, "repositories": {"r": "x"}}',
        '{"version": 1, "env": {"k": "v"}, "repositories": {"r": {"p": ["x"]}}}',
        '{"version": 1, "env": {"k": "v"}} x',
        '{"version": 1, "env": {"k": "v", "": "v"}}',
        '{"version": 1, "env": {"k": "a\\u0000b"}}',
        '{"version": 1, "env": {"k": "\\ud83d"}}',
        '{"version": 1, "env": {"k": "\\ud83dn"}}',
        '{"version": 1, "env": {"k": "\\ud83d\\n"}}',
        '{"version": 1, "env": {"k": "\\ud83d\\ud83d"}}',
        '{"version": 1, "env": {"k": "\\ude00"}}',
        '{"version": 1, "env": {"k\\u0000": "v"}}',
        '{"version": 1, "env": {"k": "v", "' + "l" * 1025 + '": ""}}',
    ],
)
def test_what_is_no_payload_changes_nothing(shim: Shim, text: str) -> None:
    (shim.work / "p").write_text(text)

    done = shim.call("pipelinectl", "deserialize", "p")

    assert (done.status, done.out) == (1, b"")
    assert done.err.startswith(b"pipelinectl: deserialize: ")
    assert done.err.count(b"\n") == 1
    assert shim.store() == {}


def test_escapes_of_every_length_are_read(shim: Shim) -> None:
    (shim.work / "p").write_text(
        '{"version":1,"env":{"\\u006b":"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\"\\\\\\/\\b\\f\\n\\r\\t\\\\n"}}'
    )

    assert shim.call("pipelinectl", "deserialize", "p").status == 0
    assert shim.call("get_env", "k").out == 'Aé€😀"\\/\b\f\n\r\t\\n\n'.encode()


def test_a_long_value_makes_the_round_trip(shim: Shim) -> None:
    value = json.dumps([{"line": f'"{number}"\\\n'} for number in range(800)], indent=1)

    assert shim.call("set_env", "k", stdin=value.encode()).status == 0
    printed = shim.call("pipelinectl", "serialize", "k")
    assert json.loads(printed.out) == payload(env={"k": value})
    (shim.work / "p").write_bytes(printed.out)
    with another(shim) as second:
        assert second.call("pipelinectl", "deserialize", str(shim.work / "p")).status == 0
        assert second.store() == {"e.k": value.encode() + b"\n"}


@pytest.mark.parametrize("name", ["serialize", "deserialize"])
def test_both_are_commands_of_pipelinectl_alone(shim: Shim, name: str) -> None:
    assert shim.run(f"command -v {name}").status != 0
