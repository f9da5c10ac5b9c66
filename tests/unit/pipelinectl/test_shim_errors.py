"""What goes wrong: one message, a status that says whose fault it is, and nothing printed or left behind."""

import hashlib
import os
import re

import pytest

from runner.pipelinectl import bundle, layout
from tests.support.shim import Done, Shim, fill, small_disk

# One right call of each command that touches the store; the paths are those of ``prepare``.
WRITING = [
    "set_env k v",
    "set_env k v l w",
    "set_envc k v",
    "echo v | set_env k",
    'set_env "$long" v',
    "export_env k",
    "save_file k file",
    "save_result stage file",
    "save_repo k a=1",
    "save_artifact k",
    "echo v | save_repo k a",
    "put_data k p v",
    "save_asset n 1 blob '{}'",
    "save_evidence n 1 blob big.json",
    "collect-evidence --status success",
    "pipelinectl deserialize payload",
]
# Where no byte is free an empty file still finds a place.
EMPTY_FILES = {"export_env k", "save_artifact k"}
READING = [
    "get_env k d",
    "list_env",
    "load_file k",
    "list_files",
    "load_repo k",
    "list_repos",
    "load_result s k",
    "list_results s",
    "get_data k",
    "load_asset",
    "pipelinectl serialize k",
]
LONG = "k/" * 100


def prepare(shim: Shim) -> None:
    (shim.work / "file").write_bytes(bytes(20000))
    (shim.work / "big.json").write_bytes(b'"' + b"x" * 20000 + b'"')
    (shim.work / "payload").write_text(
        '{"version": 1, "env": {"a": "1\\n", "b": "2"}, "repositories": {"r": {"p": "v"}}}'
    )


def check(done: Done, status: int, about: bytes = b"") -> None:
    """A failure as all are: nothing on standard output, one line of ours on standard error."""
    assert (done.status, done.out) == (status, b"")
    assert re.fullmatch(rb"pipelinectl: [a-z_-]+: [^\n]+\n", done.err), done.err
    assert about in done.err


@pytest.mark.parametrize("command", [*bundle.COMMANDS, "pipelinectl"])
def test_a_command_without_arguments_says_how_it_is_used(shim: Shim, command: str) -> None:
    done = shim.call(command)

    takes_none = command.startswith(
        ("list_e", "list_s", "list_f", "list_repos", "list_art", "load_asset", "load_evi", "delete")
    )
    if takes_none:
        assert done.status == 0
    elif command == "check-evidence-for-reuse":
        assert (done.status, done.out) == (1, b"failure\n")
    else:
        check(done, 2, b"(usage: ")
    assert shim.store() == {}


@pytest.mark.parametrize("call", ["get_env a b c", "list_env x", "load_file a b", "put_data a b c d", "get_data a b c"])
def test_too_many_arguments_are_refused(shim: Shim, call: str) -> None:
    check(shim.run(call), 2, b"too many arguments")


@pytest.mark.parametrize(
    "call", ["pipelinectl no-such", "pipelinectl 'a\nb'", "pipelinectl ''", "pipelinectl help no-such"]
)
def test_an_unknown_command_is_refused(shim: Shim, call: str) -> None:
    check(shim.run(call), 2, b"there is no command")


@pytest.mark.parametrize(
    "call", ["set_env '' v", "get_env ''", "save_file '' file", "put_data a '' v", "set_secret '' v"]
)
def test_an_empty_key_is_refused(shim: Shim, call: str) -> None:
    prepare(shim)

    check(shim.run(call), 1, b"the key is empty")
    assert (shim.store(), shim.kept_secrets()) == ({}, {})


@pytest.mark.parametrize("call", [*WRITING, *READING])
def test_a_store_that_is_not_there_is_named(shim: Shim, call: str) -> None:
    prepare(shim)

    done = shim.run(call, environment={"long": LONG, "RUNNER_VALUES": "/nowhere/values"})

    check(done, 3, b"there is no directory /nowhere/values")


