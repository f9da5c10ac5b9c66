"""A run that another life has begun: what is taken up or lost, how it is cancelled, and who keeps away from it."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine.backend import STDOUT, Ending, Output
from runner.engine.journal import Entry, Memory
from runner.errors import EngineRefusedError, EngineTimeoutError, SupersededError
from runner.naming import Address, log
from runner.plan.model import OnLost, Plan, PullPolicy
from runner.plan.status import Status
from tests.support.crash import Crash
from tests.support.engine import SCALE, Life, Result, at, at_service, drive
from tests.support.hooked import DEADLINE, Call, Fault, HookedBackend, Moment
from tests.support.plans import hanging, plan, service, stage, step, steps_only

TOUCHING = ("signal TERM", "signal KILL", "discard", "close_stage", "close_run", "release", "put_values")


@pytest.fixture
def world() -> World:
    return World(scale=SCALE)


@pytest.fixture
def journal() -> Memory:
    return Memory()


def _dies(of: Plan, world: World, journal: Memory, verb: str, path: str) -> None:
    """Drive a plan until a call has been made, and die there."""
    life = Life(of, backend=HookedBackend(FakeBackend(world), after=Fault(verb, path, Crash())), journal=journal)
    with pytest.raises(Crash):
        life.start().finish()
    world.client_dies()


class _Noted:
    """A hook that notes what a verb is called for."""

    def __init__(self, verb: str) -> None:
        self.paths: list[str] = []
        self._verb = verb

    def __call__(self, call: Call) -> None:
        if call.verb == self._verb:
            self.paths.append(call.path)


def _vanish(world: World, address: Address) -> None:
    with world.lock:
        world.containers.pop(address)


def _cancelled(of: Plan, **options: Any) -> Result:  # noqa: ANN401 - the options of `Life`
    """Drive a run that was cancelled before."""
    life = Life(of, **options)
    life.driver.cancel()
    return life.start().finish()


def test_a_step_that_has_printed_is_lost_where_nothing_of_its_run_is_left_and_not_run_again(
    world: World, journal: Memory
) -> None:
    of = steps_only(hanging("a"), step("b", status=["failure"]))
    _dies(of, world, journal, "release", "s/a")
    life = Life(of, world=World(scale=SCALE), journal=journal)  # containers, network and volumes were removed
    life.logs.open(log(at("s/a"))).write(STDOUT, b"words\n")

    result = life.start().finish()

    assert result.statuses == {"s/a": "lost", "s/b": "success"}
    assert result.reason("s/a") == "its container was gone when the runner came back"


def test_a_step_whose_container_has_gone_while_nobody_drove_is_lost_and_not_run_again(
    world: World, journal: Memory
) -> None:
    of = steps_only(hanging("a"), step("b", status=["failure"]))
    _dies(of, world, journal, "release", "s/a")
    _vanish(world, at("s/a"))

    result = drive(of, world=world, journal=journal)

    assert result.statuses == {"s/a": "lost", "s/b": "success"}
    assert result.reason("s/a") == "its container was gone when the runner came back"
    assert (world.starts[at("s/a")], result.run.status) == (1, Status.LOST)
    assert leftovers(world) == ()


def test_it_is_run_again_as_an_attempt_of_its_own_where_its_stage_says_so(world: World, journal: Memory) -> None:
    of = steps_only(step("a", seconds=1), step("b"), on_lost=OnLost.RERUN)
    _dies(of, world, journal, "release", "s/a")
    _vanish(world, at("s/a"))

    result = drive(of, world=world, journal=journal)

    assert result.state.standing(at("s/a")).status is Status.LOST
    assert result.state.standing(at("s/a", attempt=2)).status is Status.SUCCESS
    assert result.run.status is Status.SUCCESS


def test_a_step_that_goes_on_losing_its_container_is_given_up() -> None:
    result = drive(steps_only(step("a", fake={"FAKE_VANISH": "9"}), on_lost=OnLost.RERUN))

    assert [result.state.standing(at("s/a", attempt=number)).status for number in range(1, 6)] == [
        *[Status.LOST] * 4,
        Status.PENDING,
    ]


def test_a_step_that_was_never_released_runs(world: World, journal: Memory) -> None:
    _dies(steps_only(step("a")), world, journal, "prepare", "s/a")
    _vanish(world, at("s/a"))

    assert drive(steps_only(step("a")), world=world, journal=journal).run.status is Status.SUCCESS
    assert world.starts == {at("s/a"): 1}


def test_a_service_that_has_gone_is_started_again(world: World, journal: Memory) -> None:
    of = plan(stage("s", step("a")), services=[service("db")])
    _dies(of, world, journal, "release", "s/a")
    _vanish(world, at_service("db"))

    assert drive(of, world=world, journal=journal).run.status is Status.SUCCESS
    assert world.starts[at_service("db")] == 2


@pytest.mark.parametrize("ended", [False, True])
def test_a_detached_step_that_has_gone_is_lost_and_the_run_goes_on(
    world: World, journal: Memory, *, ended: bool
) -> None:
    of = plan(stage("s", hanging("d", detach=True), step("a")), stage("t", step("a"), needs=("s",)))
    _dies(of, world, journal, "release", "t/a" if ended else "s/a")
    _vanish(world, at("s/d"))

    result = drive(of, world=world, journal=journal)

    assert (result.status("s/d"), result.run.status) == (Status.LOST, Status.SUCCESS)
    assert world.starts[at("s/d")] == 1


def test_the_image_of_what_runs_already_is_not_pulled_again(world: World, journal: Memory) -> None:
    of = steps_only(step("a", image="i", pull=PullPolicy.ON_START, seconds=1), step("b", pull=PullPolicy.ALWAYS))
    _dies(of, world, journal, "release", "s/a")
    world.fetched.clear()

    assert drive(of, world=world, journal=journal).run.status is Status.SUCCESS
    assert world.fetched == [("busybox:local", False)]


@pytest.mark.parametrize("verb", ["fetch", "prepare"])
def test_the_image_of_what_had_not_started_is_pulled(world: World, journal: Memory, verb: str) -> None:
    of = steps_only(step("a", image="i", pull=PullPolicy.ON_START))
    _dies(of, world, journal, verb, "i" if verb == "fetch" else "s/a")
    world.fetched.clear()

    assert drive(of, world=world, journal=journal).run.status is Status.SUCCESS
    assert world.fetched == [("i", True)]


def test_a_run_that_is_cancelled_while_nobody_drives_it_ends_its_steps_as_politely_as_ever(
    world: World, journal: Memory
) -> None:
    of = plan(
        stage("s", hanging("d", detach=True), hanging("a"), step("b")),
        stage("t", step("a"), needs=("s",)),
        services=[service("db")],
    )
    _dies(of, world, journal, "release", "s/a")

    result = _cancelled(of, world=world, journal=journal)

    assert (result.run.status, result.stages) == (Status.CANCELLED, {"s": "cancelled", "t": "cancelled"})
    assert (result.status("s/a"), result.standing("s/a").exit_code) == (Status.CANCELLED, 143)
    assert result.state.standing(at_service("db")).exit_code == 143
    assert result.standing("s/d").exit_code == 143
    assert set(world.starts) == {at("s/d"), at("s/a"), at_service("db")}
    assert leftovers(world) == ()


def test_a_step_that_ended_before_the_cancel_was_seen_keeps_its_own_ending(world: World, journal: Memory) -> None:
    of = steps_only(step("a", 3), step("b"))
    _dies(of, world, journal, "release", "s/a")
    assert _until(lambda: world.containers[at("s/a")].exit_code == 3)

    result = _cancelled(of, world=world, journal=journal)

    assert (result.status("s/a"), result.standing("s/a").exit_code) == (Status.FAILURE, 3)
    assert (result.statuses["s/b"], result.run.status) == ("cancelled", Status.CANCELLED)


@pytest.mark.parametrize(("verb", "path"), [("prepare", "s/a"), ("open_stage", "s"), ("open_run", "")])
def test_what_had_not_started_does_not_start_in_a_run_that_is_cancelled(
    world: World, journal: Memory, verb: str, path: str
) -> None:
    of = plan(stage("s", step("a"), step("b")), services=[service("db")])
    _dies(of, world, journal, verb, path)
    before = dict(world.starts)

    result = _cancelled(of, world=world, journal=journal)

    assert (result.run.status, result.statuses) == (Status.CANCELLED, {"s/a": "cancelled", "s/b": "cancelled"})
    assert result.reason("s/a") == "not started: it was cancelled"
    assert (world.starts, leftovers(world)) == (before, ())


def test_nothing_is_made_ready_behind_a_step_that_is_only_taken_up_to_be_ended(world: World, journal: Memory) -> None:
    of = steps_only(hanging("a"), step("b"))
    _dies(of, world, journal, "release", "s/a")
    prepared = _Noted("prepare")

    _cancelled(of, backend=HookedBackend(FakeBackend(world), before=prepared), journal=journal)

    assert prepared.paths == ["s/a"]


def test_a_run_all_of_which_was_done_is_not_cancelled_any_more(world: World, journal: Memory) -> None:
    of = steps_only(step("a"))
    drive(of, world=world, journal=journal)

    assert _cancelled(of, world=world, journal=journal).run.status is Status.SUCCESS


def _until(seen: Callable[[], bool]) -> bool:
    waited = threading.Event()
    return any(seen() or waited.wait(0.01) for _ in range(int(DEADLINE / 0.01)))


class _Watched(HookedBackend):
    """A backend of a driver that is replaced at a call: tells what it touches afterwards."""

    def __init__(self, world: World, journal: Memory, verb: str, path: str, error: Exception | None = None) -> None:
        super().__init__(FakeBackend(world), before=self._see)
        self.touched: list[Call] = []
        self.replaced = threading.Event()
        self._journal = journal
        self._at = (verb, path)
        self._error = error

    def _see(self, call: Call) -> None:
        if self.replaced.is_set() and call.verb in TOUCHING:
            self.touched.append(call)
        if (call.verb, call.path) == self._at and not self.replaced.is_set():
            self._journal.take()
            self.replaced.set()
            if self._error is not None:
                raise self._error


TROUBLE = EngineTimeoutError("no answer")


@pytest.mark.parametrize(
    ("verb", "path", "error"),
    [
        ("open_run", "", TROUBLE),
        ("open_run", "", ZeroDivisionError()),
        ("open_stage", "s", TROUBLE),
        ("prepare", "s/a", TROUBLE),
        ("conclude", "s/a", TROUBLE),
        ("conclude", "s/a", ZeroDivisionError()),
        ("conclude", "s/a", None),
        ("probe", "@services/db", TROUBLE),
    ],
)
def test_a_driver_that_was_replaced_touches_nothing_also_when_something_else_goes_wrong(
    world: World, journal: Memory, verb: str, path: str, error: Exception | None
) -> None:
    backend = _Watched(world, journal, verb, path, error)
    of = plan(stage("s", step("a"), step("b")), services=[service("db")])

    with pytest.raises(SupersededError):
        drive(of, backend=backend, journal=journal)
    assert backend.touched == []


def test_a_driver_that_was_replaced_while_it_read_the_last_values_closes_nothing(world: World, journal: Memory) -> None:
    backend = _Watched(world, journal, "values", "")

    with pytest.raises(SupersededError):
        drive(steps_only(step("a")), backend=backend, journal=journal, values=True)
    assert backend.touched == []


def test_a_driver_that_was_replaced_ends_no_step_whose_time_is_up(world: World, journal: Memory) -> None:
    backend = _Watched(world, journal, "release", "s/a")

    with pytest.raises(SupersededError):
        drive(steps_only(hanging("a", timeout=0.1)), backend=backend, journal=journal)
    assert backend.touched == []


def test_a_driver_that_was_replaced_opens_no_gate(world: World, journal: Memory) -> None:
    backend = _Watched(world, journal, "follow", "s/a")

    with pytest.raises(SupersededError):
        drive(steps_only(step("a")), backend=backend, journal=journal)
    assert (backend.touched, dict(world.starts)) == ([], {})


class _Replaced(Memory):
    """A journal whose driver is replaced when it is about to note that a step is made ready."""

    def __init__(self, address: Address) -> None:
        super().__init__()
        self._address = address

    def add(self, entry: Entry, epoch: int) -> None:
        if (entry.address, entry.status) == (self._address, Status.PENDING):
            self.take()
        super().add(entry, epoch)


def test_a_driver_that_was_replaced_ends_when_what_it_was_making_ready_is(world: World) -> None:
    let_go, made = threading.Event(), threading.Event()

    def hold(call: Call) -> None:
        if (call.verb, call.path) == ("prepare", "s/b"):
            threading.Timer(0.3, let_go.set).start()
            let_go.wait(DEADLINE)

    def note(call: Call) -> None:
        if (call.verb, call.path) == ("prepare", "s/b"):
            made.set()

    backend = HookedBackend(FakeBackend(world), before=hold, after=note)
    with pytest.raises(SupersededError):
        drive(steps_only(step("a"), step("b"), step("c")), backend=backend, journal=_Replaced(at("s/c")))

    assert made.is_set()


def test_the_threads_of_a_driver_that_was_replaced_go(world: World, journal: Memory) -> None:
    """Each would wait for its container else, as long as that runs."""
    before = set(threading.enumerate())
    of = plan(stage("s", step("a", seconds=5)), stage("t", hanging("a")))
    released = Moment("release", "t/a")
    life = Life(of, backend=HookedBackend(FakeBackend(world), after=released), journal=journal).start()
    released.wait()
    life.until_printing(at("s/a"))
    journal.take()

    with pytest.raises(SupersededError):
        life.finish()
    assert _until(lambda: not {t for t in set(threading.enumerate()) - before if t.name.startswith("stage")})


def _dies_after_success(of: Plan, world: World, journal: Memory) -> None:
    """Drive a plan until step ``a`` has succeeded, and die before its container is removed."""
    backend = HookedBackend(FakeBackend(world), before=Fault("discard", "s/a", Crash()))
    with pytest.raises(Crash):
        Life(of, backend=backend, journal=journal).start().finish()
    world.client_dies()


TRAILING = steps_only(step("a", fake={"FAKE_TAIL": "last words"}), step("b", text="behind it"))


def test_what_a_step_printed_last_is_kept_by_the_next_life_and_its_container_removed_before_anything_follows(
    world: World, journal: Memory
) -> None:
    _dies_after_success(TRAILING, world, journal)
    left: list[bool] = []

    def see(call: Call) -> None:
        if (call.verb, call.path) == ("release", "s/b"):
            left.append(at("s/a") in world.containers)

    result = drive(TRAILING, backend=HookedBackend(FakeBackend(world), before=see), journal=journal)

    assert (result.output(at("s/a")).text, result.output(at("s/a")).closed) == ("last words\n", True)
    assert left == [False]
    assert (result.run.status, world.starts[at("s/a")]) == (Status.SUCCESS, 1)


class _Lagging(FakeBackend):
    """A backend that knows of an end only some time after it was followed."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.concluded = 0

    def follow(self, address: Address, output: Output, wake: Callable[[], None]) -> None:
        super().follow(address, output, wake)
        threading.Timer(0.05, wake).start()

    def conclude(self, address: Address) -> Ending | None:
        if address == at("s/a"):
            self.concluded += 1
            if self.concluded == 1:
                return None
        return super().conclude(address)


