import pytest

from runner.clock import Deadline
from runner.engine.stopwatch import Stopwatch
from tests.support.engine import ManualClock


def test_it_goes_with_its_clock_and_stands_still_while_it_is_held() -> None:
    clock = ManualClock()
    watch = Stopwatch(clock)
    before = watch.monotonic()

    clock.time += 5
    with watch.held():
        clock.time += 3600
    clock.time += 2

    assert watch.monotonic() - before == 7
    assert watch.now() == clock.now()


def test_a_deadline_does_not_come_nearer_for_all_the_times_that_it_is_held() -> None:
    clock = ManualClock()
    watch = Stopwatch(clock)
    deadline = Deadline(10.0, watch)

    for _ in range(3):
        with watch.held():
            clock.time += 100
        clock.time += 1

    assert deadline.remaining == 7


def test_it_goes_on_when_the_block_is_left_by_an_error() -> None:
    clock = ManualClock()
    watch = Stopwatch(clock)
    before = watch.monotonic()

    def fail() -> None:
        with watch.held():
            clock.time += 100
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    clock.time += 1

    assert watch.monotonic() - before == 1
