"""Commands that are measured, where they run, and what they leave."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.support.scripts import ROOT

BIN = ROOT / ".venv" / "bin"
COMMAND_DEADLINE = 600.0  # seconds
TAIL = 2000  # characters of what a command complained about


class BenchError(Exception):
    """Something that is measured does not do its work, so that its time means nothing."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where commands run: a folder with all their files, and variables beside those of this process.

    ``number`` counts the rounds; gauges that share something costly share it within a round.
    """

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    number: int = 0

    @property
    def variables(self) -> dict[str, str]:
        """All variables that a command sees."""
        return {**os.environ, **self.environment}


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A command that has done its work: wall seconds, and the file with what it printed."""

    seconds: float
    printed: Path


def runner(*arguments: str) -> tuple[str, ...]:
    """Return the command line of the installed runner."""
    return (str(BIN / "runner"), *arguments)


def run(command: Sequence[str], place: Place, output: int = 0) -> Finished:
    """Run a command to its end, with its output in files.

    Raises:
        BenchError: it failed, took too long, or printed fewer bytes than ``output``.
    """
    printed, complaints = place.folder / "stdout", place.folder / "stderr"
    with printed.open("wb") as stdout, complaints.open("wb") as stderr:
        began = time.monotonic()
        with _started(command, place, stdout, stderr) as process:
            code = process.wait()
        seconds = time.monotonic() - began
    size = printed.stat().st_size
    if code != 0 or size < output:
        tail = complaints.read_text(errors="replace")[-TAIL:]
        raise BenchError(f"exit {code}, {size} bytes printed by {_short(command)}\n{tail}")
    return Finished(seconds=seconds, printed=printed)


def seconds_to(text: str, command: Sequence[str], place: Place) -> float:
    """Run a command to its end, but return the seconds until it has printed a line with a text.

    Raises:
        BenchError: it failed, or no such line came.
    """
    began, seconds = time.monotonic(), 0.0
    with _started(command, place, subprocess.PIPE) as process:
        for line in process.stdout or ():
            if not seconds and text.encode() in line:
                seconds = time.monotonic() - began
    if process.returncode != 0 or not seconds:
        raise BenchError(f"exit {process.returncode}, {text!r} {'came' if seconds else 'never came'}")
    return seconds


@contextmanager
def _started(
    command: Sequence[str], place: Place, stdout: IO[bytes] | int, stderr: IO[bytes] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command, and kill it after its deadline.

    ``Popen.wait`` with a timeout asks in steps of up to 50 ms whether a process has ended: too coarse a clock.
    """
    with subprocess.Popen(
        command, cwd=place.folder, env=place.variables, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
    ) as process:
        timer = threading.Timer(COMMAND_DEADLINE, process.kill)
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()


def _short(command: Sequence[str]) -> str:
    return " ".join(command)[:200]
