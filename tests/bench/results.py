"""What a benchmark has found, and how it is kept: as JSON, with every figure."""

import os
import statistics
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table, with the figures of all rounds.

    ``must`` and ``aim`` are limits of the ratio, or of the figure where there is no reference.
    """

    name: str
    title: str
    unit: str
    must: float
    aim: float
    ours: tuple[float, ...]
    reference: tuple[float, ...] = ()

    @property
    def figure(self) -> float:
        """The median of ours."""
        return statistics.median(self.ours)

    @property
    def base(self) -> float | None:
        """The median of the reference, if there is one."""
        return statistics.median(self.reference) if self.reference else None

    @property
    def value(self) -> float:
        """What the limits are for: ours for one of the reference's, or ours."""
        return self.figure / self.base if self.base else self.figure

    @property
    def within(self) -> bool:
        """Whether it is within its limit."""
        return self.value <= self.must

    @property
    def verdict(self) -> str:
        """One word."""
        if self.value <= self.aim:
            return "aim"
        return "ok" if self.within else "OVER"


@dataclass(frozen=True, kw_only=True)
class Point:
    """One point of the curves: stages beside each other, each with steps that sleep; wall seconds of all rounds."""

    stages: int
    steps: int
    sleep: float
    ours: tuple[float, ...]
    docker: tuple[float, ...]

    def overhead(self, seconds: tuple[float, ...]) -> float:
        """Return what the median of a side takes beyond the sleep, in seconds."""
        return statistics.median(seconds) - self.steps * self.sleep


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One runner at one job, beside the others: wall seconds of all rounds, and how many lines came at least."""

    job: str
    peer: str
    seconds: tuple[float, ...]
    lines: int | None = None
    failure: str = ""

    @property
    def median(self) -> float:
        """The median of its seconds."""
        return statistics.median(self.seconds)


@dataclass(frozen=True, kw_only=True)
class Results:
    """All that was measured. ``engine`` is Docker's version, ``load`` the machine's load average at the end."""

    cores: int
    rounds: int = 1
    engine: str = ""
    load: float = 0.0
    rows: tuple[Row, ...] = ()
    curves: tuple[Point, ...] = ()
    peers: tuple[Entry, ...] = ()

    def having(self, row: Row) -> "Results":
        """Return these results with a row, in the place of the one with its name or at the end."""
        rows = {kept.name: kept for kept in self.rows} | {row.name: row}
        return replace(self, rows=tuple(rows.values()))


_FORM = TypeAdapter(Results)


def write(results: Results, path: Path) -> None:
    """Write results as JSON."""
    path.write_bytes(_FORM.dump_json(results, indent=1) + b"\n")


def read(path: Path) -> Results:
    """Read results that were written.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds something else.
    """
    return _FORM.validate_json(path.read_bytes())


def engine_version() -> str:
    """Return the version of the Docker engine."""
    asked = ("docker", "version", "--format", "{{.Server.Version}}")
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def load() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]
