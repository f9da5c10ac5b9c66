from datetime import UTC, timedelta

from runner.clock import Deadline, SystemClock
from tests.support.engine import ManualClock


def test_the_time_of_day_is_in_utc() -> None:
    assert SystemClock().now().tzinfo is UTC
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_monotonic_seconds_only_grow() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(100)]

    assert readings == sorted(readings)


def test_a_deadline_comes_when_its_seconds_have_gone_by() -> None:
    clock = ManualClock()
    deadline = Deadline(10.0, clock)
    assert (deadline.remaining, deadline.passed) == (10.0, False)

    clock.time += 9.5
    assert (deadline.remaining, deadline.passed) == (0.5, False)

    clock.time += 0.5
    assert (deadline.remaining, deadline.passed) == (0.0, True)


def test_a_deadline_that_has_passed_has_no_less_than_nothing_left() -> None:
    clock = ManualClock()
    deadline = Deadline(1.0, clock)

    clock.time += 100.0

    assert deadline.remaining == 0.0


def test_a_deadline_of_no_seconds_has_passed_at_once() -> None:
    assert Deadline(0.0, ManualClock()).passed


def test_a_deadline_without_seconds_never_comes() -> None:
    clock = ManualClock()
    deadline = Deadline(None, clock)

    clock.time += 1e9

    assert (deadline.remaining, deadline.passed) == (None, False)


def test_a_deadline_takes_the_clock_of_the_machine_unless_told() -> None:
    assert isinstance(Deadline(1.0).clock, SystemClock)
