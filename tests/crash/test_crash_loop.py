"""SQLite's loop: die at the n-th effect, for every n; drive again; nothing may be lost, repeated or left behind.

A step whose container ended while nobody drove is adopted with its true code, so the outcome is that of a run without
a crash. What runs beside the steps may have been asked to end by a life that died before it wrote so: then only its
exit code is left to judge it by.
"""

import itertools
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.engine import children, readiness
from runner.engine.run import Driver
from runner.engine.state import RunState
from runner.errors import JournalError
from runner.naming import Address
from runner.pipelinectl.saved import Saved, Saves
from runner.pipelinectl.values import Store
from runner.plan.model import BlockedBy, OnLost, Plan, PullPolicy, Ready, Rules, Ruleset
from runner.plan.status import Status
from runner.store.sql.database import Database
from runner.store.sql.journal import SqlJournal
from runner.store.sql.runs import NewRun, Runs
from tests.support.children import apart, triggering
from tests.support.crash import CrashingBackend, Ground, Mortality, Point, again, fresh, live_through
from tests.support.engine import RUN, Recorders, at
from tests.support.failing import FailingJournal, nth
from tests.support.plans import hanging, plan, service, stage, step, steps_only
from tests.support.surviving import check, pair, points, survive

SCALE = 0.004
PAIRS = 20
BOTH = ("success", "failure")
BROKEN = {"FAKE_START_ERROR": "no such user"}
HANDED = {"FAKE_SET_ENV": "url=https://x", "FAKE_EXPORT_ENV": "url"}
LATE = step("b", late=True, user="${CODE}", status=BOTH)
SLOW = {"FAKE_HANG": "1", "FAKE_READY_AFTER": "1"}

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
    "lost": plan(
        stage("a", step("x", fake={"FAKE_VANISH": "2"}), step("y", seconds=1), on_lost=OnLost.RERUN),
        stage("b", step("x", fake={"FAKE_VANISH": "1"}), step("y", status=["failure"]), needs=("a",)),
    ),
    "async": plan(
        stage(
            "a", step("x", fake=HANDED, status=BOTH), triggering("t", "scan", "check", "scan", seconds=1, status=BOTH)
        ),
        stage("b", triggering("t", "scan", exit_code=3)),
        async_stages=(apart("scan"), apart("check")),
    ),
    "blocked": plan(
        stage("scan", step("x", 1), step("y"), allow_failure=True, blocked_by=BlockedBy.RUN),
        stage("test", step("x", 2, seconds=1), step("off", skip="when: false"), needs=("scan",)),
        stage("deploy", step("x", status=BOTH), needs=("test",), blocked_by=BlockedBy.RUN),
        stage("finish", step("x"), needs=("scan", "test", "deploy"), independent=True),
    ),
    "fault": plan(
        stage("setup", step("x", status=BOTH), blocked_by=BlockedBy.RUN),
        stage("lacking", step("x"), step("y"), fault="it is not defined", needs=("setup",)),
        stage("finish", step("x"), needs=("setup", "lacking"), independent=True),
        stage("told", step("x", status=["failure"]), needs=("setup",)),
    ),
}
WHOLE = plan(
    stage("left", step("a", fake={"FAKE_SET_ENV": "X=1"}), step("b", 1), step("told", status=["failure"])),
    stage("right", step("a", seconds=1, status=BOTH, fake={"FAKE_SAVE_FILE": "report=all is well"})),
    stage("top", step("a", status=BOTH, fake={"FAKE_SET_ENV": "X=2"}), needs=("left", "right")),
    services=[service("db", fake=SLOW, ready=Ready(port=1))],
)
RERUN = plan(
    stage("done", step("a", fake={"FAKE_SET_ENV": "X=1"}), step("b", fake={"FAKE_OUTPUT": "CODE=3"})),
    stage("apart", step("a", status=BOTH, fake={"FAKE_SAVE_FILE": "report=all is well"})),
    stage("broken", step("a", fake={"FAKE_EXIT": "$CODE"}), step("b", status=["failure"]), needs=("done", "apart")),
    stage("after", step("a", seconds=1, status=BOTH), needs=("broken",)),
    services=[service("db", fake=SLOW, ready=Ready(port=1))],
    origins=(step("vault", fake={"FAKE_MASKED_OUTPUT": "TOKEN=geheim"}),),
    outputs="/outputs",
)


