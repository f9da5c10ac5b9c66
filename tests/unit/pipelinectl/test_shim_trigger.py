"""``trigger-task``: what it refuses, what it freezes, and how it puts that where the engine finds it."""

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.pipelinectl import layout
from runner.pipelinectl.payload import LONGEST, Payload, Request, read_request
from tests.support.shim import NOBODY, NOTHING, Environment, Shim, fill, small_disk

COMMANDS = ["trigger-task", "trigger_async_stage"]
SOURCED = 'set -eu; . "$ONE_PIPELINE_PATH/tools/trigger-task"; '
STARTED = re.compile(rb"async stage check is started as run ([0-9a-f]{8})\n")
UUID = Path("/proc/sys/kernel/random/uuid")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts, and becomes somebody else")


def asked(shim: Shim) -> list[Request]:
    """Return the requests that there are; whatever else lies there is a failure."""
    return [read_request(path.name, path.read_bytes()) for path in shim.requests.iterdir()]


def _files(shim: Shim) -> list[tuple[str, bytes]]:
    """Return the files that are put in place as requests."""
    return [(path.name, path.read_bytes()) for path in shim.requests.glob("[!.]*")]


def triggered(shim: Shim, script: str, *, user: int | None = None, environment: Environment = NOTHING) -> Payload:
    """Run a script that triggers the stage ``check`` once, and return what that is handed."""
    shim.declare("check")
    done = shim.run(script, user=user, environment=environment)
    assert (done.status, done.err) == (0, b""), done
    told = STARTED.search(done.out)
    assert told, done
    [request] = asked(shim)
    assert request.id == told[1].decode()
    return request.payload


@pytest.mark.parametrize("command", COMMANDS)
def test_a_trigger_leaves_one_request_says_its_id_and_rings_the_bell(shim: Shim, command: str) -> None:
    shim.declare("check")

    done = shim.call(command, "check")

    [request] = asked(shim)
    assert (done.status, done.err) == (0, b"")
    assert done.out == f"async stage check is started as run {request.id}\n".encode()
    assert request.payload == Payload(stage="check")
    assert shim.bell.stat().st_size == 1
    assert shim.store() == {"y.check": b""}


def test_a_stage_is_handed_all_repositories_and_artifacts_and_the_marked_values_that_are_set(shim: Shim) -> None:
    (shim.config / "property").write_text("of the pipeline")
    payload = triggered(
        shim,
        "set_env marked 'a \"1\"' kept 2; set_envc constant 3; export_env marked constant unset property;"
        "save_repo app url=u commit=c 'my path=x y'; save_repo bare; save_artifact image name=n;"
        "set_secret secret hidden 2>/dev/null; save_file f /dev/null; put_data d p v; save_result s /dev/null;"
        "trigger-task check",
    )

    assert payload.values == {"marked": 'a "1"', "constant": "3"}
    assert payload.marked == ("property", "unset")
    assert payload.repositories == {"app": {"url": "u", "commit": "c", "my path": "x y"}, "bare": {}}
    assert payload.artifacts == {"image": {"name": "n"}}


def test_values_of_any_key_are_handed_over(shim: Shim) -> None:
    keys = ["a\nb", "--all-repos", "*", "é", "-n", "k" * 200, " ", "'\"\\"]
    script = 'for k; do set_env "$k" "<$k>"; export_env "$k"; done; trigger-task check'
    shim.declare("check")

    assert shim.run(script, *keys).status == 0

    [request] = asked(shim)
    assert request.payload.values == {key: f"<{key}>" for key in keys}


def test_bytes_that_are_no_utf_8_are_handed_over(shim: Shim) -> None:
    payload = triggered(shim, "set_env k \"$(printf '\\377')\"; export_env k; trigger-task check")

    assert payload.values == {"k": "\udcff"}


def test_what_is_set_after_the_trigger_is_not_handed_over(shim: Shim) -> None:
    payload = triggered(shim, "set_env k before; export_env k; trigger-task check; set_env k after; save_repo late")

    assert (payload.values, payload.repositories) == ({"k": "before"}, {})