def test_the_next_life_waits_for_the_last_output_until_it_is_woken(world: World, journal: Memory) -> None:
    _dies_after_success(TRAILING, world, journal)
    backend = _Lagging(world)

    result = drive(TRAILING, backend=backend, journal=journal)

    assert (result.output(at("s/a")).text, backend.concluded) == ("last words\n", 2)


def test_where_the_container_of_a_success_has_gone_everything_was_kept_and_its_log_is_closed(
    world: World, journal: Memory
) -> None:
    _dies_after_success(TRAILING, world, journal)
    _vanish(world, at("s/a"))

    result = drive(TRAILING, world=world, journal=journal)

    assert (result.output(at("s/a")).text, result.output(at("s/a")).closed) == ("", True)
    assert (result.run.status, result.notices) == (Status.SUCCESS, [])


def test_where_the_engine_refuses_the_last_output_of_a_success_its_log_says_so_and_the_run_goes_on(
    world: World, journal: Memory
) -> None:
    _dies_after_success(TRAILING, world, journal)
    refused = Fault("follow", "s/a", EngineRefusedError("no such log", status=500))

    result = drive(TRAILING, backend=HookedBackend(FakeBackend(world), before=refused), journal=journal)

    assert result.output(at("s/a")).gaps == ["the end of the output could not be read: no such log"]
    assert result.run.status is Status.SUCCESS


def test_only_as_many_successes_of_a_stage_as_may_trail_are_heard_out_in_their_order(
    world: World, journal: Memory
) -> None:
    of = steps_only(step("0"), step("a"), step("b"), step("c", 1), step("d", status=["failure"]))
    _dies(of, world, journal, "release", "s/d")
    followed = _Noted("follow")

    drive(of, backend=HookedBackend(FakeBackend(world), before=followed), journal=journal)

    assert followed.paths == ["s/a", "s/b", "s/d"]