@pytest.fixture(params=PLANS)
def of(request: pytest.FixtureRequest) -> Plan:
    return PLANS[request.param]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_FIRST_PAUSE", SCALE)
    monkeypatch.setattr(children, "_LOOK_SECONDS", SCALE)


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Return what prints the figures that these tests are for."""

    def print_anyway(text: str) -> None:
        with capsys.disabled():
            print(f" {text}", end="")  # noqa: T201 - nobody would see them otherwise

    return print_anyway


def test_a_crash_at_any_effect_changes_nothing(of: Plan, tell: Callable[[str], None]) -> None:
    tell(survive(lambda: fresh(of, scale=SCALE)))


def test_a_crash_at_any_effect_changes_nothing_where_no_step_is_started_before_its_turn(
    tell: Callable[[str], None],
) -> None:
    before = live_through(fresh(PLANS["steps"], scale=SCALE), ()).effects
    effects = live_through(fresh(PLANS["steps"], scale=SCALE, prestart=False), ()).effects

    assert effects < before
    tell(survive(lambda: fresh(PLANS["steps"], scale=SCALE, prestart=False)))


def test_a_second_crash_while_the_first_is_mended_changes_nothing(of: Plan, tell: Callable[[str], None]) -> None:
    undisturbed = live_through(fresh(of, scale=SCALE), ())
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    chance = random.Random(seed)
    tell(f"SEED={seed}")

    for _ in range(PAIRS):
        died = pair(chance, undisturbed.effects)
        history = live_through(fresh(of, scale=SCALE), died)
        check(undisturbed.outcome(), history, died)


def test_a_run_that_is_cancelled_after_a_crash_ends_what_had_begun_and_begins_nothing(
    tell: Callable[[str], None],
) -> None:
    cancelled = 0
    for point in points():
        ground = fresh(WHOLE, scale=SCALE)
        live_through(ground, (point,), cancelled=True)
        history = live_through(ground, ())
        status = RunState(RUN, WHOLE, ground.journal.read()).standing(Address(RUN)).status
        assert history.complaints() == [], point
        assert all(found.ended for found in history.outcome().statuses.values()), point
        if status is Status.FAILURE:
            break
        assert status is Status.CANCELLED, point
        cancelled += 1
    tell(f"{cancelled} crash points cancelled")
    assert cancelled > 1


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield an empty folder in memory, where there is such: only processes die here, and disks are slow to be sure."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as found:
        yield Path(found)


@pytest.fixture
def folders(folder: Path) -> Iterator[Path]:
    """Return new empty folders."""
    return (folder / str(number) for number in itertools.count())


def test_a_crash_does_not_change_what_is_saved_at_the_start_of_a_stage_and_at_the_end(
    folders: Iterator[Path], tell: Callable[[str], None]
) -> None:
    def saved(ground: Ground) -> tuple[Saved, bytes, Store | None]:
        assert ground.job.saves is not None
        saves = Saves(ground.job.saves)
        found = saves.read(at("top"))
        assert found.files is not None
        return Saved(values=found.values, left=found.left), found.files.read_bytes(), saves.read_end(Address(RUN))

    def ground() -> Ground:
        found = fresh(WHOLE, scale=SCALE, saves=next(folders))
        return replace(found, job=replace(found.job, values=True))

    figure = survive(ground, saved)

    tell(figure)


def test_a_crash_at_any_effect_of_a_rerun_changes_nothing(folders: Iterator[Path], tell: Callable[[str], None]) -> None:
    tell(survive(lambda: again(RERUN, "", next(folders), scale=SCALE)))


def test_a_rerun_runs_only_what_is_to_be_run_again_on_the_layers_of_the_first(folders: Iterator[Path]) -> None:
    history = live_through(again(RERUN, "", next(folders), scale=SCALE), ())
    outcome = history.outcome()

    assert {name.partition("/")[0] for name in outcome.started} == {"@secrets", "@services", "broken", "after"}
    assert outcome.layers["broken (1.1)"] == (replace(at("@secrets"), run=""), at("done"), at("apart"))
    assert outcome.statuses["broken/a (1.1)"] is Status.FAILURE


def test_a_crash_at_any_effect_changes_nothing_in_a_database(folder: Path, tell: Callable[[str], None]) -> None:
    database = Database.open(f"sqlite:///{folder}/runner.db", tell)
    numbers = itertools.count()

    def ground() -> Ground:
        run = f"{next(numbers):08x}"
        Runs(database).add(NewRun(id=run, ordered="{}"))
        found = fresh(WHOLE, scale=SCALE)
        return replace(found, job=replace(found.job, id=run), journal=SqlJournal(database, run))

    def row(found: Ground) -> Status:
        return Runs(database).get(found.job.id).status

    tell(survive(ground, row))
    database.close()


def test_a_journal_that_fails_at_any_entry_changes_nothing(
    of: Plan, monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], None]
) -> None:
    monkeypatch.setattr("runner.engine.ledger._PATIENCE_SECONDS", 0.0)
    undisturbed = live_through(fresh(of, scale=SCALE), ())
    for number in itertools.count(1):
        ground = fresh(of, scale=SCALE)
        given_up = _gives_up(ground, number)
        check(undisturbed.outcome(), live_through(ground, ()), (Point(number),))
        if not given_up:
            break
    tell(f"{number - 1} failures survived")
    assert number > len(undisturbed.ground.journal.read()) / 2


def _gives_up(ground: Ground, number: int) -> bool:
    """Drive a run whose journal fails for good at an entry; return whether its driver gave up. It stays alive."""
    driver = Driver(
        job=ground.job,
        journal=FailingJournal(ground.journal, nth(number)),
        backend=CrashingBackend(ground.world, ground.journal, Mortality(), ground.texts),
        logs=Recorders(),
        observer=lambda _: None,
        children=ground.children,
    )
    try:
        driver.drive()
    except JournalError:
        return True
    return False


def test_outputs_have_an_effect_that_a_crash_could_change() -> None:
    statuses = live_through(fresh(PLANS["outputs"], scale=SCALE), ()).outcome().statuses

    assert (statuses["use/a (1.1)"], statuses["asked/a (1.1)"]) == (Status.FAILURE, Status.SUCCESS)


def test_what_is_lost_is_run_again_where_the_stage_says_so() -> None:
    statuses = live_through(fresh(PLANS["lost"], scale=SCALE), ()).outcome().statuses

    assert [statuses[f"a/x (1.{attempt})"] for attempt in (1, 2, 3)] == [Status.LOST, Status.LOST, Status.SUCCESS]
    assert (statuses["b/x (1.1)"], statuses["b/y (1.1)"], statuses["b (1.1)"]) == (
        Status.LOST,
        Status.SUCCESS,
        Status.LOST,
    )


def test_the_loop_sees_a_run_that_is_not_mended() -> None:
    """The harness itself: a life that dies leaves something to complain about, unless another takes over."""
    history = live_through(fresh(PLANS["steps"], scale=SCALE), ())
    history.world.runs.add("left")
    history.world.starts[next(iter(history.world.starts))] += 1

    complaints = history.complaints()

    assert complaints[0] == "run left"
    assert complaints[1].endswith("was started 2 times")


def test_async_stages_are_started_as_often_as_steps_ask_for_them_with_what_these_hand_over() -> None:
    history = live_through(fresh(PLANS["async"], scale=SCALE), ())

    assert history.outcome().children == ("check", "scan", "scan", "scan")
    assert sum(payload.values == {"url": "https://x"} for payload in history.ground.children.payloads) >= 3


def test_what_blocks_has_an_effect_that_a_crash_could_change() -> None:
    statuses = live_through(fresh(PLANS["blocked"], scale=SCALE), ()).outcome().statuses

    assert (statuses["scan (1.1)"], statuses["test (1.1)"]) == (Status.FAILURE, Status.FAILURE)
    assert (statuses["deploy (1.1)"], statuses["finish (1.1)"]) == (Status.NOT_RUN, Status.SUCCESS)


def test_a_fault_has_an_effect_that_a_crash_could_change() -> None:
    statuses = live_through(fresh(PLANS["fault"], scale=SCALE), ()).outcome().statuses

    assert (statuses["lacking (1.1)"], statuses["lacking/y (1.1)"]) == (Status.FAILURE, Status.CANCELLED)
    assert (statuses["setup (1.1)"], statuses["told/x (1.1)"]) == (Status.NOT_RUN, Status.SUCCESS)
