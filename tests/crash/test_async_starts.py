"""A daemon on a real engine dies at the n-th effect after a step has asked for an async stage, for every n.

Whatever the next one finds: there is exactly one child, which runs once, and one hook behind it. The step either waits
for its child, so that all effects are those of its start, or ends at once, so that its run is removed meanwhile. Of all
points a run takes a few, by its seed; with ``--all`` each.
"""

import itertools
import random
from collections.abc import Callable, Iterator

import pytest

from runner.dispatch.hooks import SECRET
from runner.dispatch.requests import Definition, Facts, Submission
from runner.errors import DaemonUnavailableError
from runner.plan.status import Status
from tests.support.crash import Point
from tests.support.lives import LateError, Lives, lives_in, until
from tests.support.offspring import commit
from tests.support.repositories import Repository

SAMPLE = 1
ENDS, WAITS = "ends at once", "waits for the child"
PIPELINE = """\
version: "1"
stages:
  build:
    steps:
      - name: trigger
        image: busybox:local
        commands:
          - at="/proof/$(get_env token)"
          - echo begun >> "$at-parent"
          - 'until [ -e "$at-go" ]; do sleep 0.02; done'
          - set_env colour green
          - export_env colour
          - trigger-task check
          - 'until [ -e "$at-on" ]; do sleep 0.02; done'
  check:
    async: true
    steps:
      - name: look
        image: busybox:local
        commands: ['echo "$(get_env colour)" >> "/proof/$(get_env token)-child"']
"""

Tell = Callable[[str], None]


class Trials:
    """Daemons that die, one after the other; each trial is a run of a pipeline of its own, with its own hook."""

    def __init__(self, lives: Lives, repository: Repository) -> None:
        self.lives = lives
        self._address = f"file://{repository.root}"
        self._tokens = (f"t{number}" for number in itertools.count())
        lives.start(mortal=True)

    def effects(self, how: str) -> int:
        """Return how many effects there are from the trigger to the end of the child, or of both."""
        assert self.trial(how, None) == []
        return self._count

    def trial(self, how: str, point: Point | None) -> list[str]:
        """Have the daemon die at a point after a step asks for its child; return what is wrong with that child."""
        token = next(self._tokens)
        run = self._begun(token)
        self.lives.arm(point)
        if how == ENDS:
            self._mark(token, "on")
        self._mark(token, "go")
        until(lambda: self.lives.dead or self._over(run, how), f"an end of anything at {point}")
        self._count = len(self.lives.effects)
        if point is not None:
            met = ", ".join(self.lives.effects[point.number - 1 : point.number])
            self.lives.kill()
            self.lives.start(mortal=True)
            until(lambda: self._over(run, how), f"the child after {point}: {met}")
        self._mark(token, "on")
        until(lambda: self._over(run, ENDS), f"the end of run {run} after {point}")
        return [f"{how}, {point}: {each}" for each in self._complaints(token, run)]

    def _begun(self, token: str) -> str:
        """Submit a run; return it when its step is about to ask for the child."""
        client = self.lives.client
        client.register(token, Definition(repository=self._address, facts=Facts(branch="main")))
        client.set_property(token, "token", token)
        run = client.submit(Submission(pipeline=token)).id
        until((self.lives.proof / f"{token}-parent").exists, f"the step of run {run}")
        return run

    def _mark(self, token: str, name: str) -> None:
        (self.lives.proof / f"{token}-{name}").touch()

    def _over(self, run: str, how: str) -> bool:
        """Whether the child has ended, and its parent, unless this waits."""
        try:
            children = self.lives.client.report(run)["children"]
            ended = [self.lives.ended(each["id"]) for each in children]
            return bool(ended) and all(ended) and (how == WAITS or self.lives.ended(run))
        except DaemonUnavailableError:
            return False

    def _complaints(self, token: str, run: str) -> Iterator[str]:
        client = self.lives.client
        report = client.report(run)
        statuses = [report["run"]["status"], *(each["status"] for each in report["children"])]
        if statuses != [Status.SUCCESS, Status.SUCCESS]:
            yield f"the run and its children are {statuses}"
        for who, lines in (("parent", ["begun"]), ("child", ["green"])):
            if (found := (self.lives.proof / f"{token}-{who}").read_text().splitlines()) != lines:
                yield f"the script of the {who} has left {found}"
        known = [each.id for each in client.runs(pipeline=token)]
        if len(known) != 2:
            yield f"there are the runs {known}"
        if len(client.hooks(token)) != 1 or SECRET not in client.pipeline(token).secrets:
            yield f"there are the hooks {client.hooks(token)}"
        yield from (f"left: {each}" for each in self.lives.objects() if each.startswith(tuple(known)))


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    """Give a line of daemons; what it has on the engine at the end was left by one of them."""
    folder = tmp_path_factory.mktemp("async")
    repository = Repository(folder / "upstream")
    commit(repository, {".vela.yml": PIPELINE})
    with lives_in(folder, RUNNER_GIT_PROTOCOLS="file", RUNNER_QUEUES="default=4") as lives:
        yield Trials(lives, repository)
        assert lives.end() == 0
        assert lives.objects() == []


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("how", [WAITS, ENDS])
def test_a_step_that_asks_for_a_child_gets_exactly_one_wherever_the_daemon_dies(
    trials: Trials, how: str, tell: Tell, request: pytest.FixtureRequest
) -> None:
    chance = random.Random(request.config.option.seed)
    effects = trials.effects(how)
    points = [Point(number, after) for number in range(1, effects + 1) for after in (False, True)]
    taken = chance.sample(points, len(points) if request.config.option.all else SAMPLE)
    tell(f"SEED={request.config.option.seed} {effects} effects,")

    failed = []
    for point in taken:
        try:
            complaints = trials.trial(how, point)
        except LateError as error:
            complaints = [f"{error} has not come"]
        if complaints:
            failed.append(point)
            tell(f"\n{complaints}\n")

    tell(f"{len(taken) - len(failed)} of {len(taken)} crashes survived")
    assert failed == []
