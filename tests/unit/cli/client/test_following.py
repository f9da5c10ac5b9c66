"""A run of a daemon on this side: shown as ``exec`` shows its own, to the exit code."""

import json
import os
import pty
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

import pytest

from runner.cli.client import events as subscribing
from runner.cli.client import following
from runner.cli.client.events import Subscription
from runner.plan.status import Status
from tests.support.api_stand import CUT, END, Behaviour, events, failure
from tests.support.faces import RUN
from tests.support.remote import PLAN, STARTED, STORY, Remote, ends, prints, report

EVENTS = f"GET /runs/{RUN}/events"
CANCEL = f"POST /runs/{RUN}/cancel"
HEAD, TAIL = STORY[:5], STORY[5:]
"""The story up to the first lines of the first step, and from there on."""


def _has(remote: Remote, *told: Behaviour, status: str = "success") -> None:
    remote.stand.has(RUN, *told, plan=PLAN, report=report(status))


def _signal(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribing, "_FIRST_PAUSE", 0.02)


def test_a_run_looks_as_if_exec_had_run_it(remote: Remote) -> None:
    _has(remote, events(*STORY, END))

    assert remote.call("logs", "-f", RUN) == 0

    assert remote.out.splitlines() == [
        "build/one: running",
        "build/one | hello",
        "build/one | world",
        "build/one: success in 0.5 s",
        "build/two: running",
        "build/two | oops",
        "build/two: success in 0.4 s",
        f"run {RUN}: success in 2.5 s",
    ]
    assert remote.err == ""


@pytest.mark.parametrize("arguments", [(), ("build",), ("--output", "json")], ids=" ".join)
def test_a_daemon_that_goes_when_it_has_told_the_end_is_not_missed(remote: Remote, arguments: tuple[str, ...]) -> None:
    _has(remote, events(*STORY, END, (remote.data / "runner.sock").unlink), status="failure")

    assert remote.call("logs", "-f", RUN, *arguments) == 1

    assert [str(asked) for asked in remote.stand.asked][-1] == EVENTS
    assert remote.err.count("note: ") == 0


@pytest.mark.parametrize(
    ("status", "code"),
    [("success", 0), ("failure", 1), ("error", 3), ("timeout", 5), ("cancelled", 130), ("lost", 3), ("paused", 4)],
)
def test_the_exit_code_is_that_of_exec(remote: Remote, status: str, code: int) -> None:
    _has(remote, events(*STARTED, ends("", Status(status)), END), status=status)

    assert remote.call("logs", "-f", RUN) == code


def test_json_is_the_report_on_stdout_with_the_lines_on_stderr(remote: Remote) -> None:
    _has(remote, events(*STORY, END))

    assert remote.call("logs", "-f", RUN, "--output", "json") == 0

    assert remote.document == report()
    assert "build/one | hello\n" in remote.err


def test_events_are_those_that_exec_prints(remote: Remote) -> None:
    _has(remote, events(*STORY, END))

    assert remote.call("logs", "-f", RUN, "--output", "events") == 0

    told = [json.loads(line) for line in remote.out.splitlines()]
    assert [each["text"] for each in told if each["event"] == "log"] == ["hello\nworld\n", "oops\n"]
    assert told[-1]["status"] == "success"
    assert {each["event"] for each in told} == {"status", "log"}


def test_quiet_shows_what_failed_with_all_that_it_printed(remote: Remote) -> None:
    failed = ends("build/two", Status.FAILURE, at=1.5, exit_code=3)
    end = ends("", Status.FAILURE, at=2.5, reason="step two")
    _has(remote, events(*STORY[:9], failed, end, END), status="failure")

    assert remote.call("logs", "-f", RUN, "--quiet") == 1

    assert remote.out.splitlines() == [
        "build/two | oops",
        "build/two: failure (exit code 3) in 0.4 s",
        f"run {RUN}: failure in 2.5 s: step two",
    ]


def test_timestamps_are_those_of_the_run_and_not_of_whoever_looks_at_it_later(remote: Remote) -> None:
    _has(remote, events(*STORY, END))

    assert remote.call("logs", "-f", RUN, "--timestamps") == 0

    lines = remote.out.splitlines()
    assert lines[0] == "2026-01-01T12:00:10.500Z build/one: running"
    assert lines[1] == "2026-01-01T00:00:00.000Z build/one | hello"
    assert lines[-1] == f"2026-01-01T12:00:12.500Z run {RUN}: success in 2.5 s"


