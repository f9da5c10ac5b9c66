"""Stdout that nobody reads, cannot be written, or is not there."""

import os
import subprocess
from pathlib import Path

import pytest

from runner.errors import ExitCode
from tests.support.cli import PATIENCE, RUNNER, Place

PIPELINE = """\
version: "1"
steps:
  - name: talks
    image: busybox:local
    commands: ['i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); sleep 0.1; done']
"""


@pytest.mark.parametrize("output", ["text", "events"])
def test_a_reader_who_leaves_ends_the_run_cleanly_with_141(place: Place, output: str) -> None:
    place.write(PIPELINE)
    running = subprocess.Popen(
        [RUNNER, "exec", "--output", output],
        cwd=place.repo,
        env=place.variables(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout is not None
    first = running.stdout.readline()
    running.stdout.close()
    _, errors = running.communicate(timeout=PATIENCE)

    assert first
    assert running.returncode == ExitCode.PIPE_CLOSED
    assert errors.decode() == "" if output == "text" else b"Traceback" not in errors
    assert place.objects() == []


def test_a_reader_who_was_never_there_means_that_nothing_starts(place: Place) -> None:
    place.write(PIPELINE)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as stdout:
        finished = place.exec(stdout=stdout)

    assert finished.code == ExitCode.PIPE_CLOSED
    assert finished.err == ""
    assert place.runs == []


@pytest.mark.parametrize("command", ["exec", "compile"])
def test_a_full_disk_under_stdout_is_an_error_with_words(place: Place, command: str) -> None:
    place.write(PIPELINE)
    with Path("/dev/full").open("wb") as stdout:
        finished = place.run(command, stdout=stdout)

    assert finished.code == ExitCode.INFRASTRUCTURE
    assert finished.err == "runner: cannot write the output: No space left on device\n"
    assert place.objects() == []


def test_closed_streams_do_not_change_what_a_run_does(place: Place) -> None:
    place.write(PIPELINE.replace("-lt 100", "-lt 1"))
    command = f"exec {RUNNER} exec --output json <&- >&- 2>&-"
    code = subprocess.run(["sh", "-c", command], cwd=place.repo, env=place.variables(), timeout=PATIENCE, check=False)

    assert code.returncode == ExitCode.SUCCESS
    log = next(place.runs[0].glob("logs/*.log"))
    assert log.read_text(encoding="utf-8").endswith("line 0\n")
    assert place.objects() == []
