"""What pictures show, before it is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.pipelines import LINES
from tests.bench.results import Entry, Point, Row


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A row of the table: its value and its aim as parts of the limit, and the value in words."""

    title: str
    part: float
    aim: float
    told: str
    verdict: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """All runners at one job, the fastest first: seconds, and a note for each."""

    title: str
    names: tuple[str, ...]
    seconds: tuple[float, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Two curves: seconds beyond the sleep by the number of steps. ``top`` is the most of its row of panels."""

    title: str
    steps: tuple[int, ...]
    ours: tuple[float, ...]
    docker: tuple[float, ...]
    top: float


def bars(rows: Sequence[Row]) -> list[Bar]:
    """Return the bars of a table."""
    return [
        Bar(
            title=row.title,
            part=row.value / row.must,
            aim=row.aim / row.must,
            told=f"{row.value:.3g} of {row.must:g}" + ("" if row.base else f" {row.unit}"),
            verdict=row.verdict,
        )
        for row in rows
    ]


def contests(entries: Sequence[Entry]) -> list[Group]:
    """Return the groups of the jobs in which somebody did it."""
    groups = []
    for job in dict.fromkeys(entry.job for entry in entries):
        done = sorted(
            (entry for entry in entries if entry.job == job and entry.seconds), key=lambda entry: entry.median
        )
        if done:
            groups.append(
                Group(
                    title=job,
                    names=tuple(entry.peer for entry in done),
                    seconds=tuple(entry.median for entry in done),
                    notes=tuple(map(_note, done)),
                )
            )
    return groups


def panels(points: Sequence[Point]) -> list[list[Panel]]:
    """Return the panels: a row for each number of stages, a column for each length of a step."""
    grid = []
    for stages in sorted({point.stages for point in points}):
        row = [point for point in points if point.stages == stages]
        top = max(point.overhead(side) for point in row for side in (point.ours, point.docker))
        grid.append([_panel(row, sleep, top) for sleep in sorted({point.sleep for point in row})])
    return grid


def _panel(row: Sequence[Point], sleep: float, top: float) -> Panel:
    points = sorted((point for point in row if point.sleep == sleep), key=lambda point: point.steps)
    stages = points[0].stages
    return Panel(
        title=f"{stages} stage{'s' * (stages > 1)}, steps of {sleep:g} s",
        steps=tuple(point.steps for point in points),
        ours=tuple(point.overhead(point.ours) for point in points),
        docker=tuple(point.overhead(point.docker) for point in points),
        top=top,
    )


def _note(entry: Entry) -> str:
    lost = entry.lines is not None and entry.lines < LINES
    return f"{entry.median:.2f}" + (f", {1 - (entry.lines or 0) / LINES:.0%} lost" if lost else "")
