"""The curves: the same steps through the runner and through `docker run`, by their number and length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from tests.bench.gauges import Gauge, Wall
from tests.bench.measuring import Take, take
from tests.bench.pipelines import IMAGE, beside, write
from tests.bench.results import Point
from tests.bench.running import Place, runner


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Which points are measured; ``sleeps`` are seconds."""

    stages: tuple[int, ...] = (1, 8)
    steps: tuple[int, ...] = (1, 5, 20)
    sleeps: tuple[float, ...] = (0, 0.1, 0.4, 2)


QUICK = Grid(stages=(1,), steps=(1, 2), sleeps=(0,))


def points(grid: Grid, rounds: int, place: Place, taking: Take = take) -> Iterator[Point]:
    """Measure point after point; the rounds of a point are interleaved.

    Raises:
        BenchError: a side does not do its work.
    """
    for stages, sleep, steps in product(grid.stages, grid.sleeps, grid.steps):
        name = f"curve-{stages}-{steps}-{sleep:g}.yml"
        write(place.folder, {name: beside(stages, steps, " ".join(command(sleep)))})
        gauges = (ours(name, stages), docker(stages, steps, sleep))
        seconds = [[taking(gauge, place)[0] for gauge in gauges] for _ in range(rounds)]
        yield Point(stages=stages, steps=steps, sleep=sleep, ours=_side(seconds, 0), docker=_side(seconds, 1))


def command(sleep: float) -> tuple[str, ...]:
    """Return the command of a step that takes so many seconds."""
    return ("sleep", f"{sleep:g}") if sleep else ("true",)


def ours(name: str, stages: int) -> Gauge:
    """Return the gauge of a pipeline whose stages all run at a time."""
    return Wall(command=runner("exec", "--max-parallel", str(stages), name))


def docker(stages: int, steps: int, sleep: float) -> Gauge:
    """Return the gauge of as many loops beside each other, each with containers one after the other."""
    loop = 'n=$1; shift; while [ "$n" -gt 0 ]; do docker run --rm "$@" </dev/null || exit; n=$((n - 1)); done'
    fan = 'seq "$1" | xargs -P "$1" -I NUMBER sh -c "$2" sh "$3" "$4" $5'
    return Wall(command=("sh", "-c", fan, "sh", str(stages), loop, str(steps), IMAGE, " ".join(command(sleep))))


def _side(rounds: Sequence[Sequence[float]], side: int) -> tuple[float, ...]:
    return tuple(seconds[side] for seconds in rounds)
