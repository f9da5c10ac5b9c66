"""Values that are named returns as well, in steps of pipelines that have references."""

import os

import pytest

from runner.pipelinectl import layout
from runner.pipelinectl.returns import Returned, returned
from tests.support.returns import MAPPED, STEP, TOLD, left, refused
from tests.support.shim import NOBODY, Shim

NAMED = ["set_env k v", "echo v | set_env k", "set_env k v l w", "set_envc k v", "save_string k v"]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("set_env k v", {"k": "v"}),
        ("pipelinectl set_env k ''", {"k": ""}),
        ("set_env a 1 b/c 2 a 3", {"a": "3", "b/c": "2"}),
        ("printf 'a\nb\n\n' | set_env k", {"k": "a\nb\n"}),
        ("set_envc k v", {"k": "v"}),
        ("echo v | set_envc k", {"k": "v"}),
        ("save_string k v", {"k": "v"}),
        (f"set_env {'k' * 200} v; echo w | set_env {'l' * 200}", {"k" * 200: "v", "l" * 200: "w"}),
        ("set_env k v; set_env k w", {"k": "w"}),
    ],
    ids=lambda part: str(part)[:20],
)
def test_a_value_is_a_named_return_as_well_where_they_are_wanted(
    shim: Shim, script: str, named: dict[str, str]
) -> None:
    assert left(shim, script, MAPPED) == Returned(named=named)

    for key, value in named.items():
        assert shim.call("get_env", key).out == layout.text(value)


@pytest.mark.parametrize("mapped", [{}, {layout.MAPPED: ""}, {layout.MAPPED: "0"}])
@pytest.mark.parametrize("call", NAMED)
def test_a_value_is_no_named_return_where_none_are_wanted(shim: Shim, call: str, mapped: dict[str, str]) -> None:
    assert left(shim, call, TOLD | mapped) == Returned()
    assert "k" in shim.call("list_env").out.decode()


def test_other_values_are_no_named_returns(shim: Shim) -> None:
    (shim.work / "payload").write_text('{"version": 1, "env": {"a": "1"}}')
    script = "save_repo r a=1; put_data d p v; export_env k; pipelinectl deserialize payload; save_file f payload"

    assert left(shim, script, MAPPED) == Returned()


@pytest.mark.parametrize("call", ["set_env k v", "set_envc k v", "set_env a 1 k v", "echo v | set_env k"])
def test_a_refused_value_is_no_named_return(shim: Shim, call: str) -> None:
    shim.call("set_envc", "k", "fixed")

    refused(shim.run(call, environment=MAPPED), 1, b"'k' is a constant")
    assert shim.left_returns() == {}


def test_of_constants_set_at_once_the_one_that_wins_is_returned(shim: Shim) -> None:
    race = """
        for w in 1 2 3 4 5 6 7 8; do (RUNNER_STEP=step$w set_envc k "$w" a "$w" 2>/dev/null) & done; wait; get_env k
    """

    winner = shim.run(race, environment=MAPPED).out.decode().strip()

    found = {step: dict(each.named) for step, each in returned(shim.left_returns()).items()}
    assert found == {f"step{winner}": {"k": winner, "a": winner}}


@pytest.mark.parametrize("call", NAMED)
def test_a_value_that_cannot_be_returned_is_not_set(shim: Shim, call: str) -> None:
    for environment in ({**MAPPED, layout.STEP: ""}, {**MAPPED, "RUNNER_RETURNS": "/nowhere/returns"}):
        done = shim.run(call, environment=environment)
        assert (done.status, done.out) == (3, b"")
    assert (shim.store(), shim.left_returns()) == ({}, {})


@needs_root
@pytest.mark.parametrize("call", NAMED)
def test_where_named_returns_cannot_be_written_their_directory_is_named(shim: Shim, call: str) -> None:
    shim.returns.chmod(0o555)

    refused(shim.run(call, environment=MAPPED, user=NOBODY), 3, f"cannot write to {shim.returns} ".encode())
    assert shim.left_returns() == {}


def test_a_directory_at_the_place_of_a_named_return_is_named_before_anything_is_set(shim: Shim) -> None:
    (shim.returns / f"o.{STEP},k").mkdir()

    refused(shim.run("set_env a 1 k v", environment=MAPPED), 3, b"is no file")
    assert (shim.store(), list((shim.returns / f"o.{STEP},k").iterdir())) == ({}, [])
