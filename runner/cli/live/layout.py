"""Which rows the tree has when there is only so much room: what needs eyes first, the rest summed up."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from runner.cli.live.model import Part, StageView, View
from runner.cli.live.words import BAD
from runner.engine.backend import PullProgress
from runner.plan.status import Status
from runner.records import record

SUMMARY_ROWS = 60
"""A run with more than so many stages and steps is told in less detail at its end."""

_SHARE = 3
"""Pulls take at most every third row; so many stages that went wrong come before those that run."""


@dataclass(frozen=True)
class PullRow:
    """Images on their way: one, or several that have no rows of their own."""

    pulls: tuple[PullProgress, ...]


@dataclass(frozen=True)
class StageRow:
    """A stage; ``open`` when rows of its steps follow."""

    view: StageView
    open: bool = False


@dataclass(frozen=True)
class StepRow:
    """A step of the stage above."""

    part: Part


@dataclass(frozen=True)
class ServiceRow:
    """Services: one, or all in one row."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class SumRow:
    """Stages that have no rows of their own."""

    parts: tuple[Part, ...]


Row = PullRow | StageRow | StepRow | ServiceRow | SumRow


class _Steps(Enum):
    ALL = "all"
    BUSY = "those that run or went wrong"
    NONE = "none"


@record
class _Shape:
    """How much is told of what: the steps of stages that run or went wrong, and which other stages are summed up."""

    steps: _Steps = _Steps.ALL
    services: bool = True
    waiting: bool = True
    done: bool = True


_SHAPES = (
    _Shape(),
    _Shape(done=False),
    _Shape(done=False, waiting=False),
    _Shape(done=False, waiting=False, services=False),
    _Shape(done=False, waiting=False, services=False, steps=_Steps.BUSY),
    _Shape(done=False, waiting=False, services=False, steps=_Steps.NONE),
)
"""From the most detail to the least."""


def fit(view: View, room: int) -> list[Row]:
    """Return at most ``room`` rows, in as much detail as they allow: what runs and what went wrong comes first."""
    rows: list[Row] = []
    for shape in _SHAPES:
        rows = list(_rows(view, shape, room))
        if len(rows) <= room:
            return rows
    return _cut(rows, room)


def summary(view: View) -> list[Row]:
    """Return the rows that stay when a run has ended, in the order of the plan."""
    services: list[Row] = [ServiceRow((part,)) for part in view.services]
    everything = [row for stage in view.stages for row in _open(stage, _Steps.ALL)] + services
    if len(everything) <= SUMMARY_ROWS:
        return everything
    collapsed = [row for stage in view.stages for row in _open(stage, _Steps.BUSY)] + services
    if len(collapsed) <= SUMMARY_ROWS:
        return collapsed
    bad, rest = _split(view.stages, _bad)
    return [*(row for stage in bad for row in _open(stage, _Steps.BUSY)), *services, *_sum(rest)]


def _rows(view: View, shape: _Shape, room: int) -> Iterator[Row]:
    bad, rest = _split(view.stages, _bad)
    running, rest = _split(rest, _running)
    waiting, done = _split(rest, lambda stage: stage.part.status is Status.PENDING)
    yield from _pulls(view.pulls, max(1, room // _SHARE))
    first = room // _SHARE
    for stage in (*bad[:first], *running, *bad[first:]):
        yield from _open(stage, shape.steps)
    yield from _services(view.services, each=shape.services)
    yield from (StageRow(stage) for stage in waiting if shape.waiting)
    yield from (StageRow(stage) for stage in done if shape.done)
    yield from _sum([*([] if shape.done else done), *([] if shape.waiting else waiting)])


def _cut(rows: Sequence[Row], room: int) -> list[Row]:
    """Return the first rows of one a stage, and the others summed up in the last."""
    kept, others = rows[: max(0, room - 1)], rows[max(0, room - 1) :]
    parts: list[Part] = []
    for row in others:
        match row:
            case StageRow(stage):
                parts.append(stage.part)
            case SumRow(summed):
                parts.extend(summed)
            case _:
                pass  # services and pulls go without saying
    return [*kept, SumRow(tuple(parts))][:room]


def _open(stage: StageView, steps: _Steps) -> Iterator[Row]:
    shown = [part for part in stage.steps if steps is _Steps.ALL or (steps is _Steps.BUSY and _busy(part))]
    yield StageRow(stage, open=bool(shown))
    yield from (StepRow(part) for part in shown)


def _pulls(pulls: tuple[PullProgress, ...], most: int) -> Iterator[Row]:
    single = len(pulls) if len(pulls) <= most else most - 1
    yield from (PullRow((pull,)) for pull in pulls[:single])
    if pulls[single:]:
        yield PullRow(pulls[single:])


def _services(parts: tuple[Part, ...], *, each: bool) -> Iterator[Row]:
    if each:
        yield from (ServiceRow((part,)) for part in parts)
    elif parts:
        yield ServiceRow(parts)


def _sum(stages: Iterable[StageView]) -> Iterator[Row]:
    parts = tuple(stage.part for stage in stages)
    if parts:
        yield SumRow(parts)


def _split(stages: Sequence[StageView], first: Callable[[StageView], bool]) -> tuple[list[StageView], list[StageView]]:
    """Return those of which it holds, and the others."""
    return [stage for stage in stages if first(stage)], [stage for stage in stages if not first(stage)]


def _bad(stage: StageView) -> bool:
    return stage.part.status in BAD


def _running(stage: StageView) -> bool:
    """Whether anything of it runs, if only a detached step."""
    return any(part.status is Status.RUNNING for part in (stage.part, *stage.steps))


def _busy(part: Part) -> bool:
    return part.status is Status.RUNNING or part.status in BAD
