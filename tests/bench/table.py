"""The results as text, line by line as they are measured."""

from tests.bench.pipelines import LINES
from tests.bench.results import Entry, Point, Results, Row

HEADER = f"{'work':<54} {'ours':>10} {'reference':>10} {'ratio':>7} {'must':>6} {'aim':>6} {'to the aim':>10}  verdict"
CURVES_HEADER = f"{'stages':>6} {'sleep':>6} {'steps':>6} {'ours':>9} {'docker run':>10} {'ratio':>7}"
PEERS_HEADER = f"{'work':<38} {'runner':<18} {'seconds':>9} {'ratio':>7} {'lines':>9}"


def row(found: Row) -> str:
    """Return a line of the table; what is left to the aim is in the unit of the limits, and negative beyond it."""
    base = "-" if found.base is None else _told(found.base, found.unit)
    ratio = "-" if found.base is None else f"{found.value:.3f}"
    return (
        f"{found.title:<54} {_told(found.figure, found.unit):>10} {base:>10} {ratio:>7}"
        f" {found.must:>6g} {found.aim:>6g} {found.value - found.aim:>+10.3f}  {found.verdict}"
    )


def point(found: Point) -> str:
    """Return a line of the curves: what goes beyond the sleep."""
    ours, docker = found.overhead(found.ours), found.overhead(found.docker)
    return f"{found.stages:>6} {found.sleep:>6g} {found.steps:>6} {ours:>9.3f} {docker:>10.3f} {ours / docker:>7.2f}"


def peer(found: Entry, base: Entry) -> str:
    """Return a line for a runner at a job, with its ratio to what plain Docker took for it."""
    start = f"{found.job:<38} {found.peer:<18}"
    if found.failure:
        return f"{start} failed: {found.failure.splitlines()[0]}"
    lines = "-" if found.lines is None else _lines(found.lines)
    ratio = f"{found.median / base.median:.2f}" if base.seconds else "-"
    return f"{start} {found.median:>9.3f} {ratio:>7} {lines:>9}"


def footer(results: Results) -> str:
    """Return what the figures are, and on what they were taken."""
    return (
        f"medians of at most {results.rounds} interleaved rounds; Docker {results.engine}, {results.cores} cores,"
        f" load average {results.load:.1f}"
    )


def _told(figure: float, unit: str) -> str:
    return f"{figure:.1f} MB" if unit == "MB" else f"{figure:.3f} {unit}"


def _lines(count: int) -> str:
    return "all" if count == LINES else str(count)
