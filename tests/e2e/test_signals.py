"""A run that is ended from outside, politely or not, cleans up after itself and says what it does."""

import signal
import socket
import time

import pytest

from runner.errors import ExitCode
from tests.support.cli import Place, Running

TRAPPED = """\
version: "1"
services:
  - name: idle
    image: busybox:local
    entrypoint: [sleep, "1000"]
stages:
  polite:
    steps:
      - name: waits
        image: busybox:local
        commands:
          - trap 'echo trapped; exit 3' TERM
          - echo ready; sleep 1000
      - name: next
        image: busybox:local
        commands: [echo never]
  later:
    needs: [polite]
    steps:
      - {name: never, image: busybox:local, commands: [echo never]}
"""

STUBBORN = """\
version: "1"
steps:
  - name: waits
    image: busybox:local
    commands:
      - trap 'echo ignored' TERM
      - echo ready; while true; do sleep 1 || true; done
"""

READY = "waits | ready"
POLITE = 6.0
"""Seconds within which a run has ended whose step ends at once when asked; its service takes none to die."""


def begin(place: Place, pipeline: str, *arguments: str) -> Running:
    place.write(pipeline)
    running = place.start("exec", *arguments)
    running.until(READY)
    return running


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, ExitCode.INTERRUPTED),
        (signal.SIGTERM, ExitCode.TERMINATED),
        (signal.SIGHUP, ExitCode.TERMINATED),
    ],
)
def test_a_signal_lets_traps_run_and_leaves_nothing(place: Place, number: int, code: int) -> None:
    running = begin(place, TRAPPED)
    began = time.monotonic()
    running.signal(number)
    finished = running.finish()

    assert finished.code == code
    assert time.monotonic() - began < POLITE
    assert "ending the run; once more kills it" in finished.err
    assert "trapped" in finished.printed("polite/waits")
    assert "polite/waits: cancelled" in finished.out
    assert finished.out.splitlines()[-1].endswith("it was cancelled")
    assert "| never" not in finished.out
    assert "Traceback" not in finished.err
    assert place.objects() == []


def test_ctrl_c_at_a_terminal_ends_the_run_cleanly(place: Place) -> None:
    place.write(TRAPPED)
    running = place.at_terminal("exec", env={"NO_COLOR": "1"})
    running.until(READY)
    running.type(b"\x03")
    finished = running.finish()

    assert finished.code == ExitCode.INTERRUPTED
    assert "ending the run; once more kills it" in finished.out
    assert "trapped" in finished.out
    assert place.objects() == []


def test_ctrl_c_twice_kills_at_once_what_ignores_term(place: Place) -> None:
    running = begin(place, STUBBORN)
    running.signal(signal.SIGINT)
    running.until("waits | ignored")
    began = time.monotonic()
    running.signal(signal.SIGINT)
    finished = running.finish()

    assert time.monotonic() - began < 3
    assert finished.code == ExitCode.INTERRUPTED
    assert "killing what still runs" in finished.err
    assert place.objects() == []


def test_what_ignores_term_is_killed_after_the_grace(place: Place) -> None:
    place.environment = {"RUNNER_GRACE": "1"}
    running = begin(place, STUBBORN, "--output", "json")
    began = time.monotonic()
    running.signal(signal.SIGTERM)
    finished = running.finish()

    assert 1 <= time.monotonic() - began < POLITE
    assert finished.code == ExitCode.TERMINATED
    assert finished.document["run"]["status"] == "cancelled"
    assert finished.statuses == {"steps/waits": "cancelled"}
    assert place.objects() == []


def test_a_terminal_that_closes_ends_the_run_cleanly(place: Place) -> None:
    place.write(TRAPPED)
    running = place.at_terminal("exec", env={"NO_COLOR": "1"})
    running.until(READY)
    running.hang_up()
    finished = running.finish()

    assert finished.code == ExitCode.TERMINATED
    assert "trapped" in next(place.runs[0].glob("logs/polite-waits-*.log")).read_text(encoding="utf-8")
    assert place.objects() == []


def test_nohup_keeps_a_run_going_when_the_terminal_closes(place: Place) -> None:
    place.write(STUBBORN.replace("while true; do sleep 1 || true; done", "sleep 1; echo end"))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        running = place.start("exec")
    finally:
        signal.signal(signal.SIGHUP, before)
    running.until(READY)
    running.signal(signal.SIGHUP)
    finished = running.finish()

    assert finished.code == ExitCode.SUCCESS
    assert finished.printed("steps/waits") == ["ready", "end"]


@pytest.mark.parametrize("delay", [0.3, 0.6])  # earlier it is Python itself that is not ready
def test_ctrl_c_before_anything_was_made_ends_without_a_traceback(place: Place, delay: float) -> None:
    place.write(STUBBORN)
    running = place.start("exec")
    time.sleep(delay)
    running.signal(signal.SIGINT)
    finished = running.finish()

    assert finished.code == ExitCode.INTERRUPTED
    assert "Traceback" not in finished.err
    assert place.objects() == []


def test_ctrl_c_during_a_pull_ends_at_once(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        image = f"127.0.0.1:{silent.getsockname()[1]}/x:y"
        place.write(f'version: "1"\nsteps:\n  - {{name: a, image: "{image}", commands: [echo never]}}\n')
        running = place.start("exec")
        connection, _ = silent.accept()
        began = time.monotonic()
        running.signal(signal.SIGINT)
        finished = running.finish()
        connection.close()

    assert finished.code == ExitCode.INTERRUPTED
    assert time.monotonic() - began < POLITE
    assert place.objects() == []
