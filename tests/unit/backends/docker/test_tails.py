"""When the stream of a step is read whose stage has gone on before the last output of the one before it has come."""

import threading
import time
from dataclasses import dataclass, field
from typing import cast

import pytest

from runner.backends.docker import tails
from runner.backends.docker.attach import Connection
from runner.backends.docker.attempt import Attempt, Tap
from runner.backends.docker.tails import Tails
from runner.engine.backend import Ending
from runner.errors import EngineRefusedError
from runner.naming import Address
from tests.support.attempts import Recorder
from tests.support.hooked import DEADLINE

FEW_SECONDS = 0.1


@dataclass
class Stand:
    """The tails of attempts whose output has come when they are among ``done``; ``read`` are those that are read."""

    done: set[Attempt] = field(default_factory=set)
    streams: list[tuple[Connection, Tap]] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    tails: Tails = field(init=False)

    def __post_init__(self) -> None:
        self.tails = Tails(self, self)  # type: ignore[arg-type]  # it concludes and registers

    def conclude(self, attempt: Attempt) -> Ending | None:
        return Ending(exit_code=0) if attempt in self.done else None

    def register(self, connection: Connection, tap: Tap) -> None:
        self.streams.append((connection, tap))

    def attempt(self, step: str, stage: str = "s", run: str = "r") -> Attempt:
        made = Attempt(address=Address(run, stage, step), tap=Tap(keeps_log=False), connection=_connection())
        self.attempts.append(made)
        return made

    @property
    def read(self) -> list[Attempt]:
        return [next(each for each in self.attempts if each.tap is tap) for _, tap in self.streams]


def _connection() -> Connection:
    return cast("Connection", object())


@pytest.fixture
def stand() -> Stand:
    return Stand()


def _stage(attempt: Attempt) -> Address:
    return attempt.address.of_stage()


def test_a_stream_before_which_nothing_is_to_come_is_read_at_once(stand: Stand) -> None:
    one = stand.attempt("one")

    stand.tails.listen(one)

    assert stand.read == [one]
    assert not stand.tails.holds(one.address)
    assert stand.tails.over(_stage(one)) == ()


def test_a_stream_is_read_when_the_output_before_it_has_come_and_not_sooner(stand: Stand) -> None:
    one, two = stand.attempt("one"), stand.attempt("two")
    stand.tails.begin(one)
    stand.tails.listen(two)
    assert stand.tails.over(_stage(one)) == ()
    assert (stand.read, stand.tails.holds(one.address), stand.tails.waits(two.address)) == ([], True, True)

    stand.done.add(one)

    assert stand.tails.over(_stage(one)) == (one.address,)
    assert (stand.read, stand.tails.holds(one.address), stand.tails.waits(two.address)) == ([two], False, False)
    assert stand.tails.over(_stage(one)) == ()
    assert stand.read == [two], "it is read once"


def test_of_steps_that_have_all_gone_on_each_is_read_when_the_one_before_it_was(stand: Stand) -> None:
    one, two, three = (stand.attempt(name) for name in ("one", "two", "three"))
    stand.tails.begin(one)
    stand.tails.listen(two)
    stand.tails.begin(two)
    stand.tails.listen(three)
    stand.done.add(two)
    assert (stand.tails.over(_stage(one)), stand.read) == ((), [])

    stand.done.add(one)

    assert stand.tails.over(_stage(one)) == (one.address, two.address)
    assert stand.read == [two, three]


def test_an_output_that_cannot_be_read_to_its_end_says_so_and_holds_nobody_up(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Attempt) -> Ending | None:
        raise EngineRefusedError("no such thing", status=500)

    monkeypatch.setattr(stand, "conclude", fail)
    one, two, output = stand.attempt("one"), stand.attempt("two"), Recorder()
    one.tap.follow(output, output.wake)
    stand.tails.begin(one)
    stand.tails.listen(two)

    assert stand.tails.over(_stage(one)) == (one.address,)
    assert (output.gaps, output.closed) == (["the end of the output could not be read: no such thing"], True)
    assert stand.read == [two]


def test_what_is_let_go_while_it_waits_is_not_read(stand: Stand) -> None:
    one, two = stand.attempt("one"), stand.attempt("two")
    stand.tails.begin(one)
    stand.tails.listen(two)

    two.connection = None
    stand.done.add(one)

    assert stand.tails.over(_stage(one)) == (one.address,)
    assert stand.read == []


