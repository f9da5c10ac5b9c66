"""A journal that cannot be written: a driver waits a moment, then leaves the run as it is to a later one."""

import threading
from collections.abc import Callable

import pytest

from runner import naming
from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine.job import Keep
from runner.engine.journal import Entry, Memory
from runner.errors import EngineTimeoutError, JournalError
from runner.plan.model import OnLost, Plan, PullPolicy
from runner.plan.status import Status
from tests.support.engine import RUN, SCALE, Life, Result, at, at_service, drive
from tests.support.failing import FailingJournal, nth
from tests.support.hooked import DEADLINE, Call, Fault, Hook, HookedBackend, Moment, nothing
from tests.support.plans import hanging, plan, service, stage, step, steps_only

TOUCHING = ("signal TERM", "signal KILL", "discard", "close_stage", "close_run", "release")
GAP = "nobody drove the run, as its journal had failed"


@pytest.fixture
def world() -> World:
    return World(scale=SCALE)


@pytest.fixture
def journal() -> Memory:
    return Memory()


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.engine.ledger._PATIENCE_SECONDS", 0.0)


def _end_of(path: str) -> Callable[[Entry], bool]:
    return lambda entry: entry.status.ended and entry.address.path == path


class _Broken:
    """A driver whose journal fails for good when step ``s/a`` has ended, but not before ``other`` has come.

    ``touched`` are the calls from then on. ``after`` is a hook.
    """

    def __init__(
        self, of: Plan, world: World, journal: Memory, other: Moment | None = None, after: Hook = nothing
    ) -> None:
        self.journal = FailingJournal(journal, _end_of("s/a"))
        self.touched: list[Call] = []
        self._other = other
        seeing = HookedBackend(FakeBackend(world), before=self._see, after=other or nothing)
        self.life = Life(of, backend=HookedBackend(seeing, after=after), journal=self.journal)

    def give_up(self) -> None:
        """Drive until the driver gives up."""
        with pytest.raises(JournalError, match="no space left") as caught:
            self.life.start().finish()
        assert caught.value.hint == "make room"

    def _see(self, call: Call) -> None:
        if self.journal.down.is_set() and call.verb in TOUCHING:
            self.touched.append(call)
        if (call.verb, call.path) == ("conclude", "s/a") and self._other is not None:
            self._other.wait()


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(("stage", "end", "fetch"))}


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("on_lost", OnLost)
def test_a_step_that_has_ended_while_the_journal_failed_is_a_success_and_ran_once(
    world: World, journal: Memory, on_lost: OnLost
) -> None:
    of = steps_only(step("a"), step("b"), on_lost=on_lost)
    broken = _Broken(of, world, journal)

    broken.give_up()
    assert (broken.touched, world.containers[at("s/a")].exit_code) == ([], 0)

    result = drive(of, world=world, journal=journal)
    assert (result.statuses, result.run.status) == ({"s/a": "success", "s/b": "success"}, Status.SUCCESS)
    assert set(world.starts.values()) == {1}
    assert leftovers(world) == ()


@pytest.mark.usefixtures("_impatient")
def test_what_runs_elsewhere_is_left_running_and_taken_up(world: World, journal: Memory) -> None:
    of = plan(
        stage("s", step("a")),
        stage("t", hanging("d", detach=True), step("a", seconds=40)),
        services=[service("db")],
    )
    before = _threads()
    broken = _Broken(of, world, journal, Moment("release", "t/a"))

    broken.give_up()
    assert broken.touched == []
    assert world.containers[at("t/a")].exit_code is None
    assert world.containers[at_service("db")].exit_code is None
    assert _threads() <= before

    result = drive(of, world=world, journal=journal)
    assert result.run.status is Status.SUCCESS
    assert world.starts == dict.fromkeys((at("s/a"), at("t/a"), at("t/d"), at_service("db")), 1)


@pytest.mark.usefixtures("_impatient")
def test_a_driver_that_gives_up_waits_for_what_its_threads_are_at(world: World, journal: Memory) -> None:
    """Whoever takes the run up in the same process would meet them else."""
    of = plan(stage("s", step("a")), stage("t", step("a")))
    done = threading.Event()

    def slow(call: Call) -> None:
        if (call.verb, call.path) == ("prepare", "t/a"):
            assert broken.journal.down.wait(DEADLINE)
            done.wait(0.2)
            done.set()

    broken = _Broken(of, world, journal, Moment("prepare", "t/a"), slow)
    broken.give_up()

    assert done.is_set()
    assert world.starts == {at("s/a"): 1}


