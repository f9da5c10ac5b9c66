"""Measure `runner` against plain Docker in the same rounds, and print the ratios beside their limits.

Rounds are interleaved (ours, reference, ours, ...) and a figure is the median of its rounds. It needs an engine with
the image busybox:local, and a checkout that is set up (`make setup`); pictures need matplotlib (`make bench` installs
it). The exit code is 1 if something did not do its work, and with --gate if a value is over its limit.

--peers runs those of the runners act, gitlab-ci-local, gitlabci-local (gcil), woodpecker-cli and drone that are on
PATH at the same work; docs/benchmarks.md tells how to install them.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.bench import contest, curves, pipelines, results, table
from tests.bench.curves import QUICK, Grid
from tests.bench.measuring import measure
from tests.bench.peers import DOCKER, OURS, PEERS, found
from tests.bench.results import Entry, Results
from tests.bench.running import BenchError, Place
from tests.bench.works import WORKS, Work
from tests.support.lives import LateError

CURVE_ROUNDS = 3
"""A round of the curves takes some ten minutes."""

Say = Callable[[str], None]


class Session:
    """What is measured in one go; ``results`` are those so far, ``failures`` what did not do its work."""

    def __init__(self, begun: Results, place: Place, say: Say) -> None:
        self.results = begun
        self.failures: list[str] = []
        self._place = place
        self._say = say

    def measure(self, works: Sequence[Work]) -> None:
        """Measure and tell the table."""
        self._say(table.HEADER)
        for work in works:
            with self._told(work.title):
                row = measure(work, self.results.rounds, self._place)
                self.results = self.results.having(row)
                self._say(table.row(row))

    def draw(self, grid: Grid) -> None:
        """Measure and tell the curves."""
        self._say(f"\nseconds beyond the sleep\n{table.CURVES_HEADER}")
        with self._told("the curves"):
            for point in curves.points(grid, min(self.results.rounds, CURVE_ROUNDS), self._place):
                self.results = replace(self.results, curves=(*self.results.curves, point))
                self._say(table.point(point))

    def compare(self) -> None:
        """Measure and tell all runners."""
        others = found()
        missing = ", ".join(peer.name for peer in PEERS if peer not in others) or "none"
        self._say(f"\nother runners (not on PATH: {missing})\n{table.PEERS_HEADER}")
        self.results = replace(self.results, peers=())
        base: Entry | None = None
        for entry in contest.entries((DOCKER, OURS, *others), self.results.rounds, self._place):
            base = entry if base is None or entry.peer == DOCKER.name else base  # the first of each job
            self.results = replace(self.results, peers=(*self.results.peers, entry))
            self._say(table.peer(entry, base))
            self.failures += [f"{entry.peer}: {entry.failure}"] * bool(entry.failure)

    def end(self) -> Results:
        """Tell what all of it was taken on, and return it."""
        self.results = replace(self.results, engine=results.engine_version(), load=results.load())
        self._say(table.footer(self.results))
        return self.results

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Go on when something does not do its work: what else was measured may have taken an hour."""
        try:
            yield
        except (BenchError, LateError) as error:
            self.failures.append(f"{what}: {error}")
            self._say(f"{what}: failed: {error}")


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what the command line says; it ends the process where that is nonsense."""
    names = [work.name for work in WORKS]
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}, none (default: all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gate", action="store_true", help="exit 1 when a value is over its limit")
    parser.add_argument("--quick", action="store_true", help="one round of what is cheap: does it run at all?")
    parser.add_argument("--peers", action="store_true", help="measure other runners on the same work, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the table, and other runners, as SVG")
    parser.add_argument("--curves", type=Path, metavar="FILE", help="draw the curves; measured unless --from has them")
    parser.add_argument("--from", type=Path, metavar="FILE", dest="source", help="go on with what --json kept")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - {*names, "none"}:
        parser.error(f"no work is called {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def chosen(options: argparse.Namespace) -> list[Work]:
    """Return the works that are named; else those that are cheap, or none where others were kept, or all."""
    if options.names:
        return [work for work in WORKS if work.name in options.names]
    return [work for work in WORKS if (work.quick or not options.quick) and not options.source]


def main(arguments: Sequence[str], say: Say) -> int:
    """Print the tables, write what is asked for, and return the exit code."""
    options = options_of(arguments)
    try:
        draw = _artist(options)
    except ImportError as error:
        say(f"bench: no picture can be drawn ({error}); `make bench` installs matplotlib, the extra `bench`")
        return 1
    measured, failures = _measured(options, say)
    if options.json:
        results.write(measured, options.json)
    draw(measured)
    over = [row for row in measured.rows if not row.within]
    return 1 if failures or (options.gate and over) else 0


def _artist(options: argparse.Namespace) -> Callable[[Results], None]:
    """Return what draws the pictures that are asked for.

    Raises:
        ImportError: they need matplotlib, and it is not installed: said before an hour of measuring, not after it.
    """
    if not (options.picture or options.curves):
        return lambda _: None
    from tests.bench.picture import draw_curves, draw_table  # noqa: PLC0415 - all else works without matplotlib

    def draw(measured: Results) -> None:
        if options.picture:
            draw_table(measured, options.picture)
        if options.curves:
            draw_curves(measured, options.curves)

    return draw


def _measured(options: argparse.Namespace, say: Say) -> tuple[Results, list[str]]:
    with tempfile.TemporaryDirectory(prefix="runner-bench-") as folder:
        place = Path(folder)
        place.chmod(0o755)  # as a checkout has it
        pipelines.write(place, pipelines.pipelines())
        pipelines.write_secrets(place)
        begun = results.read(options.source) if options.source else Results(cores=os.cpu_count() or 1)
        session = Session(replace(begun, rounds=1 if options.quick else options.rounds), Place(folder=place), say)
        if works := chosen(options):
            session.measure(works)
        if options.peers:
            session.compare()
        if options.curves and not begun.curves:
            session.draw(QUICK if options.quick else Grid())
        return session.end(), session.failures
