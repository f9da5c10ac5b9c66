"""Ids with a sandbox that waits for a run: who takes them, when there are new ones, and what becomes of the others."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World
from runner.dispatch import stock as module
from runner.dispatch.requests import Again
from runner.dispatch.stock import Stock
from runner.engine.job import Task
from runner.engine.specs import RunSpec
from runner.errors import EngineUnavailableError, StoreError
from runner.plan.model import Plan, Service
from runner.store.sql.runs import Waiting
from tests.support.crash import Crash
from tests.support.daemons import Daemon, Grounds
from tests.support.hooked import DEADLINE
from tests.support.plans import plan, stage, step, steps_only

PLAIN = steps_only(step("a"))
NAMED = plan(stage("s", step("a")), services=(Service(name="db", image="busybox:local"),))
DETACHED = steps_only(step("server", detach=True), step("a"))


class Reserving(FakeBackend):
    """A backend that notes which runs have something reserved, and which of these were closed."""

    def __init__(self) -> None:
        super().__init__(World())
        self.asked: list[str] = []
        self.closed: list[str] = []
        self.opened: list[str] = []
        self.trouble: EngineUnavailableError | None = None
        self._news = threading.Condition()

    def reserve(self, run: str) -> None:
        """Note it."""
        with self._news:
            self.asked.append(run)
            self._news.notify_all()

    def reserved(self) -> tuple[str, ...]:
        """Return what was neither opened nor closed."""
        return tuple(run for run in self.asked if run not in (*self.opened, *self.closed))

    def close_run(self, run: RunSpec, *, keep: bool) -> None:
        """Note it, or have a trouble."""
        assert not keep
        if self.trouble is not None:
            raise self.trouble
        self.closed.append(run.id)

    def until(self, count: int) -> None:
        """Wait until so many were asked for."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.asked) >= count, DEADLINE), self.asked


@pytest.fixture
def backend() -> Reserving:
    return Reserving()


@pytest.fixture
def stocks(backend: Reserving, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Stock]]:
    """Make a stock that is filled again after a ``pause``, by default only when a test says so."""
    made: list[Stock] = []

    def make(size: int, pause: float = 3600.0) -> Stock:
        monkeypatch.setattr(module, "_PAUSE_SECONDS", pause)
        made.append(Stock(backend, size))
        made[-1].fill()
        return made[-1]

    yield make
    backend.trouble = None
    for each in made:
        each.close()


def taken(stock: Stock, of: Plan = PLAIN, *, waits: bool = False) -> str:
    """Have a run stored that begins at once, or ``waits``."""
    with stock.id_for(of) as run:
        if not waits and isinstance(stock._backend, Reserving):
            stock._backend.opened.append(run)
        return run


def test_as_many_ids_have_a_sandbox_as_the_stock_is_large(stocks: Callable[..., Stock], backend: Reserving) -> None:
    stocks(3)

    assert len(set(backend.asked)) == 3
    assert all(len(run) == 8 for run in backend.asked)


def test_an_id_with_a_sandbox_is_taken_once(stocks: Callable[..., Stock], backend: Reserving) -> None:
    stock = stocks(2)

    found = [taken(stock) for _ in range(3)]

    assert len(set(found)) == 3
    assert set(found[:2]) == set(backend.asked)
    assert backend.closed == []


def test_each_of_many_threads_takes_another_id(stocks: Callable[..., Stock], backend: Reserving) -> None:
    stock, found, start = stocks(4), [], threading.Barrier(8)

    def take() -> None:
        start.wait()
        found.append(taken(stock))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(found)) == 8
    assert set(backend.asked) < set(found)


def test_what_was_taken_is_made_again_only_after_a_pause(
    stocks: Callable[..., Stock], backend: Reserving, monkeypatch: pytest.MonkeyPatch
) -> None:
    timers: list[tuple[float, Callable[[], None]]] = []

    class Timer:
        daemon = False

        def __init__(self, seconds: float, function: Callable[[], None]) -> None:
            timers.append((seconds, function))

        def start(self) -> None:
            assert self.daemon, "it must not hold up the end of the daemon"

        def cancel(self) -> None:
            """Do nothing: it never fires by itself."""

    monkeypatch.setattr("runner.dispatch.stock.threading.Timer", Timer)
    stock = stocks(2, 0.5)
    for _ in range(5):
        taken(stock)
    assert len(backend.asked) == 2
    [(seconds, fill)] = timers
    assert seconds == 0.5

    fill()
    assert len(backend.asked) == 4
    taken(stock)
    assert len(timers) == 2


def test_the_stock_fills_itself(stocks: Callable[..., Stock], backend: Reserving) -> None:
    stock = stocks(1, 0.01)
    first = taken(stock)

    backend.until(2)

    assert taken(stock) == backend.asked[1] != first


@pytest.mark.parametrize("of", [NAMED, DETACHED])
def test_a_run_in_which_something_is_reached_by_name_takes_no_sandbox(
    stocks: Callable[..., Stock], backend: Reserving, of: Plan
) -> None:
    stock = stocks(1)

    assert taken(stock, of) not in backend.asked

    assert taken(stock) == backend.asked[0]


