"""What is measured of a work: each gauge is data, and takes one or more figures in a round."""

import re
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from tests.bench.pipelines import BEGIN, END, STEPS
from tests.bench.running import BenchError, Place, run, seconds_to
from tests.support.fleet import Recovery, killed
from tests.support.lives import lives_in
from tests.support.workspaces import Bench, bench

DIRECTORIES, FILES = 250, 50_000
OPENS = 3  # workspaces in a round: they take milliseconds
FLEET = 50  # runs

_STAMP = re.compile(rb"(\d+\.\d{6}) (\w+)\s*$")


class Gauge(Protocol):
    """Takes figures, in seconds or MB."""

    def take(self, place: Place) -> list[float]:
        """Do the work once, and return what was seen.

        Raises:
            BenchError: the work was not done.
        """


@dataclass(frozen=True, kw_only=True)
class Wall:
    """The seconds of a command, which must print so many bytes at least."""

    command: tuple[str, ...]
    output: int = 0

    def take(self, place: Place) -> list[float]:
        """Run the command."""
        return [run(self.command, place, self.output).seconds]


@dataclass(frozen=True, kw_only=True)
class First:
    """The seconds until a command has printed a line with a text."""

    command: tuple[str, ...]
    text: str

    def take(self, place: Place) -> list[float]:
        """Run the command to its end."""
        return [seconds_to(self.text, self.command, place)]


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """The seconds between the end of each step and the begin of the next, by the stamps that the steps print."""

    command: tuple[str, ...]
    steps: int = STEPS

    def take(self, place: Place) -> list[float]:
        """Run the command, and read the stamps."""
        with run(self.command, place).printed.open("rb") as lines:
            return gaps(list(_stamps(lines)), self.steps)


@dataclass(frozen=True)
class Copied:
    """The seconds of ``cp -a`` of the source with many files."""

    def take(self, place: Place) -> list[float]:
        """Copy it, and remove the copy."""
        copy = place.folder / "copy"
        try:
            return [run(("cp", "-a", str(many_files(place.folder)), str(copy)), place).seconds]
        finally:
            shutil.rmtree(copy, ignore_errors=True)


@dataclass(frozen=True)
class Opened:
    """The seconds until a stage has a workspace over the source with many files."""

    def take(self, place: Place) -> list[float]:
        """Open some in one run."""
        with bench(many_files(place.folder)) as opened:
            return [_seconds_to_open(opened, f"stage{number}") for number in range(OPENS)]


@dataclass(frozen=True, kw_only=True)
class Killed:
    """A figure of a daemon that is killed while it drives many runs; see ``Recovery``."""

    figure: str

    def take(self, place: Place) -> list[float]:
        """Kill one, if none was killed in this round."""
        return [float(getattr(recovery(place.folder / f"fleet{place.number}"), self.figure))]


def gaps(stamps: list[tuple[float, str]], steps: int) -> list[float]:
    """Return the seconds from each step's end to the next one's begin.

    Raises:
        BenchError: the stamps are not those of so many steps, one after the other.
    """
    if [word for _, word in stamps] != [BEGIN, END] * steps:
        raise BenchError(f"{len(stamps)} stamps of {steps} steps, or not in their order")
    return [begin - end for (end, _), (begin, _) in zip(stamps[1:-1:2], stamps[2::2], strict=True)]


@cache
def many_files(folder: Path) -> Path:
    """Return a source of many small files, which is made once."""
    root = folder / "many"
    for directory in range(DIRECTORIES):
        below = root / f"d{directory}"
        below.mkdir(parents=True)
        for number in range(FILES // DIRECTORIES):
            (below / f"f{number}").write_bytes(b"x" * 100)
    return root


@cache
def recovery(folder: Path) -> Recovery:
    """Kill a daemon that lives in a new folder, and return what was seen.

    Raises:
        BenchError: something of a run was lost.
    """
    folder.mkdir()
    with lives_in(folder, RUNNER_QUEUES=f"default={FLEET}") as lives:
        fleet, seen = killed(lives, FLEET)
        fleet.end()
        complaints, code = fleet.complaints(), lives.end()
    if complaints or code:
        raise BenchError("\n".join([f"the daemon that was killed ended with {code}", *complaints]))
    return seen


def _seconds_to_open(opened: Bench, stage: str) -> float:
    began = time.monotonic()
    opened.open(stage)
    return time.monotonic() - began


def _stamps(lines: Iterable[bytes]) -> Iterator[tuple[float, str]]:
    """Yield time and word of each line that is a stamp; others come from the runner, or trace a command."""
    for line in lines:
        if found := _STAMP.search(line):
            yield float(found[1]), found[2].decode()
