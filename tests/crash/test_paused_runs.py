"""The daemon on a real engine dies while a run with branches is paused, and at each effect before and after that.

The run is resumed by the daemon that lives then. A life has two parts in which effects are counted: up to the pause,
and from the resume on. Of all effects a run takes a few, by its seed, before or after each; with ``--all`` every one.
"""

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from runner.errors import ConflictError, DaemonUnavailableError
from runner.plan.status import Status
from tests.support.crash import Point
from tests.support.lives import LateError, Lives, lives_in, until
from tests.support.survival import Outcome, complaints, forking, outcome

SAMPLE = 1

Tell = Callable[[str], None]


@dataclass(frozen=True)
class End:
    """Where a daemon dies: at a point after the run has been submitted, or after it has been ``resumed``."""

    point: Point
    resumed: bool = False


class Trials:
    """Daemons that die, one after the other, each with a run of its own."""

    def __init__(self, lives: Lives) -> None:
        self.lives = lives
        self._tokens = (f"t{number}" for number in itertools.count())
        lives.start(mortal=True)
        self.token, self.killed, before = self._paused(None)
        self.objects = [each for each in lives.objects() if each.startswith(self.killed)]
        lives.kill()
        lives.start(mortal=True)
        after = self._resumed(self.killed, None)
        self.effects = [*((False, number) for number in range(1, before + 1))]
        self.effects += [*((True, number) for number in range(1, after + 1))]
        self.undisturbed: Outcome = outcome(lives, self.killed, self.token)

    def trial(self, end: End) -> list[str]:
        """Have the daemon die there; return what is wrong with the run, after where that was."""
        token, run, _ = self._paused(None if end.resumed else end.point)
        if not run:
            return []  # nobody was told of it, and it was not stored
        self._resumed(run, end.point if end.resumed else None)
        found = complaints(self.lives, run, token, self.undisturbed)
        return [str(end), *found] if found else []

    def _paused(self, point: Point | None) -> tuple[str, str, int]:
        """Submit a run; return its token, its id and the number of effects, when it is paused."""
        token = next(self._tokens)
        self.lives.arm(point)
        run = self.lives.submit(forking(token))
        if point is not None:
            until(lambda: self.lives.dead or self._stands(run, Status.PAUSED), f"a pause or an end at {point}")
            self._revive()
            run = run or self._unanswered(token)
        effects = [0]

        def over() -> bool:
            effects[0] = len(self.lives.effects)
            return not run or self._stands(run, Status.PAUSED)

        until(over, f"the pause of run {run or token} after {point}")
        return token, run, effects[0]

    def _resumed(self, run: str, point: Point | None) -> int:
        """Resume a run; return the number of effects, when it has ended."""
        self.lives.arm(point)
        while not self.lives.ended(run):
            self._revive()
            if self._stands(run, Status.PAUSED):
                with suppress(DaemonUnavailableError, ConflictError):
                    self.lives.client.resume(run)
            until(lambda: self.lives.dead or self.lives.ended(run), f"the end of run {run} after {point}")
        effects = len(self.lives.effects)
        self._revive()
        return effects

    def _revive(self) -> None:
        if self.lives.dead:
            self.lives.kill()
            self.lives.start(mortal=True)

    def _stands(self, run: str, status: Status) -> bool:
        try:
            return bool(run) and self.lives.client.summary(run).status == status
        except DaemonUnavailableError:
            return False

    def _unanswered(self, token: str) -> str:
        """Return the run that a daemon has stored and did not answer for, if there is one."""
        newest = self.lives.client.runs(limit=1)[0].id
        plan = self.lives.client.plan(newest)
        found = any(f"/{token}-" in command for s in plan.stages for step in s.steps for command in step.commands)
        return newest if found else ""


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    """Give a line of daemons; what it has on the engine at the end was left by one of them."""
    with lives_in(tmp_path_factory.mktemp("paused")) as lives:
        yield Trials(lives)
        assert lives.end() == 0
        assert lives.objects() == []


def test_a_run_that_is_paused_while_the_daemon_is_killed_can_be_resumed(trials: Trials) -> None:
    found, logs = trials.undisturbed, trials.undisturbed.logs

    assert complaints(trials.lives, trials.killed, trials.token, found) == []
    assert [kind for _, kind, _ in map(str.split, trials.objects) if kind != "volume"] == []
    assert trials.objects != []
    assert found.status == Status.SUCCESS
    assert found.statuses["each[0]/work"] == (Status.SKIPPED, None)
    assert found.statuses["each[1]/work"] == found.statuses["all/all"] == (Status.SUCCESS, 0)
    assert logs["all/all"][-1].startswith("did go, ")
    assert "line 3" in logs["each[1]/ask"]


@pytest.mark.timeout(7200)
def test_a_daemon_that_dies_at_any_effect_of_a_run_with_branches_loses_and_repeats_nothing(
    trials: Trials, tell: Tell, request: pytest.FixtureRequest
) -> None:
    chance = random.Random(request.config.option.seed)
    ends = [End(Point(number, chance.random() < 0.5), resumed) for resumed, number in trials.effects]
    taken = chance.sample(ends, len(ends) if request.config.option.all else SAMPLE)
    tell(f"SEED={request.config.option.seed} {len(ends)} effects,")

    failed = []
    for end in taken:
        try:
            found = trials.trial(end)
        except LateError as error:
            found = [f"{error} has not come"]
        if found:
            failed.append(end)
            tell(f"\n{end}: {found}\n")

    tell(f"{len(taken) - len(failed)} of {len(taken)} crashes survived")
    assert failed == []