@pytest.mark.parametrize("error", [StoreError("the store is full"), Crash()])
def test_the_sandbox_of_a_run_that_cannot_be_stored_is_there_for_the_next(
    stocks: Callable[..., Stock], backend: Reserving, error: BaseException
) -> None:
    stock = stocks(1)

    with pytest.raises(type(error)) as caught, stock.id_for(PLAIN):
        raise error

    assert caught.value is error
    assert backend.closed == []
    assert taken(stock) == backend.asked[0]


def test_a_run_that_waits_has_its_sandbox_and_so_none_is_made_for_another(
    stocks: Callable[..., Stock], backend: Reserving
) -> None:
    stock = stocks(1)
    taken(stock, waits=True)

    stock.fill()

    assert len(backend.asked) == 1


def test_nothing_is_removed_for_a_run_without_a_sandbox_that_cannot_be_stored(
    stocks: Callable[..., Stock], backend: Reserving
) -> None:
    stock = stocks(1)

    with pytest.raises(StoreError), stock.id_for(NAMED):
        raise StoreError("the store is full")

    assert backend.closed == []


def test_what_is_in_the_way_of_storing_is_told_even_if_the_sandbox_cannot_be_removed(
    stocks: Callable[..., Stock], backend: Reserving
) -> None:
    stock = stocks(1)
    backend.trouble = EngineUnavailableError("the engine is away")

    with pytest.raises(StoreError, match="the store is full"), stock.id_for(PLAIN):
        raise StoreError("the store is full")


def test_what_nobody_has_taken_is_removed_at_the_end_and_what_was_taken_is_not(
    stocks: Callable[..., Stock], backend: Reserving
) -> None:
    stock = stocks(3)
    run = taken(stock)

    stock.close()
    stock.close()

    assert sorted(backend.closed) == sorted(set(backend.asked) - {run})


def test_after_its_end_nothing_is_made_any_more(stocks: Callable[..., Stock], backend: Reserving) -> None:
    stock = stocks(1, 0.0)
    stock.close()

    assert taken(stock) not in backend.asked
    stock.fill()

    assert len(backend.asked) == 1
    assert stock._timer is None


def test_the_end_comes_though_an_engine_that_is_away_removes_nothing(
    stocks: Callable[..., Stock], backend: Reserving
) -> None:
    stock = stocks(2)
    backend.trouble = EngineUnavailableError("the engine is away")

    stock.close()


def test_a_stock_of_none_makes_nothing_and_gives_ids(stocks: Callable[..., Stock], backend: Reserving) -> None:
    stock = stocks(0, 0.0)

    assert len({taken(stock) for _ in range(2)}) == 2

    assert backend.asked == []
    assert stock._timer is None


def test_a_daemon_gives_the_ids_of_its_stock_to_runs_and_to_those_that_repeat_one(grounds: Grounds) -> None:
    grounds.set(spare_sandboxes=2)
    with grounds.serving() as daemon:
        ready = set(_stock(daemon)._ids)
        run = daemon.run(PLAIN)
        again = daemon.ended(daemon.service.rerun(run, Again()).id)

    assert len(ready) == 2
    assert {run, again} == ready


def test_a_daemon_of_which_no_stock_is_wanted_reserves_nothing(grounds: Grounds) -> None:
    grounds.set(spare_sandboxes=0)
    with grounds.serving() as daemon:
        assert _stock(daemon)._ids == []
        assert daemon.status(daemon.run(PLAIN)) == "success"


def test_what_is_reserved_is_not_taken_for_something_that_a_dead_run_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grounds = Grounds(data=tmp_path / "data")
    with grounds.serving() as daemon:
        house = daemon.house
        grounds.world.runs |= {"5ba4e000", "dead0000"}  # the networks of two runs that nobody has begun
        monkeypatch.setattr(house.means.backend, "reserved", lambda: ("5ba4e000",))

        house.housekeeping.tidy()
        assert grounds.world.runs == {"5ba4e000"}

        monkeypatch.setattr(house.means.backend, "reserved", lambda: ())
        house.housekeeping.tidy()
        assert grounds.world.runs == set()


def test_what_is_reserved_is_looked_up_before_the_runs_that_have_begun(
    idle: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is opened in between is one of those that have begun by then."""
    looked: list[str] = []
    means = idle.house.means

    def reserved() -> tuple[str, ...]:
        looked.append("reserved")
        return ()

    def begun(_: object) -> tuple[Waiting, ...]:
        looked.append("begun")
        return ()

    monkeypatch.setattr(means.backend, "reserved", reserved)
    monkeypatch.setattr(type(means.runs), "begun", begun)

    idle.house.housekeeping.tidy()

    assert looked == ["reserved", "begun"]


def _stock(daemon: Daemon) -> Stock:
    return daemon.house.stock


def test_what_is_being_reserved_while_the_stock_closes_is_removed_too() -> None:
    begun, gate = threading.Event(), threading.Event()

    class Slow(FakeBackend):
        def __init__(self) -> None:
            super().__init__(World())
            self.standing: set[str] = set()

        def reserve(self, run: str) -> None:
            begun.set()
            assert gate.wait(10)
            self.standing.add(run)

        def close_run(self, run: RunSpec, *, keep: bool) -> None:
            self.standing.discard(run.id)

    backend = Slow()
    stock = Stock(backend, 2)
    filling = Task("fill", stock.fill)
    assert begun.wait(10)
    stock.close()

    gate.set()
    filling.finish()

    assert backend.standing == set()