@pytest.mark.usefixtures("_impatient")
def test_a_driver_that_gives_up_waits_for_no_download(world: World, journal: Memory) -> None:
    of = plan(stage("s", step("a")), stage("t", step("a", image="i", pull=PullPolicy.ON_START)))
    over = threading.Event()

    def hang(call: Call) -> None:
        if (call.verb, call.path) == ("fetch", "i"):
            over.wait(2 * DEADLINE)

    _Broken(of, world, journal, Moment("fetch", "i"), hang).give_up()
    over.set()


@pytest.mark.usefixtures("_impatient")
def test_the_output_of_what_goes_on_has_a_gap_that_says_so_and_that_of_the_others_has_none(
    world: World, journal: Memory
) -> None:
    of = plan(stage("s", step("a")), stage("t", step("a", seconds=40)))
    broken = _Broken(of, world, journal, Moment("release", "t/a"))

    broken.give_up()

    logs = broken.life.logs.found
    assert (logs[naming.log(at("t/a"))].gaps, logs[naming.log(at("s/a"))].gaps) == ([GAP], [])


@pytest.mark.usefixtures("_impatient")
def test_a_step_of_which_nobody_knows_whether_it_goes_on_has_a_gap(world: World, journal: Memory) -> None:
    away = HookedBackend(FakeBackend(world), before=Fault("conclude", "s/a", EngineTimeoutError("no answer")))
    life = Life(steps_only(step("a")), backend=away, journal=FailingJournal(journal, _end_of("s/a")))

    with pytest.raises(JournalError):
        life.start().finish()

    assert life.logs.found[naming.log(at("s/a"))].gaps == [GAP]


@pytest.mark.usefixtures("_impatient")
def test_a_run_that_is_cancelled_while_its_journal_fails_ends_its_steps_when_it_can_be_written_again(
    world: World, journal: Memory
) -> None:
    of = plan(stage("s", step("a")), stage("t", hanging("a")))
    broken = _Broken(of, world, journal, Moment("release", "t/a"))
    life = broken.life.start()
    assert broken.journal.down.wait(DEADLINE)
    life.driver.cancel()
    with pytest.raises(JournalError):
        life.finish()
    assert broken.touched == []

    later = Life(of, world=world, journal=journal)
    later.driver.cancel()
    result = later.start().finish()

    assert (result.run.status, result.statuses) == (Status.CANCELLED, {"s/a": "success", "t/a": "cancelled"})
    assert result.standing("t/a").exit_code == 143


@pytest.mark.usefixtures("_impatient")
def test_wherever_the_journal_fails_the_volumes_of_the_run_stay(world: World, journal: Memory) -> None:
    of = steps_only(step("a", 1))
    life = Life(of, world=world, journal=FailingJournal(journal, _end_of("s")), keep=Keep.FAILED)
    with pytest.raises(JournalError):
        life.start().finish()

    assert RUN in world.runs
    assert drive(of, world=world, journal=journal, keep=Keep.FAILED).run.status is Status.FAILURE
    assert world.kept == {RUN}


@pytest.mark.parametrize("late", [False, True])
def test_a_short_failure_at_any_entry_is_ridden_out(monkeypatch: pytest.MonkeyPatch, *, late: bool) -> None:
    monkeypatch.setattr("runner.engine.ledger._FIRST_PAUSE", 0.001)
    of = plan(
        stage("a", step("x", 1, retry=1), hanging("d", detach=True), step("y", status=["failure"])),
        stage("b", step("z"), needs=("a",)),
        services=[service("db")],
    )
    whole = drive(of)

    for number in range(1, len(whole.entries) + 1):
        world, journal = World(scale=SCALE), Memory()
        result = drive(of, world=world, journal=FailingJournal(journal, nth(number), times=2, late=late))
        assert _told(result) == _told(whole), number
        assert set(world.starts.values()) == {1}, number
        assert leftovers(world) == (), number


def _told(result: Result) -> tuple[Status, dict[str, str], dict[str, str], int]:
    return result.run.status, result.stages, result.statuses, len(result.entries)
