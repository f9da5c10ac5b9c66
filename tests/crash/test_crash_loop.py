"""SQLite's loop: die at the n-th effect, for every n; drive again; nothing may be lost, repeated or left behind.

A step whose container ended while nobody drove is adopted with its true code, so the outcome is that of a run without
a crash. What runs beside the steps may have been asked to end by a life that died before it wrote so: then only its
exit code is left to judge it by.
"""

import itertools
import os
import random
from collections.abc import Iterator

import pytest

from runner.engine import readiness
from runner.plan.model import Plan, PullPolicy, Ready, Rules, Ruleset
from runner.plan.status import Status
from tests.support.crash import History, Outcome, Point, live_through
from tests.support.plans import hanging, plan, service, stage, step, steps_only

SCALE = 0.01
PAIRS = 40
BOTH = ("success", "failure")
BROKEN = {"FAKE_START_ERROR": "no such user"}
LATE = step("b", late=True, user="${CODE}", status=BOTH)
SLOW = {"FAKE_HANG": "1", "FAKE_READY_AFTER": "2"}

PLANS = {
    "steps": steps_only(
        step("a", text="hello"),
        step("b", 3, seconds=1),
        step("plain"),
        step("on failure", status=["failure"], pull=PullPolicy.ON_START),
    ),
    "diamond": plan(
        stage("base", step("a", seconds=1)),
        stage("left", step("a", status=BOTH), step("b", 1, status=BOTH, seconds=1), needs=("base",)),
        stage("right", step("a", seconds=1, status=BOTH), needs=("base",)),
        stage("top", step("a"), step("b", status=["failure"]), needs=("left", "right")),
    ),
    "retries": plan(
        stage("a", step("x"), step("y", 2, retry=1), retry=1),
        stage("b", step("z", status=["failure"]), needs=("a",)),
    ),
    "beside": plan(
        stage("a", hanging("d", detach=True), step("x", seconds=1)),
        stage("b", step("e", 4, detach=True), step("y"), needs=("a",)),
        services=[service("db"), service("once", fake={"FAKE_EXIT": "0"})],
    ),
    "independent": plan(
        stage("own", step("a", 1), step("b"), step("c", status=["failure"]), independent=True),
        stage("other", step("a", status=BOTH, seconds=1), step("b", 1, proceed=True, status=BOTH)),
    ),
    "error": plan(
        stage("broken", step("a"), step("b", fake=BROKEN), step("c", status=BOTH)),
        stage("after", step("a", status=BOTH), needs=("broken",)),
        stage("apart", step("a", seconds=1), needs=("broken",), independent=True),
    ),
    "outputs": plan(
        stage("make", step("a", fake={"FAKE_OUTPUT": "CODE=3"}), hanging("d", detach=True), step("b", seconds=1)),
        stage("use", step("a", fake={"FAKE_EXIT": "$CODE"}), LATE, needs=("make",)),
        stage("asked", step("a"), needs=("make",), ruleset=Ruleset(if_=Rules(status=BOTH, eval="CODE == '3'"))),
        services=[service("db", fake=SLOW, ready=Ready(port=1)), service("cache")],
        origins=(step("vault", fake={"FAKE_MASKED_OUTPUT": "TOKEN=geheim"}), step("more", seconds=1)),
        outputs="/outputs",
    ),
    "no secrets": plan(
        stage("a", step("x")),
        stage("b", step("x", status=BOTH), independent=True),
        services=[service("db")],
        origins=(step("vault", 3), step("more")),
    ),
}


@pytest.fixture(params=PLANS)
def of(request: pytest.FixtureRequest) -> Plan:
    return PLANS[request.param]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_FIRST_PAUSE", SCALE)


def _check(of: Plan, undisturbed: Outcome, history: History, points: tuple[Point, ...]) -> None:
    outcome = history.outcome(of)

    assert history.complaints(of) == [], points
    assert outcome.statuses == undisturbed.statuses, points
    assert outcome.started == undisturbed.started, points
    assert outcome.beside.keys() == undisturbed.beside.keys(), points
    assert all(status.ended and status is not Status.ERROR for status in outcome.beside.values()), points


def _points() -> Iterator[Point]:
    return (Point(number, after) for number in itertools.count(1) for after in (False, True))


def test_a_crash_at_any_effect_changes_nothing(of: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    undisturbed = live_through(of, (), scale=SCALE)
    assert undisturbed.complaints(of) == []
    survived = 0

    for point in _points():
        history = live_through(of, (point,), scale=SCALE)
        _check(of, undisturbed.outcome(of), history, (point,))
        if history.died == (False,):
            break
        survived += 1

    with capsys.disabled():
        print(f" {survived} crash points survived", end="")  # noqa: T201 - the figure that this test is for
    assert survived >= 2 * undisturbed.effects - 2


def test_a_second_crash_while_the_first_is_mended_changes_nothing(of: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    undisturbed = live_through(of, (), scale=SCALE)
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    chance = random.Random(seed)
    with capsys.disabled():
        print(f" SEED={seed}", end="")  # noqa: T201 - without it a failure could not be repeated

    for _ in range(PAIRS):
        points = tuple(Point(chance.randint(1, undisturbed.effects), chance.random() < 0.5) for _ in range(2))
        history = live_through(of, points, scale=SCALE)
        _check(of, undisturbed.outcome(of), history, points)


def test_outputs_have_an_effect_that_a_crash_could_change() -> None:
    statuses = live_through(PLANS["outputs"], (), scale=SCALE).outcome(PLANS["outputs"]).statuses

    assert (statuses["use/a (1.1)"], statuses["asked/a (1.1)"]) == (Status.FAILURE, Status.SUCCESS)


def test_the_loop_sees_a_run_that_is_not_mended() -> None:
    """The harness itself: a life that dies leaves something to complain about, unless another takes over."""
    history = live_through(PLANS["steps"], (), scale=SCALE)
    history.world.runs.add("left")
    history.world.starts[next(iter(history.world.starts))] += 1

    complaints = history.complaints(PLANS["steps"])

    assert complaints[0] == "run left"
    assert complaints[1].endswith("was started 2 times")