def test_a_daemon_that_dies_and_comes_back_tells_nothing_twice_and_loses_nothing(remote: Remote) -> None:
    _has(remote, events(*HEAD, CUT), events(*STORY, END))

    assert remote.call("logs", "-f", RUN) == 0

    lines = remote.out.splitlines()
    notes = [line for line in lines if line.startswith("note: ")]
    assert notes == ["note: the daemon has gone; it is waited for up to 60 s", "note: the daemon is back"]
    rest = [line for line in lines if line not in notes]
    _has(remote, events(*STORY, END))
    assert remote.call("logs", "-f", RUN) == 0
    assert rest == remote.out.splitlines()


def test_a_daemon_that_does_not_come_back_is_3(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "Subscription", partial(Subscription, patience=0.2))
    gone = (remote.data / "runner.sock").unlink
    _has(remote, events(*HEAD, gone, CUT))

    assert remote.call("logs", "-f", RUN) == 3

    assert "build/one | hello" in remote.out
    assert remote.err.startswith(f"runner: no daemon listens at {remote.data}/runner.sock\n")


def test_what_fails_in_the_middle_is_told(remote: Remote) -> None:
    error = {
        "error": {"message": "a log cannot be read: Input/output error", "hint": "", "findings": []},
        "exit_code": 3,
    }
    _has(remote, events(*HEAD, b"event: error\ndata: " + json.dumps(error).encode() + b"\n\n"))

    assert remote.call("logs", "-f", RUN) == 3

    assert "build/one | hello" in remote.out
    assert remote.err == "runner: a log cannot be read: Input/output error\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_a_signal_ends_the_showing_and_leaves_the_run_alone(remote: Remote, number: int, code: int) -> None:
    hold = threading.Event()
    _has(remote, events(*HEAD, _signal(number), lambda: hold.wait(30), *TAIL, END))

    assert remote.call("logs", "-f", RUN) == code
    hold.set()

    assert f"run {RUN} may go on: `runner show {RUN}` tells\n" in remote.out
    assert remote.stand.bodies(CANCEL) == []


def test_ctrl_c_also_ends_the_wait_for_a_daemon(remote: Remote) -> None:
    _has(remote, events(*HEAD, (remote.data / "runner.sock").unlink, CUT))
    threading.Timer(0.5, _signal(signal.SIGINT)).start()
    begun = time.monotonic()

    assert remote.call("logs", "-f", RUN) == 130

    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("arguments", [("-f",), ("-f", "--output", "events"), ("build", "-f")], ids=" ".join)
def test_a_reader_who_goes_away_ends_the_showing_and_not_the_run(remote: Remote, arguments: tuple[str, ...]) -> None:
    hold = threading.Event()
    many = (prints("build/one", b"more\n" * 20_000) for _ in range(20))
    _has(remote, events(*HEAD, lambda: hold.wait(30), *many, *TAIL, END))
    with remote.start("logs", RUN, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline()
        running.stdout.close()
        hold.set()
        assert running.stderr is not None
        errors = running.stderr.read()

    assert (running.returncode, errors) == (141, b"")
    assert remote.stand.bodies(CANCEL) == []


def test_on_a_terminal_there_is_the_tree_of_exec(remote: Remote) -> None:
    hold = threading.Event()
    _has(remote, events(*HEAD, lambda: hold.wait(30), *TAIL, END))
    ours, its = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        running = remote.start("logs", "-f", RUN, stdin=its, stdout=its, stderr=its)
        os.close(its)
        shown = b""
        while b"hello" not in shown or b"two" not in shown:
            shown += screen.read(4096)
        hold.set()
        while data := _rest(screen):
            shown += data
        assert running.wait(30) == 0

    assert b"\x1b[" in shown
    assert f"run {RUN}: success in 2.5 s".encode() in shown


def _rest(screen: IO[bytes]) -> bytes:
    try:
        return screen.read(4096)
    except OSError:
        return b""  # this is how a terminal ends


def test_what_is_written_down_meanwhile_is_removed(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    seen: list[int] = []
    _has(remote, events(*HEAD, lambda: seen.append(len(list(folder.iterdir()))), *TAIL, END))

    assert remote.call("logs", "-f", RUN) == 0

    assert seen == [1]
    assert list(folder.iterdir()) == []


def test_of_a_run_that_is_not_there_the_daemon_tells(remote: Remote) -> None:
    remote.stand.on("GET /runs/nix/plan", failure(404, "there is no run 'nix'", hint="runner runs lists them"))

    assert remote.call("logs", "-f", "nix") == 2

    assert (remote.out, remote.err) == ("", "runner: there is no run 'nix'\n        runner runs lists them\n")