def test_a_mark_comes_before_or_after_its_value(shim: Shim) -> None:
    payload = triggered(shim, "export_env a; set_env a 1; set_env b 2; export_env b; trigger-task check")

    assert payload.values == {"a": "1", "b": "2"}


def test_what_is_marked_and_not_set_is_named_whatever_its_key(shim: Shim) -> None:
    keys = ["a\nb", 'it"s', "\\", "é", "k" * 200]
    shim.declare("check")

    assert shim.run('export_env "$@"; trigger-task check', *keys).status == 0

    [request] = asked(shim)
    assert (sorted(request.payload.marked), request.payload.values) == (sorted(keys), {})


def test_requests_say_in_which_order_they_were_made(shim: Shim) -> None:
    shim.declare("check")

    done = shim.run("trigger-task check; sleep 0.02; trigger-task check")

    in_order = [request.id for request in sorted(asked(shim), key=lambda request: request.at)]
    assert in_order == [told.decode() for told in STARTED.findall(done.out)]


def test_each_trigger_is_a_run_of_its_own(shim: Shim) -> None:
    shim.declare("check", "scan")

    done = shim.run("for n in 1 2 3; do set_env n $n; export_env n; trigger-task check; done; trigger-task scan")

    requests = asked(shim)
    assert sorted((request.payload.stage, request.payload.values["n"]) for request in requests) == [
        ("check", "1"),
        ("check", "2"),
        ("check", "3"),
        ("scan", "3"),
    ]
    assert re.findall(rb"as run (\w+)\n", done.out)[-1].decode() in {request.id for request in requests}
    assert len({request.id for request in requests}) == 4
    assert shim.bell.stat().st_size == 4


def test_triggers_at_once_are_all_taken(shim: Shim) -> None:
    shim.declare("check")

    shim.run("for w in 1 2 3 4 5 6 7 8; do trigger-task check & done; wait")

    assert len({request.id for request in asked(shim)}) == 8
    assert shim.bell.stat().st_size == 8


def test_nobody_sees_half_of_a_request(shim: Shim) -> None:
    shim.declare("check")
    script = """
        head -c 300000 /dev/zero | tr '\\0' x | set_env big; export_env big
        (i=0; while [ $i -lt 5 ]; do trigger-task check; i=$((i + 1)); done; : >done) >/dev/null &
        while [ ! -e done ]; do
            for f in "$1"/[0-9a-f]*; do
                [ ! -e "$f" ] || [ "$(tail -c 3 "$f")" = '}}' ] || { tail -c 20 "$f"; echo torn; }
            done
        done; wait
    """

    done = shim.run(script, str(shim.requests))

    assert (done.out, done.err) == (b"", b"")
    assert len(asked(shim)) == 5


def test_a_second_argument_means_nothing(shim: Shim) -> None:
    assert triggered(shim, "trigger-task check dynamic_scan") == Payload(stage="check")


def test_a_third_one_is_too_many(shim: Shim) -> None:
    shim.declare("check")

    assert shim.call("trigger-task", "check", "b", "c").status == 2
    assert asked(shim) == []


@pytest.mark.parametrize("sourced", [SOURCED, ""])
def test_what_fails_is_a_status_and_the_script_goes_on(shim: Shim, sourced: str) -> None:
    shim.declare("scan")
    script = (
        f"{sourced}trigger-task nope || echo $?; trigger-task 'No Stage' || echo $?; trigger-task || echo $?; echo on"
    )

    done = shim.run(script)

    assert (done.status, done.out) == (0, b"1\n1\n2\non\n")
    undeclared, name, _ = done.err.splitlines()
    assert undeclared == b"pipelinectl: trigger-task: the pipeline has no async stage 'nope' (it has scan)"
    assert b"'No Stage' is no name of a stage" in name
    assert (asked(shim), shim.bell.stat().st_size) == ([], 0)


