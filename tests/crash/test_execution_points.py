"""A driver that dies at its n-th effect, for every n, in runs with forks, decisions and pauses.

As ``test_crash_loop``. What a step prints is what references meant to it: a later life finds the same values. A run
that is paused is resumed in the same life, so that lives end before, at and after both. After an effect is before the
next one, so that of both one is taken, by the seed; with ``--all`` each.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.engine import children
from runner.engine.job import Keep
from runner.engine.run import Driver
from runner.engine.state import Standing
from runner.plan.model import BlockedBy, Plan
from runner.plan.status import Status
from tests.support.crash import Ground, Point, again, crash, fresh, live_through
from tests.support.engine import at
from tests.support.executions import execution, executions, fork, task
from tests.support.plans import service, stage
from tests.support.surviving import check, pair, survive

SCALE = 0.005
PAIRS, SAMPLE_OF_PAIRS = 60, 6
FIND = execution("FIND", task("p/s", returns='["a", "b", "c"]'), links={"word": "from FIND"})
OVER = "!FIND.pipelineParameters.p.s.primaryReturn"
SAYS: dict[str, Any] = {"text": "!{executionForkValue} of !{executionForkValues}", "returns": "r-!{executionForkValue}"}
FAILS = {"FAKE_EXIT": "!executionForkValue"}
WISHES = {"FAKE_WISH": "!executionForkValue"}
JOINED = "!{EACH.pipelineParameters} !{EACH.globals}"
HANGS = {"FAKE_HANG": "1"}

Tell = Callable[[str], None]

PLANS = {
    "fork": executions(
        FIND,
        fork("EACH", task("p/s", seconds=1, global_="g=x", **SAYS), over=OVER, inside=["IN"], parents=["FIND"]),
        execution(
            "IN",
            task("q/s", text="!EACH.pipelineParameters.p.s.primaryReturn", returns="i-!{executionForkValue}"),
            parents=["EACH"],
        ),
        execution("ALL", task("p/s", text="!{IN.pipelineParameters} !{word}"), parents=["IN"]),
    ),
    "forks in a fork": executions(
        fork("OUT", task("p/s"), over=["a", "b"], inside=["INN", "IJ"], globals={"m": [1, 2]}),
        fork("INN", task("p/s", **SAYS), over="!OUT.globals.m", parents=["OUT"]),
        execution("IJ", task("p/s", returns="!INN.pipelineParameters[1].p.s.primaryReturn"), parents=["INN"]),
        execution("OJ", task("p/s", text="!IJ.pipelineParameters"), parents=["IJ"]),
    ),
    "one at a time": executions(
        fork("EACH", task("p/s", **SAYS), over=["a", "b", "c"], inside=["IN"], limit=1),
        execution("IN", task("p/s", seconds=1), parents=["EACH"]),
        execution("ALL", task("p/s", text="!IN.pipelineParameters"), parents=["IN"]),
    ),
    "a branch fails": executions(
        FIND,
        fork("EACH", task("p/s", fake=FAILS), task("p/t"), over=[0, 3, 0], inside=["IN"], parents=["FIND"]),
        execution("IN", task("p/s", returns="done"), parents=["EACH"]),
        execution("ALL", task("p/s"), parents=["IN"]),
        execution("ALWAYS", task("p/s", text="!IN.pipelineParameters"), parents=["IN"], blocked_by=BlockedBy.NOTHING),
    ),
    "a branch is skipped": executions(
        fork(
            "EACH",
            task("ev/s", fake=WISHES, returns="seen", evaluates=True),
            task("p/s", returns="built"),
            over=["", "skip:not this", ""],
        ),
        execution("ALL", task("p/s", text="!EACH.pipelineParameters"), parents=["EACH"]),
    ),
    "a branch is stopped": executions(
        fork("EACH", task("ev/s", fake=WISHES, evaluates=True), task("p/s"), over=["stop:not this", ""]),
        execution("ALL", task("p/s"), parents=["EACH"]),
    ),
    "no values": executions(
        execution("FIND", task("p/s", returns="[]"), links={"word": "from FIND"}),
        fork("EACH", task("p/s"), over=OVER, inside=["IN"], parents=["FIND"]),
        execution("IN", task("p/s"), parents=["EACH"]),
        execution("ALL", task("p/s", text="!{IN.pipelineParameters} !{word}"), parents=["IN"]),
    ),
    "no list": executions(
        FIND,
        fork("EACH", task("p/s"), over="!FIND.globals.none", inside=["IN"], parents=["FIND"]),
        execution("IN", task("p/s"), parents=["EACH"]),
        execution("BESIDE", task("p/s", seconds=1), parents=["FIND"]),
    ),
    "matrix": executions(
        stage("find", task("s", returns="[0, 3, 0]")),
        stage(
            "each",
            task("s", fake=FAILS),
            task("t"),
            needs=("find",),
            fork=fork("x", over=OVER.replace("FIND", "find")).fork,
        ),
        stage("after", task("s"), task("told", status=["failure"]), needs=("each",)),
    ),
    "pause": executions(
        execution(
            "A", task("p/a", global_="g=y", returns="x"), task("p/b", wish="pause"), task("p/c", text="@{a} !{g}")
        ),
        execution("B", task("p/s", text="!A.pipelineParameters"), parents=["A"]),
        execution("BESIDE", task("p/s", seconds=1), task("p/t")),
        services=[service("db")],
    ),
    "pauses": executions(
        execution(
            "A",
            task("p/w", fake=HANGS, detach=True),
            task("ev/s", wish="pause:one", evaluates=True),
            task("ev/t", evaluates=True),
            task("p/a", wish="pause:two"),
            task("p/b"),
        ),
    ),
    "pause in a branch": executions(
        fork("EACH", task("p/s", fake=WISHES, **{**SAYS, "text": ""}), task("p/t"), over=["", "pause:b", ""], limit=1),
        execution("ALL", task("p/s", text=JOINED), parents=["EACH"]),
    ),
}
RERUN = executions(
    FIND,
    fork("EACH", task("p/s", returns="!executionForkValue"), over=OVER, inside=["IN"], parents=["FIND"]),
    execution("IN", task("p/s", returns="i"), parents=["EACH"]),
    execution("ALL", task("p/s", 1, text="!{IN.pipelineParameters} !{word}"), parents=["IN"]),
    execution("ALWAYS", task("p/s", text=JOINED), parents=["EACH"]),
)


@pytest.fixture(params=PLANS)
def of(request: pytest.FixtureRequest) -> Plan:
    return PLANS[request.param]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_LOOK_SECONDS", SCALE)


@pytest.fixture
def chance(request: pytest.FixtureRequest, tell: Tell) -> random.Random:
    tell(f"SEED={request.config.option.seed}")
    return random.Random(request.config.option.seed)


def test_a_crash_at_any_effect_changes_nothing_of_executions(
    of: Plan, chance: random.Random, tell: Tell, request: pytest.FixtureRequest
) -> None:
    tell(survive(lambda: fresh(of, scale=SCALE), chance=None if request.config.option.all else chance))


def test_a_second_crash_while_the_first_is_mended_changes_nothing_of_executions(
    of: Plan, chance: random.Random, tell: Tell, request: pytest.FixtureRequest
) -> None:
    undisturbed = live_through(fresh(of, scale=SCALE), ())
    pairs = PAIRS if request.config.option.all else SAMPLE_OF_PAIRS

    for _ in range(pairs):
        died = pair(chance, undisturbed.effects)
        check(undisturbed.outcome(), live_through(fresh(of, scale=SCALE), died), died)
    tell(f"{pairs} pairs survived")


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    """Return new empty folders."""
    return (tmp_path / str(number) for number in range(1000))


def test_a_crash_at_any_effect_of_a_rerun_behind_a_fork_changes_nothing(
    folders: Iterator[Path], chance: random.Random, tell: Tell, request: pytest.FixtureRequest
) -> None:
    def ground() -> Ground:
        return again(RERUN, "", next(folders), scale=SCALE)

    outcome = live_through(ground(), ()).outcome()

    assert {path.partition("/")[0] for path in outcome.started} == {"ALL"}
    assert outcome.branches == {"EACH": 3}
    assert outcome.texts["ALL/p/s (1.1)"].endswith("from FIND")
    tell(survive(ground, chance=None if request.config.option.all else chance))


def test_what_references_mean_has_an_effect_that_a_crash_could_change() -> None:
    texts = live_through(fresh(PLANS["fork"], scale=SCALE), ()).outcome().texts

    slots, _, word = texts["ALL/p/s (1.1)"].partition("] ")
    assert [texts[f"IN[{index}]/q/s (1.1)"] for index in range(3)] == ["r-a", "r-b", "r-c"]
    assert word == "from FIND"
    assert [slot["q"]["s"]["primaryReturn"] for slot in json.loads(f"{slots}]")] == ["i-a", "i-b", "i-c"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a branch fails", {"": "failure", "ALL": "not_run", "ALWAYS": "success", "IN[1]": "not_run"}),
        ("a branch is skipped", {"": "success", "EACH[1]": "skipped", "ALL": "success"}),
        ("a branch is stopped", {"": "failure", "EACH[0]": "stopped", "EACH[1]": "success", "ALL": "not_run"}),
        ("no values", {"": "success", "EACH": "success", "ALL": "success"}),
        ("no list", {"": "failure", "EACH": "failure", "IN": "not_run", "BESIDE": "success"}),
        ("matrix", {"": "failure", "each[1]": "failure", "each[2]": "success", "after": "success"}),
    ],
)
def test_the_runs_come_to_what_they_are_for(name: str, said: dict[str, str]) -> None:
    statuses = live_through(fresh(PLANS[name], scale=SCALE), ()).outcome().statuses

    assert {path: statuses[f"{path} (1.1)"] for path in said} == said


@pytest.mark.parametrize(("name", "pauses"), [("pause", 1), ("pauses", 2), ("pause in a branch", 1)])
def test_a_run_that_is_paused_goes_on_when_somebody_resumes_it(name: str, pauses: int) -> None:
    entries = live_through(fresh(PLANS[name], scale=SCALE), ()).ground.journal.read()

    assert [entry.status for entry in entries if not entry.address.stage] == [
        *(Status.RUNNING, Status.PAUSED) * pauses,
        Status.RUNNING,
        Status.SUCCESS,
    ]


def test_lives_end_right_before_and_after_a_pause_and_a_resume() -> None:
    found = set()
    for number in range(1, 100):
        ground = fresh(PLANS["pauses"], scale=SCALE)
        crash(ground, Point(number, after=True))
        entries = ground.journal.read()
        found.add((str(entries[-1].address.path), entries[-1].status) if entries else ("", Status.PENDING))

    assert {("A", Status.PAUSED), ("", Status.PAUSED), ("", Status.RUNNING)} <= found


def test_the_loop_sees_a_paused_run_that_is_driven_on(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = Driver.drive

    def drive(driver: Driver) -> Standing:
        found = inner(driver)
        if driver.paused:
            driver._ledger.record(at("B"), Status.PENDING)
        return found

    monkeypatch.setattr(Driver, "drive", drive)

    with pytest.raises(AssertionError, match="a paused run was driven on"):
        live_through(fresh(PLANS["pause"], scale=SCALE), ())


def test_the_loop_sees_volumes_that_stay_and_such_as_do_not() -> None:
    succeeded = live_through(fresh(PLANS["no values"], scale=SCALE), ())
    succeeded.world.kept.add(succeeded.ground.job.id)
    failed = fresh(PLANS["no list"], scale=SCALE)
    failed = replace(failed, job=replace(failed.job, keep=Keep.FAILED))
    gone = live_through(failed, ())
    gone.world.kept.clear()

    assert (succeeded.complaints(), gone.complaints()) == (["its volumes are kept"], ["its volumes are gone"])
