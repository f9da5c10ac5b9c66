import pytest

from runner.backends.fake import FakeBackend
from runner.backends.standing import World
from runner.clock import Deadline
from runner.engine.backend import Ending, Signal
from runner.engine.cancel import KILL_SECONDS, Inbox, Ladder, Leave, Limit, Stop, Wake, await_ending
from runner.engine.specs import Release, StepSpec
from runner.errors import AbandonedError, SupersededError
from runner.naming import Address
from runner.plan.status import Status
from tests.support.engine import ManualClock, Recorder, at
from tests.support.hooked import Call, HookedBackend

POLITE = Stop(status=Status.CANCELLED, reason="it was cancelled", grace=10.0)
AT_ONCE = Stop(status=Status.CANCELLED, reason="it was killed", grace=0.0)
A = at("s/a")


def _ours() -> None:
    """Nobody else drives the run."""


def _replaced() -> None:
    raise SupersededError("another driver has taken over")


def _limited(clock: ManualClock, *seconds: float) -> Ladder:
    limits = [Limit(Deadline(s, clock), Stop(status=Status.TIMEOUT, reason=f"{s:g} s", grace=10.0)) for s in seconds]
    return Ladder(clock, tuple(limits))


def test_without_a_limit_it_waits_for_ever() -> None:
    assert Ladder(ManualClock(), ()).remaining is None


def test_it_waits_until_the_first_limit() -> None:
    clock = ManualClock()
    ladder = _limited(clock, 30.0, 20.0)

    clock.time += 5.0

    assert ladder.remaining == 15.0


def test_a_stop_is_first_a_term_then_a_grace_then_a_kill_then_given_up() -> None:
    clock = ManualClock()
    ladder = Ladder(clock, ())

    assert ladder.climb(POLITE) is Signal.TERM
    assert ladder.remaining == 10.0
    clock.time += 10.0
    assert ladder.remaining == 0.0
    assert ladder.climb(None) is Signal.KILL
    assert ladder.remaining == KILL_SECONDS
    clock.time += KILL_SECONDS
    assert ladder.climb(None) is None
    assert ladder.stop is POLITE


def test_a_stop_without_grace_kills_at_once() -> None:
    ladder = Ladder(ManualClock(), ())

    assert ladder.climb(AT_ONCE) is Signal.KILL
    assert ladder.remaining == KILL_SECONDS


def test_a_second_stop_without_grace_ends_the_grace_of_the_first() -> None:
    clock = ManualClock()
    ladder = Ladder(clock, ())
    ladder.climb(POLITE)
    clock.time += 1.0

    assert ladder.climb(AT_ONCE) is Signal.KILL
    assert ladder.remaining == KILL_SECONDS
    assert ladder.stop is POLITE


def test_a_second_polite_stop_asks_again_without_a_longer_grace() -> None:
    clock = ManualClock()
    ladder = Ladder(clock, ())
    ladder.climb(POLITE)
    clock.time += 4.0

    assert ladder.climb(POLITE) is Signal.TERM
    assert ladder.remaining == 6.0


@pytest.mark.parametrize("late", [POLITE, AT_ONCE])
def test_a_stop_after_the_kill_kills_again_without_a_longer_wait(late: Stop) -> None:
    clock = ManualClock()
    ladder = Ladder(clock, ())
    ladder.climb(AT_ONCE)
    clock.time += 5.0

    assert ladder.climb(late) is Signal.KILL
    assert ladder.remaining == KILL_SECONDS - 5.0


def test_a_limit_that_has_passed_says_why_it_ends() -> None:
    clock = ManualClock()
    ladder = _limited(clock, 30.0, 20.0)
    clock.time += 20.0

    assert ladder.climb(None) is Signal.TERM
    assert ladder.stop is not None
    assert (ladder.stop.status, ladder.stop.reason) == (Status.TIMEOUT, "20 s")


def test_once_something_stops_it_limits_mean_nothing_more() -> None:
    clock = ManualClock()
    ladder = _limited(clock, 2.0)
    ladder.climb(POLITE)
    clock.time += 3.0

    assert ladder.remaining == 7.0
    assert ladder.stop is POLITE


