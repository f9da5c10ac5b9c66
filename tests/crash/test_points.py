"""A daemon on a backend without containers that dies at its n-th effect, for every n: the next one goes on.

Effects are the writes of its store and the calls that change something on the engine; it dies before or after one.
"""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runner.backends.standing import leftovers
from runner.plan.model import Plan
from tests.support.crash import Crash, Mortality, Point
from tests.support.daemons import Daemon, Grounds, told, words
from tests.support.hooked import DEADLINE
from tests.support.plans import plan, service, stage, step

BOTH = ("success", "failure")
SECRET = "hunter2 is the word"
FAILING = plan(
    stage("base", step("set", text="base", fake={"FAKE_SET_ENV": "colour=green"})),
    stage(
        "left",
        step("one", text="left one", status=BOTH),
        step("two", text=f"::add-mask::{SECRET}", status=BOTH, fake={"FAKE_TAIL": "told late"}),
        step("three", text="right behind it", status=BOTH),
        needs=("base",),
    ),
    stage("right", step("bad", 3, text="right"), step("status", text="status", status=BOTH), needs=("base",)),
    stage("last", step("late", text=f"say {SECRET}", status=BOTH), needs=("left", "right")),
    services=[service("db", fake={"FAKE_PRINT": "ready", "FAKE_HANG": "1"})],
)
SUCCEEDING = replace(
    FAILING,
    stages=tuple(
        replace(each, steps=(step("bad", text="right"), *each.steps[1:])) if each.name == "right" else each
        for each in FAILING.stages
    ),
)
PIPELINES = (SUCCEEDING, FAILING)
MOST = 90
"""More points than a life has."""


@dataclass(frozen=True)
class Story:
    """What a run came to: how it stands, what it left, and what those hear who follow it."""

    status: str
    statuses: dict[str, str]
    values: object
    lines: tuple[str, ...]

    @classmethod
    def of(cls, daemon: Daemon, run: str) -> "Story":
        """Have a run told by a daemon."""
        with daemon.service.feed(run) as feed:
            heard = words(told(feed))
        return cls(
            status=daemon.status(run),
            statuses=daemon.statuses(run),
            values=daemon.service.report(run)["values"],
            lines=tuple(sorted(word for word in heard if " | " in word)),
        )


def _live(grounds: Grounds, mortality: Mortality, of: Plan) -> None:
    """Submit a run, and live until its end or one's own."""
    with suppress(Crash), grounds.living(mortality) as daemon:
        run = daemon.serve().submit(of)
        while not (daemon.house.means.runs.get(run).status.ended or mortality.dead.wait(0.002)):
            pass
        daemon.house.dispatcher.settled(0.0 if mortality.dead.is_set() else DEADLINE)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Story, int]]:
    """What comes of each of the pipelines when nobody dies, and how many effects that takes."""
    found = []
    for of in PIPELINES:
        grounds, life = Grounds(data=tmp_path_factory.mktemp("usual") / "data"), Mortality()
        _live(grounds, life, of)
        with grounds.serving() as daemon:
            found.append((Story.of(daemon, daemon.service.runs()[0].id), life.effects))
    return found


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, MOST))
def test_a_daemon_may_die_at_any_effect(
    usual: list[tuple[Story, int]], tmp_path: Path, number: int, *, after: bool
) -> None:
    """After the n-th effect is before the next one: so each pipeline meets every point, in one way or the other."""
    of, (story, _) = PIPELINES[number % 2], usual[number % 2]
    grounds = Grounds(data=tmp_path / "data")
    _live(grounds, Mortality(Point(number, after=after)), of)

    with grounds.serving() as daemon:
        known = daemon.service.runs()
        run = known[0].id if known else daemon.submit(of)

        assert Story.of(daemon, run) == story
        assert daemon.house.dispatcher.settled(DEADLINE)
        assert len(daemon.service.runs()) == 1
        assert [str(address) for address, count in grounds.world.starts.items() if count != 1] == []
        assert leftovers(grounds.world) == ()
        assert grounds.world.kept == ({run} if story.status == "failure" else set())
        entered = [entry.status for entry in daemon.house.means.journal(run).read() if not entry.address.stage]
        assert entered == ["running", story.status]


def test_the_runs_do_what_they_should_and_have_fewer_effects_than_are_tried(usual: list[tuple[Story, int]]) -> None:
    assert [story.status for story, _ in usual] == ["success", "failure"]
    for story, effects in usual:
        assert effects < MOST
        assert (story.statuses["left/two"], story.statuses["last/late"]) == ("success", "success")
        assert {"last/late | say ***", "left/two | told late"} <= set(story.lines)
        assert "green" in json.dumps(story.values)
