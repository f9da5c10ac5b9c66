"""Runs that die at every point of their life, one point in each: all of them must come to what they come to else."""

import itertools
import random
from collections.abc import Callable, Iterator

from runner.plan.status import Status
from tests.support.crash import Ground, History, Outcome, Point, live_through


def points() -> Iterator[Point]:
    """Yield all points there could be, in their order."""
    return (Point(number, after) for number in itertools.count(1) for after in (False, True))


def either(chance: random.Random) -> Iterator[Point]:
    """Yield the end of a life before or after each effect: after one is before the next."""
    return (Point(number, chance.random() < 0.5) for number in itertools.count(1))


def pair(chance: random.Random, effects: int) -> tuple[Point, Point]:
    """Return the ends of two lives."""
    first, second = (Point(chance.randint(1, effects), chance.random() < 0.5) for _ in range(2))
    return first, second


def check(undisturbed: Outcome, history: History, died: tuple[Point, ...]) -> None:
    """See that a run came to what one does that nothing disturbs, and left nothing; how services end may differ."""
    outcome = history.outcome()

    assert history.complaints() == [], died
    assert outcome.branches == undisturbed.branches, died
    assert outcome.statuses == undisturbed.statuses, died
    assert outcome.started == undisturbed.started, died
    assert outcome.layers == undisturbed.layers, died
    assert outcome.children == undisturbed.children, died
    assert outcome.texts == undisturbed.texts, died
    assert outcome.beside.keys() == undisturbed.beside.keys(), died
    assert all(status.ended and status is not Status.ERROR for status in outcome.beside.values()), died


def survive(
    ground: Callable[[], Ground],
    also: Callable[[Ground], object] = lambda _: None,
    *,
    chance: random.Random | None = None,
) -> str:
    """Let a run die at each point, or with a ``chance`` at one of both of each effect; return the figure.

    ``also`` returns what else must be as in a run that did not die.
    """
    undisturbed = live_through(ground(), ())
    outcome, expected = undisturbed.outcome(), also(undisturbed.ground)
    assert undisturbed.complaints() == []
    survived = 0
    for point in points() if chance is None else either(chance):
        history = live_through(ground(), (point,))
        check(outcome, history, (point,))
        assert also(history.ground) == expected, point
        if history.died == (False,):
            break
        survived += 1
    assert survived >= (undisturbed.effects - 1) * (2 if chance is None else 1)
    return f"{survived} crash points survived"