def test_those_that_there_are_are_listed_by_their_names(shim: Shim) -> None:
    shim.declare("b", "a", "my_check", "not plain\n")

    assert b"no async stage 'nope' (it has a,b,my_check)\n" in shim.call("trigger-task", "nope").err


def test_where_there_are_none_it_is_said(shim: Shim) -> None:
    done = shim.call("trigger-task", "check")

    assert (done.status, done.out) == (1, b"")
    assert done.err == b"pipelinectl: trigger-task: the pipeline has no async stage 'check', nor any other\n"


@pytest.mark.parametrize("name", ["a", "a1", "a-b", "x" * 63, "0"])
def test_a_good_name_will_do(shim: Shim, name: str) -> None:
    shim.declare(name)

    assert shim.call("trigger-task", name).status == 0
    assert [request.payload.stage for request in asked(shim)] == [name]


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a_b", "a.b", "a/b", "x" * 64, "é", "a\n"])
def test_a_bad_name_is_refused_even_if_it_is_declared(shim: Shim, name: str) -> None:
    if name:
        shim.declare(name)

    done = shim.call("trigger-task", name)

    assert (done.status, done.out) == (1, b"")
    assert b"stage" in done.err
    assert b"has no async stage" not in done.err
    assert asked(shim) == []


@needs_root
def test_every_user_may_trigger_and_the_engine_reads_it(shim: Shim) -> None:
    triggered(shim, "cd /; umask 077; set_env k v; export_env k; trigger-task check <&-", user=NOBODY)

    [path] = shim.requests.iterdir()
    assert (path.stat().st_uid, path.stat().st_mode & 0o777, path.stat().st_nlink) == (NOBODY, 0o666, 1)
    assert shim.bell.stat().st_size == 1


def test_a_stage_is_started_though_nobody_hears_of_it(shim: Shim) -> None:
    shim.declare("check")

    done = shim.run("trigger-task check >&- 2>&-; echo $?")

    assert done.out == b"0\n"
    assert len(asked(shim)) == 1


def test_the_shell_that_sources_the_tool_keeps_its_options_and_traps(shim: Shim) -> None:
    script = (
        SOURCED + "trap 'echo trapped' EXIT; trigger-task check >/dev/null; case $- in *e*u* | *u*e*) echo same; esac"
    )
    shim.declare("check")

    done = shim.run(script)

    assert (done.status, done.out, done.err) == (0, b"same\ntrapped\n", b"")
    assert len(asked(shim)) == 1


def _no_bell(shim: Shim) -> None:
    shim.bell.unlink()


def _fifo(shim: Shim) -> None:
    _no_bell(shim)
    os.mkfifo(shim.bell)


def _socket(shim: Shim) -> None:
    _no_bell(shim)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(shim.bell))


def _closed(shim: Shim) -> None:
    shim.bell.chmod(0o444)


@needs_root
@pytest.mark.parametrize("spoil", [_no_bell, _fifo, _socket, _closed])
def test_a_bell_that_does_not_ring_holds_nothing_up(shim: Shim, spoil: object) -> None:
    assert callable(spoil)
    spoil(shim)

    triggered(shim, "trigger-task check", user=NOBODY)


def test_requests_that_have_no_place_are_said(shim: Shim) -> None:
    shim.declare("check")
    shim.requests.rmdir()

    done = shim.call("trigger-task", "check")

    assert (done.status, done.out) == (3, b"")
    assert f"there is no directory {shim.requests}".encode() in done.err
    assert shim.bell.stat().st_size == 0
    shim.requests.mkdir()


@needs_root
def test_requests_that_cannot_be_written_are_said(shim: Shim) -> None:
    shim.declare("check")
    shim.requests.chmod(0o555)

    done = shim.run("trigger-task check", user=NOBODY)

    assert (done.status, done.out) == (3, b"")
    assert b"or it is read-only" in done.err
    assert shim.bell.stat().st_size == 0