@pytest.mark.parametrize("call", ["set_secret k v", "get_secret k d", "list_secrets", "remove_secret k"])
def test_secrets_that_are_not_there_are_named(shim: Shim, call: str) -> None:
    check(
        shim.run(call, environment={"RUNNER_SECRETS": "/nowhere/secrets"}), 3, b"there is no directory /nowhere/secrets"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_full_disk_is_said_and_nothing_is_left(shim: Shim) -> None:
    prepare(shim)
    with small_disk(shim.values):
        fill(shim.values)
        before = shim.store()
        for call in sorted({*WRITING} - EMPTY_FILES):
            check(shim.run(call, environment={"long": LONG}), 3, b"its disk is full")
            assert shim.store() == before, call
    with small_disk(shim.secrets):
        fill(shim.secrets)
        check(shim.run("set_secret k hidden"), 3, b"its disk is full")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_disk_that_fills_up_in_the_middle_of_a_value_leaves_nothing(shim: Shim) -> None:
    (shim.work / "file").write_bytes(bytes(100000))
    (shim.work / "value").write_text("v" * 100000)
    (shim.work / "blob").write_text(f'"{"v" * 100000}"')
    with small_disk(shim.values):
        for call in (
            "save_file k file",
            'set_env k "$(cat value)"',
            "set_env k <value",
            "save_asset n 1 blob blob",
            'save_repo k small=1 "big=$(cat value)"',
        ):
            check(shim.run(call), 3, b"its disk is full")
            assert shim.store() == {}, call


@pytest.mark.parametrize("call", WRITING)
def test_a_store_that_cannot_be_written_is_said(shim: Shim, call: str) -> None:
    prepare(shim)
    shim.values.chmod(0o555)

    check(shim.run(call, environment={"long": LONG}, user=65534), 3, b"or it is read-only")
    assert shim.store() == {}


@pytest.mark.parametrize("call", ["get_env k d", "list_env"])
def test_a_store_that_cannot_be_read_is_said(shim: Shim, call: str) -> None:
    shim.values.chmod(0o300)

    check(shim.run(call, user=65534), 3, b"cannot read")


@pytest.mark.parametrize("call", ["set_env k", "set_envc k", "set_secret k", "save_repo k p"])
def test_a_closed_standard_input_is_named_by_what_needs_it(shim: Shim, call: str) -> None:
    check(shim.run(f"{call} <&-"), 2, b"standard input is closed")
    assert (shim.store(), shim.kept_secrets()) == ({}, {})


def test_a_directory_on_standard_input_is_named(shim: Shim) -> None:
    check(shim.run("set_env k <."), 1, b"cannot read standard input")
    assert shim.store() == {}


def test_a_file_that_this_user_cannot_read_is_named(shim: Shim) -> None:
    (shim.work / "closed").touch(mode=0)
    (shim.config / "closed").touch(mode=0)

    check(shim.run("save_file k closed", user=65534), 1, b"cannot read 'closed'")
    check(shim.run("get_env closed d", user=65534), 3, b"cannot read")


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("set_env k v", "e.k"),
        ("echo v | set_env k", "e.k"),
        ("set_env other v k v", "e.k"),
        ("set_env k v", "c.k"),
        ("set_envc k v", "c.k"),
        ("set_envc k v", "e.k"),
        ("export_env k", "x.k"),
        ("save_file k file", "f.k"),
        ("save_repo k a=1", "r.k"),
        ("save_repo k a=1", "r.k,a"),
        ("put_data k p v", "d.k,p"),
        ("save_asset k p blob 1", f"j.{hashlib.sha256(b'k=p').hexdigest()}"),
        ("remove_file k", "f.k"),
        ("pipelinectl deserialize payload", "e.b"),
    ],
)
def test_a_directory_at_the_place_of_a_value_is_named_and_nothing_goes_into_it(
    shim: Shim, call: str, name: str
) -> None:
    prepare(shim)
    planted = shim.values / name
    planted.mkdir()

    check(shim.run(call), 3, f"{name} is no file".encode())
    assert list(planted.iterdir()) == []
    assert [path for path in shim.values.iterdir() if path != planted] == []


def test_a_secret_that_has_no_place_is_not_announced(shim: Shim) -> None:
    (shim.secrets / "s.k").mkdir()

    check(shim.run("set_secret k hidden"), 3, b"s.k is no file")


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("get_env k d", "e.k"),
        ("get_env k d", "c.k"),
        ("get_env k d", "p.k"),
        ("get_env 'k ' d", "e.k%20"),
        ("load_file k", "f.k"),
        ("load_repo k p", "r.k,p"),
        ("load_artifact k p d", "a.k,p"),
        ("get_data k p", "d.k,p"),
        ("load_result k p", "t.k,p"),
        ("pipelinectl serialize k", "e.k"),
    ],
)
def test_what_would_hold_up_a_reader_is_not_opened(shim: Shim, call: str, name: str) -> None:
    os.mkfifo(shim.values / name)

    check(shim.run(call), 3, f"{name} is no file".encode())


def test_a_secret_that_would_hold_up_a_reader_is_not_opened(shim: Shim) -> None:
    os.mkfifo(shim.secrets / "s.k")

    check(shim.run("get_secret k d"), 3, b"s.k is no file")


def test_lists_pass_over_what_is_no_file(shim: Shim) -> None:
    for name in ("e.k", "f.k", "r.k", "j.k", f"k.{layout.encoded(LONG.encode())}"):
        os.mkfifo(shim.values / name)
    (shim.values / "e.folder").mkdir()
    (shim.values / f"e.{layout.encoded(LONG.encode())}").touch()

    done = shim.run("list_env; list_files; list_repos; load_asset; pipelinectl serialize --all-repos")

    assert (done.status, done.out, done.err) == (0, b'[]\n{"version": 1, "repositories": {}}\n', b"")


def test_a_value_takes_the_place_of_a_fifo(shim: Shim) -> None:
    os.mkfifo(shim.values / "e.k")

    assert shim.run("set_env k v; get_env k").out == b"v\n"


def test_an_interrupted_command_leaves_nothing(shim: Shim) -> None:
    interrupted = "{ echo begun; sleep 0.5; } | set_env k & sleep 0.2; kill -TERM $!; wait $! || echo $?"

    assert shim.run(interrupted).out == b"143\n"
    assert shim.store() == {}