def _inbox(*messages: Stop | Wake) -> Inbox:
    inbox = Inbox()
    for message in messages:
        inbox.put(message)
    return inbox


def _running(inbox: Inbox, **environment: str) -> FakeBackend:
    """Return a backend on which attempt A runs, and wakes the inbox when it ends."""
    backend = FakeBackend(World(scale=0.02))
    backend.prepare(StepSpec(address=A, image="i"))
    backend.follow(A, Recorder(), lambda: inbox.put(Wake()))
    backend.release(A, Release(environment=environment))
    return backend


def test_an_attempt_that_ends_by_itself_has_its_own_code_and_no_stop() -> None:
    inbox = Inbox()
    backend = _running(inbox, FAKE_EXIT="7", FAKE_SECONDS="1")

    assert await_ending(backend, A, inbox, Ladder(ManualClock(), ()), _ours) == (Ending(exit_code=7), None)


def test_a_wake_without_an_ending_means_nothing() -> None:
    inbox = _inbox(Wake(), Wake(), POLITE, Wake())
    backend = _running(inbox, FAKE_HANG="1")

    assert await_ending(backend, A, inbox, Ladder(ManualClock(), ()), _ours) == (Ending(exit_code=143), POLITE)


def test_an_attempt_that_had_ended_before_the_stop_keeps_its_own_ending() -> None:
    inbox = _inbox(POLITE)
    backend = _running(inbox, FAKE_HANG="1")
    backend.signal(A, Signal.TERM)

    assert await_ending(backend, A, inbox, Ladder(ManualClock(), ()), _ours) == (Ending(exit_code=143), None)


def test_an_attempt_that_ignores_term_is_killed_after_the_grace() -> None:
    signals: list[str] = []
    clock = ManualClock()

    def pass_time(call: Call) -> None:
        if call.verb != "conclude":
            signals.append(call.verb)
        if call.verb == "signal TERM":
            clock.time += 10.0

    inbox = _inbox(POLITE)
    backend = HookedBackend(_running(inbox, FAKE_HANG="1", FAKE_IGNORE_TERM="1"), before=pass_time)

    assert await_ending(backend, A, inbox, Ladder(clock, ()), _ours) == (Ending(exit_code=137), POLITE)
    assert signals == ["signal TERM", "signal KILL"]


def test_an_attempt_that_does_not_die_when_killed_is_given_up() -> None:
    clock = ManualClock()

    class Immortal(FakeBackend):
        def signal(self, address: Address, signal: Signal) -> None:
            clock.time += KILL_SECONDS

    inbox = _inbox(AT_ONCE)
    backend = Immortal(_running(inbox, FAKE_HANG="1").world)

    ending, stop = await_ending(backend, A, inbox, Ladder(clock, ()), _ours)

    assert (ending.exit_code, ending.reason) == (None, "it did not die when killed")
    assert stop is AT_ONCE


def test_a_limit_ends_an_attempt_by_itself() -> None:
    clock = ManualClock()
    ladder = _limited(clock, 5.0)
    clock.time += 5.0
    inbox = Inbox()

    ending, stop = await_ending(_running(inbox, FAKE_HANG="1"), A, inbox, ladder, _ours)

    assert ending == Ending(exit_code=143)
    assert stop is not None
    assert stop.reason == "5 s"


def test_an_attempt_that_another_driver_has_taken_over_gets_no_signal() -> None:
    inbox: Inbox = Inbox()
    signals: list[str] = []
    backend = HookedBackend(_running(inbox, FAKE_HANG="1"), before=lambda call: signals.append(call.verb))
    inbox.put(POLITE)

    with pytest.raises(SupersededError):
        await_ending(backend, A, inbox, Ladder(ManualClock(), ()), _replaced)
    assert signals == ["conclude"]


def test_whoever_is_told_to_leave_asks_the_engine_nothing_more() -> None:
    inbox: Inbox = Inbox()
    calls: list[Call] = []
    backend = HookedBackend(_running(inbox, FAKE_HANG="1"), before=calls.append)
    inbox.put(Leave())

    with pytest.raises(AbandonedError):
        await_ending(backend, A, inbox, Ladder(ManualClock(), ()), _ours)
    assert calls == []
