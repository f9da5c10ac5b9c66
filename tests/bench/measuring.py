"""Rounds: both sides of a work in turn, so that a load of the machine falls on both."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from tests.bench.gauges import Gauge
from tests.bench.results import Row
from tests.bench.running import Place
from tests.bench.works import Work
from tests.support.lives import lives_in

Take = Callable[[Gauge, Place], list[float]]


def take(gauge: Gauge, place: Place) -> list[float]:
    """Return the figures of a gauge."""
    return gauge.take(place)


def measure(work: Work, rounds: int, place: Place, taking: Take = take) -> Row:
    """Measure a work, in so many rounds at most.

    Raises:
        BenchError: a side does not do its work.
    """
    ours: list[float] = []
    reference: list[float] = []
    with _ready(work, place) as ready:
        for number in range(min(rounds, work.most)):
            here = replace(ready, number=number)
            idle = work.idle + (sum(taking(work.base, here)) if work.base else 0.0)
            ours += [figure - idle for figure in taking(work.ours, here)]
            if work.reference:
                reference += [figure - idle for figure in taking(work.reference, here)]
    return Row(
        name=work.name,
        title=work.title,
        unit=work.unit,
        must=work.must,
        aim=work.aim,
        ours=tuple(ours),
        reference=tuple(reference),
    )


@contextmanager
def _ready(work: Work, place: Place) -> Iterator[Place]:
    """Give the place with a daemon that commands find, if the work needs one."""
    if not work.daemon:
        yield place
        return
    folder = place.folder / f"daemon-{work.name}"
    folder.mkdir()
    with lives_in(folder) as lives:
        lives.start()
        yield replace(place, environment={**place.environment, "RUNNER_DATA_DIR": str(lives.data)})
        lives.end()
