"""The daemon on a real engine dies at the n-th effect, for every n; the next one goes on. Nothing is lost or repeated.

Of all points a run takes a few, spread over the life of a daemon, by its seed; with ``--all`` each.
"""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence

import pytest

from runner.errors import NotFoundError
from tests.support.crash import Point
from tests.support.lives import LateError, Lives, lives_in, until
from tests.support.survival import complaints, outcome, pipeline

SAMPLE = 3
PAIRS, SAMPLE_OF_PAIRS = 40, 1
RECOVERY = 60
"""About how many effects a daemon has that takes up a run, and ends it."""

Tell = Callable[[str], None]


class Trials:
    """Crashes of one line of daemons, and what its run comes to without one."""

    def __init__(self, lives: Lives) -> None:
        self.lives = lives
        self._tokens = (f"t{number}" for number in itertools.count())
        lives.start(mortal=True)
        run, token = self._submit(None)
        until(lambda: lives.ended(run), "the end of a run that nothing disturbs")
        self.effects = len(lives.effects)
        self.undisturbed = outcome(lives, run, token)
        assert complaints(lives, run, token, self.undisturbed) == []

    def crash(self, *points: Point) -> list[str]:
        """Have the daemon die at a point of a run, and its successors at more; return the complaints of that run.

        They begin with where each has died. One that does not come to its point is killed when the run has ended.
        """
        run, token = self._submit(points[0])
        met = [self._met(run, points[0])]
        for point in points[1:]:
            self.lives.start(point=point)
            met.append(self._met(run, point))
        self.lives.start(mortal=True)
        found = self._judge(run, token)
        return [*met, *found] if found else []

    def _submit(self, point: Point | None) -> tuple[str, str]:
        token = next(self._tokens)
        self.lives.arm(point)
        return self.lives.submit(pipeline(token)), token

    def _met(self, run: str, point: Point) -> str:
        """Wait until the daemon is dead; return at what effect that was."""
        until(lambda: self.lives.dead or not run or self.lives.ended(run), f"an end of anything at {point}")
        effects = self.lives.effects
        self.lives.kill()
        what = effects[point.number - 1] if len(effects) >= point.number else "all"
        return f"{'after' if point.after else 'before'} {what}"

    def _judge(self, run: str, token: str) -> list[str]:
        """Return those of the run, once it has ended; one that nobody was told of need not be there."""
        found = run or self._unanswered(token)
        if not found:
            return []
        try:
            until(lambda: self.lives.ended(found), f"the end of run {found}")
        except NotFoundError:
            return [f"run {run} is forgotten"]
        except LateError as error:
            return [f"{error} has not come: {self.lives.client.report(found)}"]
        return complaints(self.lives, found, token, self.undisturbed)

    def _unanswered(self, token: str) -> str:
        newest = self.lives.client.runs(limit=1)[0].id
        stages = self.lives.client.plan(newest).stages
        commands = [command for stage in stages for step in stage.steps for command in step.commands]
        return newest if any(f"/{token}-" in command for command in commands) else ""


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    """Give a line of daemons; what it has on the engine at the end was left by one of them."""
    with lives_in(tmp_path_factory.mktemp("lives")) as lives:
        yield Trials(lives)
        assert lives.end() == 0
        assert lives.objects() == []


@pytest.fixture
def chance(request: pytest.FixtureRequest, tell: Tell) -> random.Random:
    """Return the chance of this run."""
    tell(f"SEED={request.config.option.seed}")
    return random.Random(request.config.option.seed)


@pytest.mark.timeout(7200)
def test_a_daemon_that_dies_at_any_effect_of_a_run_loses_and_repeats_nothing(
    trials: Trials, chance: random.Random, tell: Tell, request: pytest.FixtureRequest
) -> None:
    points = [Point(number, after) for number in range(1, trials.effects + 1) for after in (False, True)]
    taken = _spread(points, len(points) if request.config.option.all else SAMPLE, chance)

    tell(f"{trials.effects} effects,")
    _survived(trials, [(point,) for point in taken], tell)


@pytest.mark.timeout(3600)
def test_a_daemon_that_dies_while_it_mends_what_another_has_left_loses_and_repeats_nothing(
    trials: Trials, chance: random.Random, tell: Tell, request: pytest.FixtureRequest
) -> None:
    pairs = [
        (
            Point(chance.randint(1, trials.effects), chance.random() < 0.5),
            Point(chance.randint(1, RECOVERY), chance.random() < 0.5),
        )
        for _ in range(PAIRS if request.config.option.all else SAMPLE_OF_PAIRS)
    ]

    _survived(trials, pairs, tell)


def _spread(points: Sequence[Point], count: int, chance: random.Random) -> list[Point]:
    """Return one point of each of so many parts of a life, in any order: who stops half-way has seen all of it."""
    edges = [len(points) * part // count for part in range(count + 1)]
    found = [chance.choice(points[first:last]) for first, last in itertools.pairwise(edges)]
    return chance.sample(found, count)


def _survived(trials: Trials, crashes: Sequence[Sequence[Point]], tell: Tell) -> None:
    """Have the daemon die that often; tell each complaint at once, since all of them take an hour."""
    failed = []
    for points in crashes:
        complaints = trials.crash(*points)
        if complaints:
            failed.append(points)
            tell(f"\n{points}: {complaints}\n")
    tell(f"{len(crashes) - len(failed)} of {len(crashes)} crashes survived")
    assert failed == []