def test_what_is_made_anew_while_it_waits_is_read_once_and_from_its_new_container(stand: Stand) -> None:
    one, two = stand.attempt("one"), stand.attempt("two")
    stand.tails.begin(one)
    stand.tails.listen(two)
    two.connection = _connection()
    stand.tails.listen(two)

    stand.done.add(one)

    assert stand.tails.over(_stage(one)) == (one.address,)
    assert stand.streams == [(two.connection, two.tap)]


def test_the_tails_of_two_stages_are_independent(stand: Stand) -> None:
    mine, next_of_mine = stand.attempt("one", "mine"), stand.attempt("two", "mine")
    other, next_of_other = stand.attempt("one", "other"), stand.attempt("two", "other")
    for tail, following in ((mine, next_of_mine), (other, next_of_other)):
        stand.tails.begin(tail)
        stand.tails.listen(following)

    stand.done.add(other)

    assert (stand.tails.over(_stage(mine)), stand.tails.over(_stage(other))) == ((), (other.address,))
    assert stand.read == [next_of_other]
    assert (stand.tails.holds(mine.address), stand.tails.holds(other.address)) == (True, False)


def test_draining_waits_for_the_output_and_begins_to_read_what_waits_for_it(stand: Stand) -> None:
    one, two = stand.attempt("one"), stand.attempt("two")
    stand.tails.begin(one)
    stand.tails.listen(two)
    draining = threading.Thread(target=stand.tails.drain, args=(_stage(one),))
    draining.start()
    draining.join(FEW_SECONDS)
    assert draining.is_alive()

    stand.done.add(one)

    draining.join(DEADLINE)
    assert not draining.is_alive()
    assert (stand.read, stand.tails.holds(one.address)) == ([two], False)


def test_draining_gives_an_output_up_that_does_not_come(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tails, "_DRAIN_SECONDS", FEW_SECONDS)
    one, two = stand.attempt("one"), stand.attempt("two")
    stand.tails.begin(one)
    stand.tails.listen(two)
    before = time.monotonic()

    stand.tails.drain(_stage(one))

    assert FEW_SECONDS <= time.monotonic() - before < DEADLINE
    assert (stand.read, stand.tails.holds(one.address)) == ([two], False)


def test_a_stage_of_which_nothing_is_to_come_is_drained_at_once(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("there is nothing to wait for"))
    one = stand.attempt("one")
    stand.tails.begin(one)
    stand.done.add(one)

    stand.tails.drain(_stage(one))
    stand.tails.drain(Address("r", "another"))

    assert not stand.tails.holds(one.address)


def test_of_a_run_that_is_forgotten_nothing_is_read_any_more_and_others_keep_their_tails(stand: Stand) -> None:
    one, two = stand.attempt("one"), stand.attempt("two")
    other = stand.attempt("one", run="another")
    stand.tails.begin(one)
    stand.tails.begin(other)
    stand.tails.listen(two)

    stand.tails.forget("r")
    stand.done.add(one)

    assert stand.tails.over(_stage(one)) == ()
    assert stand.read == []
    assert (stand.tails.holds(one.address), stand.tails.holds(other.address)) == (False, True)


def test_a_run_that_is_forgotten_while_its_engine_is_asked_has_nothing_read_of_it_any_more(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgotten_meanwhile(attempt: Attempt) -> Ending | None:
        stand.tails.forget(attempt.address.run)
        return Ending(exit_code=0)

    monkeypatch.setattr(stand, "conclude", forgotten_meanwhile)
    one, two = stand.attempt("one"), stand.attempt("two")
    stand.tails.begin(one)
    stand.tails.listen(two)

    stand.tails.over(_stage(one))

    assert (stand.read, stand.tails.holds(one.address)) == ([], False)


def test_of_two_who_ask_at_once_one_hears_of_an_end_and_what_waited_is_read_once(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def held(_: Attempt) -> Ending | None:
        entered.set()
        assert go_on.wait(DEADLINE)
        return Ending(exit_code=0)

    monkeypatch.setattr(stand, "conclude", held)
    one, two = stand.attempt("one"), stand.attempt("two")
    stand.tails.begin(one)
    stand.tails.listen(two)
    heard: list[tuple[Address, ...]] = []
    asking = [threading.Thread(target=lambda: heard.append(stand.tails.over(_stage(one)))) for _ in range(2)]
    asking[0].start()
    assert entered.wait(DEADLINE)
    asking[1].start()
    asking[1].join(FEW_SECONDS)
    go_on.set()
    for each in asking:
        each.join(DEADLINE)

    assert sorted(heard) == [(), (one.address,)]
    assert stand.read == [two]