@needs_root
def test_a_full_disk_is_said_and_nothing_is_left(shim: Shim) -> None:
    shim.declare("check")
    shim.run("set_env k \"$(head -c 20000 /dev/zero | tr '\\0' x)\"; export_env k")
    with small_disk(shim.requests):
        fill(shim.requests)
        done = shim.call("trigger-task", "check")
        left = [path.name for path in shim.requests.iterdir()]

    assert (done.status, done.out, left) == (3, b"", [".filler"])
    assert b"its disk is full" in done.err


def test_a_value_that_would_hold_up_a_reader_is_not_opened(shim: Shim) -> None:
    shim.declare("check")
    shim.call("export_env", "k")
    os.mkfifo(shim.values / "e.k")

    done = shim.call("trigger-task", "check")

    assert (done.status, done.out) == (3, b"")
    assert b"e.k is no file" in done.err
    assert asked(shim) == []


@pytest.mark.parametrize("shim", ["bash"], indirect=True)  # the others read 2 MiB in a second
def test_what_is_too_large_to_be_handed_over_is_refused(shim: Shim) -> None:
    """Files of 1 MiB, of which there may be 15; the names and the rest take more than nothing."""
    shim.declare("check")
    value = b"x" * layout.LONGEST_VALUE + b"\n"
    for number in range(16):
        (shim.values / f"e.k{number}").write_bytes(value)
        (shim.values / f"x.k{number}").touch()

    done = shim.call("trigger-task", "check")

    assert (done.status, done.out) == (1, b"")
    assert b"an async stage is handed less than 16 MiB" in done.err
    (shim.values / "x.k0").unlink()
    assert shim.call("trigger-task", "check").status == 0
    [path] = shim.requests.iterdir()
    assert LONGEST - (1 << 20) < path.stat().st_size < LONGEST


def test_calls_of_one_script_are_in_their_order_however_coarse_the_clock_is(shim: Shim) -> None:
    names = [f"s{number}" for number in range(12)]
    shim.declare(*names)

    assert shim.run('for name; do trigger-task "$name"; done', *names).status == 0

    made = sorted(asked(shim), key=lambda request: request.moment)
    assert [(request.payload.stage, request.earlier) for request in made] == list(zip(names, range(12), strict=True))


def test_what_is_being_written_is_not_counted_as_a_request(shim: Shim) -> None:
    shim.declare("check")
    (shim.requests / ".draft.1").touch()

    assert shim.call("trigger-task", "check").status == 0

    assert [read_request(*each).earlier for each in _files(shim)] == [0]


@contextmanager
def no_chance(text: str, folder: Path) -> Iterator[None]:
    """Let every UUID of this machine be the same, until the end. Only root can."""
    same = folder / "uuid"
    same.write_text(text)
    subprocess.run(["mount", "--bind", same, UUID], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", UUID], check=True)


@needs_root
def test_nothing_is_overwritten_and_no_id_is_given_twice(shim: Shim) -> None:
    shim.declare("check", "scan")
    with no_chance("0badcafe-0000-4000-8000-000000000000\n", shim.root):
        first = shim.call("trigger-task", "check")
        again = [shim.call("trigger-task", stage) for stage in ("check", "scan")]

    assert first.out == b"async stage check is started as run 0badcafe\n"
    assert [(done.status, done.out) for done in again] == [(3, b"")] * 2
    assert all(b"the id 0badcafe is taken already" in done.err for done in again)
    assert [(request.id, request.payload.stage) for request in asked(shim)] == [("0badcafe", "check")]


def test_what_it_freezes_is_what_serialize_prints(shim: Shim) -> None:
    shim.declare("check")
    shim.run("set_env a 1 b 2; export_env a; save_repo r url=u; save_artifact i; trigger-task check")

    [path] = shim.requests.iterdir()

    printed = shim.call("pipelinectl", "serialize", "--all-repos", "--all-artifacts", "a").out
    frozen = json.loads(path.read_bytes())
    assert frozen.pop("at") > 0
    assert frozen.pop("earlier") == 0
    assert frozen == json.loads(printed)
    assert frozen["env"] == {"a": "1"}
