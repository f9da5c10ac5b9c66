"""The daemon on a real engine is killed again and again, at any time, while several runs go on."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.lives import Lives, lives_in, until
from tests.support.survival import complaints, outcome, pipeline

KILLS, SAMPLE = 50, 3
GOING = 3
EARLY, START, LIFE = 0.2, 2.0, 6.0
"""How many lives end while the daemon starts; how many seconds of its start, and how many after it."""


class Crowd:
    """As many runs as may go on at a time, and those before them, by the token of each."""

    def __init__(self, lives: Lives) -> None:
        self.tokens: dict[str, str] = {}
        self._lives = lives

    def fill(self) -> None:
        """Submit what there is room for."""
        going = [run for run in self.tokens if not self._lives.ended(run)]
        for _ in range(GOING - len(going)):
            self.add()

    def add(self) -> str:
        """Submit a run; return its id."""
        token = f"k{len(self.tokens)}"
        run = self._lives.submit(pipeline(token))
        self.tokens[run] = token
        return run


def _live(lives: Lives, crowd: Crowd, chance: random.Random) -> None:
    """Let a daemon live for a while, sometimes not until it answers, and kill it."""
    lives.launch()
    if chance.random() < EARLY:
        time.sleep(chance.uniform(0, START))
    else:
        until(lambda: lives.answers, "a daemon that answers")
        crowd.fill()
        time.sleep(chance.uniform(0, LIFE))
    lives.kill()


@pytest.mark.timeout(1800)
def test_runs_survive_a_daemon_that_is_killed_at_any_time_again_and_again(
    tmp_path: Path, request: pytest.FixtureRequest, tell: Callable[[str], None]
) -> None:
    chance = random.Random(request.config.option.seed)
    kills = KILLS if request.config.option.all else SAMPLE
    tell(f"SEED={request.config.option.seed}")

    with lives_in(tmp_path, RUNNER_QUEUES=f"default={GOING}") as lives:
        crowd = Crowd(lives)
        lives.start()
        first = crowd.add()
        until(lambda: lives.ended(first), "the end of a run that nothing disturbs")
        undisturbed = outcome(lives, first, crowd.tokens[first])
        crowd.fill()
        lives.kill()
        for _ in range(kills - 1):
            _live(lives, crowd, chance)
        lives.start()
        until(lambda: all(map(lives.ended, crowd.tokens)), "the end of all runs")
        found = [each for run, token in crowd.tokens.items() for each in complaints(lives, run, token, undisturbed)]
        code, left = lives.end(), lives.objects()

    assert (found, code, left) == ([], 0, [])
    tell(f"{len(crowd.tokens)} runs survived {kills} kills")
