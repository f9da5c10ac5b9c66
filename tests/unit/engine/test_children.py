"""Async stages as the engine has them: each request is taken up once, soon, and whoever drives the run."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine import children
from runner.engine.children import Requests
from runner.engine.events import Event, Notice
from runner.engine.journal import Memory
from runner.engine.ledger import Ledger
from runner.errors import ConflictError, EngineUnavailableError, InfrastructureError, JournalError, NotFoundError
from runner.naming import Address
from runner.plan.model import Plan
from runner.plan.status import Status
from tests.support.children import Nursery, apart, request, triggering
from tests.support.crash import Crash
from tests.support.engine import RUN, SCALE, Life, ManualClock, at, drive
from tests.support.hooked import DEADLINE, Call, Fault, HookedBackend
from tests.support.plans import hanging, plan, stage, step

SCAN = plan(stage("s", triggering("t", "scan")), async_stages=(apart("scan"),))
BUSY = InfrastructureError("the store is locked", hint="wait")


class Desk(FakeBackend):
    """A backend on which steps ask for what a test says, or which cannot be read."""

    def __init__(self) -> None:
        super().__init__()
        self.new: dict[str, bytes] = {}
        self.before: dict[str, bytes] = {}
        self.errors: list[InfrastructureError] = []
        self.broken: InfrastructureError | None = None
        self.asked: list[bool] = []

    def requests(self, run: str, *, anew: bool = False) -> Mapping[str, bytes]:
        self.asked.append(anew)
        if self.errors:
            raise self.errors.pop(0)
        if self.broken is not None:
            raise self.broken
        found, self.new = self.new, {}
        self.before |= found
        return self.before if anew else found


class Case:
    """Requests of a run that nobody else drives; ``told`` is what people were told."""

    def __init__(self, nursery: Nursery | None = None) -> None:
        self.desk = Desk()
        self.nursery = nursery or Nursery()
        self.events: list[Event] = []
        ledger = Ledger(RUN, SCAN, Memory(), ManualClock(), self.events.append)
        self.requests = Requests(RUN, self.desk, ledger.tell, self.nursery)

    @property
    def told(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Notice)]


@pytest.fixture
def case() -> Iterator[Case]:
    found = Case()
    yield found
    found.requests.leave()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_PAUSE_SECONDS", 0.01)


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look much more often than usual."""
    monkeypatch.setattr(children, "_LOOK_SECONDS", 0.01)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up soon."""
    monkeypatch.setattr(children, "_PATIENCE_SECONDS", 0.05)


def _until(seen: Sequence[object], count: int = 1) -> None:
    deadline = time.monotonic() + DEADLINE
    while len(seen) < count:
        assert time.monotonic() < deadline, f"there are only {seen}"
        time.sleep(0.005)


def test_a_request_is_taken_up_once_and_told(case: Case) -> None:
    case.desk.new = request("scan", "0000aaaa")
    case.requests.begin()

    case.requests.finish()

    assert case.nursery.asked == ["0000aaaa"]
    assert case.told == ["async stage scan begins as run 0000aaaa", "async stage scan: pending (runner show 0000aaaa)"]


def test_what_comes_while_the_run_goes_on_is_noticed_without_anybody_asking(case: Case, watchful: None) -> None:
    case.requests.begin()
    case.desk.new = request("scan")

    _until(case.nursery.asked)

    assert case.told == ["async stage scan begins as run 0000cafe"]


def test_it_is_looked_at_least_twice_a_second(case: Case) -> None:
    case.requests.begin()
    began = time.monotonic()
    case.desk.new = request("scan")

    _until(case.nursery.asked)

    assert time.monotonic() - began < 1.0


def test_at_the_begin_and_at_the_end_all_is_read_and_in_between_only_what_is_new(case: Case, watchful: None) -> None:
    case.requests.begin()
    _until(case.desk.asked, 3)
    case.requests.finish()

    assert (case.desk.asked[0], case.desk.asked[-1]) == (True, True)
    assert not any(case.desk.asked[1:-1])


def test_nobody_looks_any_more_once_the_driver_has_left(case: Case, watchful: None) -> None:
    case.requests.begin()
    case.requests.leave()
    count = len(case.desk.asked)

    time.sleep(0.05)

    assert len(case.desk.asked) == count


def test_a_driver_may_leave_before_it_has_begun_to_look(case: Case) -> None:
    case.requests.leave()

    assert case.desk.asked == []


def test_what_an_earlier_driver_has_started_is_not_begun_again_and_listed_at_the_end() -> None:
    nursery = Nursery()
    cases = [Case(nursery), Case(nursery)]
    for case in cases:
        case.desk.new = request("scan")
        case.requests.begin()
        case.requests.finish()

    assert len(nursery.all()) == 1
    assert cases[1].told == ["async stage scan: pending (runner show 0000cafe)"]


def test_they_begin_in_the_order_in_which_they_were_asked_for(case: Case) -> None:
    late, early = request("scan", "0000aaaa", at=7.5), request("scan", "0000bbbb", at=3)
    case.desk.new = {**late, **early}

    case.requests.begin()

    assert case.nursery.asked == ["0000bbbb", "0000aaaa"]


def test_those_that_were_asked_for_within_one_tick_of_the_clock_begin_in_that_order(case: Case) -> None:
    asked = {"0000cccc": 2, "0000aaaa": 0, "0000bbbb": 1}
    for run, earlier in asked.items():
        case.desk.new |= request("scan", run, at=3.14, earlier=earlier)

    case.requests.begin()

    assert case.nursery.asked == ["0000aaaa", "0000bbbb", "0000cccc"]


def test_the_same_stage_twice_is_two_runs(case: Case) -> None:
    case.desk.new = {**request("scan", "0000aaaa"), **request("scan", "0000bbbb")}
    case.requests.begin()

    case.requests.finish()

    assert case.nursery.ids == ["0000aaaa", "0000bbbb"]


def test_what_cannot_be_started_for_a_while_is_tried_again_and_told_once(case: Case, watchful: None) -> None:
    case.nursery.errors = [BUSY, BUSY, BUSY]
    case.desk.new = request("scan")

    case.requests.begin()
    _until(case.nursery.asked, 4)
    case.requests.finish()

    assert case.told == [
        "async stages wait: the store is locked (wait)",
        "async stage scan begins as run 0000cafe",
        "async stage scan: pending (runner show 0000cafe)",
    ]


def test_one_that_cannot_be_started_keeps_no_other_from_it(case: Case) -> None:
    case.nursery.errors = [BUSY]
    case.desk.new = {**request("scan", "0000aaaa"), **request("scan", "0000bbbb")}

    case.requests.begin()

    assert case.nursery.ids == ["0000bbbb"]
    case.requests.finish()
    assert case.nursery.ids == ["0000bbbb", "0000aaaa"]


def test_another_trouble_is_told_too(case: Case) -> None:
    case.nursery.errors = [BUSY, InfrastructureError("the disk is full")]
    case.desk.new = request("scan")

    case.requests.begin()
    case.requests.finish()

    assert case.told[:2] == ["async stages wait: the store is locked (wait)", "async stages wait: the disk is full"]


def test_what_cannot_be_read_for_a_while_is_read_later(case: Case) -> None:
    case.desk.errors = [EngineUnavailableError("no engine answers")]
    case.desk.new = request("scan")

    case.requests.begin()
    assert case.nursery.asked == []
    case.requests.finish()

    assert case.nursery.asked == ["0000cafe"]


def test_what_cannot_be_started_at_the_end_for_good_keeps_the_run_from_being_removed(
    case: Case, impatient: None
) -> None:
    case.nursery.broken = BUSY
    case.desk.new = request("scan")
    case.requests.begin()

    with pytest.raises(JournalError, match="an async stage cannot be started: the store is locked") as caught:
        case.requests.finish()

    assert caught.value.hint == "wait"
    assert len(case.nursery.asked) > 2


def test_what_nobody_can_read_at_the_end_for_good_is_given_up_since_nobody_else_could_either(
    case: Case, impatient: None
) -> None:
    case.requests.begin()
    case.desk.broken = InfrastructureError("the directory of requests has more than 10000 entries")

    case.requests.finish()

    assert case.told == ["async stages wait: the directory of requests has more than 10000 entries"]


def test_an_engine_that_is_away_at_the_end_is_no_reason_to_give_up(case: Case, impatient: None) -> None:
    case.requests.begin()
    case.desk.broken = EngineUnavailableError("no engine answers")

    with pytest.raises(JournalError, match="no engine answers"):
        case.requests.finish()


def test_what_cannot_be_listed_at_the_end_is_told(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> None:
        raise BUSY

    monkeypatch.setattr(case.nursery, "all", failing)
    case.desk.new = request("scan")
    case.requests.begin()

    case.requests.finish()

    assert case.told[-1] == "async stages cannot be listed: the store is locked (wait)"


def test_what_is_known_and_cannot_be_started_is_not_given_up_where_nothing_can_be_read(
    case: Case, impatient: None
) -> None:
    case.nursery.broken = BUSY
    case.desk.new = request("scan")
    case.requests.begin()
    case.desk.broken = EngineUnavailableError("no engine answers")

    with pytest.raises(JournalError):
        case.requests.finish()


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ({"README": b"{}"}, "'README' is no name of a request"),
        (
            {"0000cafe.scan": b"{"},
            "the payload is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        ({"0000cafe.scan": b'{"version": 7}'}, "the payload is of version 7"),
        ({"0000cafe.Scan": b'{"version": 1}'}, "'Scan' is no name of an async stage"),
    ],
)
def test_a_request_that_is_none_is_told_and_forgotten(case: Case, found: dict[str, bytes], why: str) -> None:
    case.desk.new = {**found, **request("scan", "0000bbbb")}

    case.requests.begin()
    case.requests.finish()

    assert [text for text in case.told if "cannot be read" in text] == [
        f"a request for an async stage cannot be read: {why}"
    ]
    assert case.nursery.asked == ["0000bbbb"]


@pytest.mark.parametrize("error", [NotFoundError("there is no async stage 'x'"), ConflictError("there are others")])
def test_what_can_never_be_started_is_told_and_forgotten(case: Case, error: Exception) -> None:
    case.nursery.errors = [error]
    case.desk.new = request("scan")

    case.requests.begin()
    case.requests.finish()

    assert case.nursery.asked == ["0000cafe"]
    assert case.told == [f"a request for an async stage cannot be met: {error}"]


# Whole runs.


def _handed(of: Plan, world: World | None = None) -> Nursery:
    nursery = Nursery()
    drive(of, world=world or World(scale=SCALE), children=nursery)
    return nursery


def test_a_step_starts_an_async_stage_which_is_told_and_leaves_nothing() -> None:
    world, nursery = World(scale=SCALE), Nursery()

    result = drive(SCAN, world=world, children=nursery)

    (child,) = nursery.ids
    assert result.run.status is Status.SUCCESS
    assert result.notices == [
        f"async stage scan begins as run {child}",
        f"async stage scan: pending (runner show {child})",
    ]
    assert leftovers(world) == ()


def test_an_async_stage_is_no_stage_of_the_run_that_declares_it() -> None:
    world = World(scale=SCALE)

    result = drive(plan(stage("s", step("a")), async_stages=(apart("scan"),)), world=world, children=Nursery())

    assert result.stages == {"s": "success"}
    assert list(world.starts) == [at("s/a")]


def test_what_is_marked_registered_and_saved_is_handed_over_and_nothing_else() -> None:
    leaves = [
        step("a", fake={"FAKE_SET_ENV": "url=https://x", "FAKE_SAVE_REPO": "lib url=https://h/lib commit=0badcafe"}),
        step("b", fake={"FAKE_SET_ENV": "other=1", "FAKE_SAVE_ARTIFACT": "img name=i digest=d"}),
        triggering("t", "scan", fake={"FAKE_EXPORT_ENV": "url:none"}),
    ]

    (payload,) = _handed(plan(stage("s", *leaves), async_stages=(apart("scan"),))).payloads

    assert payload.values == {"url": "https://x"}
    assert payload.repositories == {"lib": {"url": "https://h/lib", "commit": "0badcafe"}}
    assert payload.artifacts == {"img": {"name": "i", "digest": "d"}}


def test_it_may_be_started_any_number_of_times_from_any_step_of_any_stage() -> None:
    of = plan(
        stage("a", triggering("t", "scan", "scan")),
        stage("b", step("x"), triggering("t", "scan", "check"), needs=("a",)),
        async_stages=(apart("scan"), apart("check")),
    )

    nursery = _handed(of)

    assert sorted(nursery.stages) == ["check", "scan", "scan", "scan"]
    assert len(set(nursery.ids)) == 4


def test_a_stage_that_the_pipeline_does_not_declare_fails_the_step_that_asks_for_it() -> None:
    nursery = Nursery()

    result = drive(plan(stage("s", triggering("t", "none")), async_stages=(apart("scan"),)), children=nursery)

    assert result.statuses == {"s/t": "failure"}
    assert nursery.asked == []


def test_what_a_step_asks_for_that_fails_and_what_the_last_step_asks_for_is_heard_too() -> None:
    of = plan(stage("s", triggering("t", "scan", exit_code=1)), async_stages=(apart("scan"),))

    assert _handed(of).stages == ["scan"]


def test_it_begins_within_a_second_while_its_parent_goes_on() -> None:
    world, nursery = World(scale=SCALE), Nursery()
    of = plan(stage("s", triggering("t", "scan"), hanging("long")), async_stages=(apart("scan"),))
    life = Life(of, world=world, children=nursery).start()
    life.until_status(at("s/long"), Status.RUNNING)
    began = time.monotonic()

    _until(nursery.asked)
    took = time.monotonic() - began
    life.driver.cancel(force=True)

    assert took < 1.0
    assert life.finish().status("s/t") is Status.SUCCESS


def test_a_run_that_is_cancelled_still_starts_what_was_asked_for() -> None:
    """The request is the truth: whether its children end too is asked for on its own."""
    nursery = Nursery()
    of = plan(stage("s", triggering("t", "scan", seconds=3600)), async_stages=(apart("scan"),))
    life = Life(of, children=nursery).start()
    life.until_printing(at("s/t"))
    life.until_status(at("s/t"), Status.RUNNING)
    life.driver.cancel()

    assert life.finish().run.status is Status.CANCELLED
    assert nursery.stages == ["scan"]


def test_without_a_declared_async_stage_nobody_ever_looks() -> None:
    verbs: list[str] = []
    backend = HookedBackend(FakeBackend(World(scale=SCALE)), before=lambda call: verbs.append(call.verb))

    drive(plan(stage("s", step("a"))), backend=backend, children=Nursery())

    assert "requests" not in verbs


def test_a_driver_that_takes_over_takes_up_what_was_asked_for_before_it_came() -> None:
    world, nursery, journal = World(scale=SCALE), Nursery(), Memory()
    of = plan(stage("s", triggering("t", "scan"), step("b")), async_stages=(apart("scan"),))
    backend = HookedBackend(FakeBackend(world), after=Fault("release", "s/t", Crash()))
    with pytest.raises(Crash):
        Life(of, backend=backend, journal=journal).start().finish()
    world.client_dies()
    assert nursery.asked == []

    result = drive(of, world=world, journal=journal, children=nursery)

    assert nursery.stages == ["scan"]
    assert result.statuses == {"s/t": "success", "s/b": "success"}


def test_what_cannot_be_started_for_good_leaves_all_as_it_is_for_the_next_driver(impatient: None) -> None:
    world, nursery, journal = World(scale=SCALE), Nursery(), Memory()
    nursery.broken = BUSY
    life = Life(SCAN, world=world, journal=journal, children=nursery).start()
    with pytest.raises(JournalError, match="an async stage cannot be started"):
        life.finish()
    assert world.requests[RUN]
    assert journal.read()[-1].address != Address(RUN)

    world.client_dies()
    nursery.broken = None
    result = drive(SCAN, world=world, journal=journal, children=nursery)

    assert result.run.status is Status.SUCCESS
    assert len(nursery.all()) == 1
    assert leftovers(world) == ()


def test_an_error_that_nobody_foresaw_in_the_thread_that_looks_ends_the_run_too(watchful: None) -> None:
    world, asked = World(scale=SCALE), Nursery()
    asked.broken = ZeroDivisionError("a fault of ours")
    of = plan(stage("s", triggering("t", "scan"), step("b", seconds=5)), async_stages=(apart("scan"),))

    with pytest.raises(ZeroDivisionError):
        drive(of, world=world, children=asked)

    assert leftovers(world) == ()


def test_after_an_error_that_nobody_foresaw_nobody_looks_any_more(watchful: None) -> None:
    looked: list[str] = []

    def before(call: Call) -> None:
        if call.verb == "requests":
            looked.append(threading.current_thread().name)
        if call.verb == "open_stage":
            raise KeyError("a fault of ours")

    life = Life(SCAN, backend=HookedBackend(FakeBackend(World(scale=SCALE)), before=before), children=Nursery())
    with pytest.raises(KeyError):
        life.start().finish()
    count = len(looked)

    time.sleep(0.1)

    assert len(looked) == count


def test_an_error_that_nobody_foresaw_in_starting_one_ends_the_run_with_cleanup_and_comes_out() -> None:
    world, nursery = World(scale=SCALE), Nursery()
    nursery.broken = ZeroDivisionError("a fault of ours")

    with pytest.raises(ZeroDivisionError):
        drive(SCAN, world=world, children=nursery)

    assert leftovers(world) == ()
