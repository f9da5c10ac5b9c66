"""What values are called in the store, and what lies there, is what this side reads."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.pipelinectl import layout
from tests.support.shim import Shim

# A shell passes any bytes but NUL; short and long keys, odd and plain ones, all take different ways.
ODD = st.binary(min_size=1, max_size=40).filter(lambda key: b"\0" not in key)
PLAIN = st.text(alphabet="aZ09_-.", min_size=1, max_size=120).map(str.encode)
PATHS = st.sampled_from(
    [b".", b"..", b"../up", b"/etc/passwd", b"-n", b"--", b"~", b"a/b", b"a,b", b"a\nb", b"%41", b"*"]
)
LONG = st.builds(lambda piece, times: (piece * times)[:1024], ODD, st.integers(20, 1024))
KEYS = st.lists(ODD | PLAIN | PATHS | LONG, min_size=1, max_size=4, unique=True)

few = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def empty(shim: Shim) -> None:
    for path in shim.values.iterdir():
        path.unlink()


@few
@given(keys=KEYS)
def test_any_key_gets_the_name_that_this_side_knows(shim: Shim, keys: list[bytes]) -> None:
    empty(shim)
    done = shim.run('for key; do set_env "$key" v && get_env "$key" || exit; done', *keys)

    assert (done.status, done.err, done.out) == (0, b"", b"v\n" * len(keys))
    named = {f"e.{layout.encoded(key)}": b"v\n" for key in keys}
    hashed = {f"k.{layout.encoded(key)}": key for key in keys if layout.encoded(key).startswith("~")}
    assert shim.store() == named | hashed


@few
@given(keys=KEYS)
def test_lists_give_the_keys_back(shim: Shim, keys: list[bytes]) -> None:
    empty(shim)
    done = shim.run('for key; do save_repo "$key" p=1 || exit; done; list_repos', *keys)

    assert (done.status, done.err) == (0, b"")
    assert done.out == b"".join(key + b"\n" for key in sorted(keys, key=layout.encoded))


@few
@given(value=st.text(st.characters(exclude_characters="\0"), max_size=200))
def test_any_value_lies_there_as_this_side_writes_it(shim: Shim, value: str) -> None:
    raw = value.encode("utf-8", "surrogateescape") if value.isascii() else value.encode("utf-8", "replace")
    done = shim.run('set_env argument "$1"; printf %s "$1" | set_env input; get_env argument', raw)

    assert (done.status, done.err, done.out) == (0, b"", raw + b"\n")
    assert shim.store()["e.argument"] == raw + b"\n"
    assert shim.store()["e.input"] == (raw if raw.endswith(b"\n") else raw + b"\n")


def test_bytes_that_are_no_text_are_kept_as_a_value(shim: Shim) -> None:
    raw = bytes(range(1, 256))

    assert shim.call("set_env", "k", raw).status == 0
    assert shim.call("get_env", "k").out == raw + b"\n"


def test_a_key_of_1024_bytes_is_taken_and_one_of_1025_is_not(shim: Shim) -> None:
    longest, too_long = b"/" * 1024, b"/" * 1025

    assert shim.call("set_env", longest, "v").status == 0
    assert shim.call("get_env", longest).out == b"v\n"
    refused = shim.call("set_env", too_long, "v")
    assert (refused.status, refused.out) == (1, b"")
    assert refused.err == b"pipelinectl: set_env: the key has 1025 bytes (a key has 1 to 1024 bytes)\n"


@pytest.mark.parametrize("size", [100, 101])
def test_names_are_hashed_beyond_100_bytes(shim: Shim, size: int) -> None:
    key = "k" * size

    assert shim.call("set_env", key, "v").status == 0
    assert set(shim.store()) == (
        {f"e.{key}"} if size == 100 else {f"{kind}.{layout.encoded(key.encode())}" for kind in "ek"}
    )


def test_a_property_and_its_key_can_both_be_hashed(shim: Shim) -> None:
    key, name = "key/" * 60, "property/" * 30

    assert (
        shim.run('save_repo "$1" "$2=v" && load_repo "$1" "$2" && load_repo "$1"', key, name).out
        == f"v\n{name}\n".encode()
    )
    assert max(map(len, shim.store())) <= 255


def test_two_keys_that_differ_only_in_case_or_encoding_are_two(shim: Shim) -> None:
    keys = ["k", "K", "%6B", "k ", " k"]

    shim.run('for key; do set_env "$key" "<$key>"; done', *keys)

    assert shim.run('for key; do get_env "$key"; done', *keys).out == "".join(f"<{key}>\n" for key in keys).encode()
