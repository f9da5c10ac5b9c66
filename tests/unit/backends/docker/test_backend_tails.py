"""What a backend does with a step whose stage has gone on while its last output is still to come."""

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from runner.backends.docker.attempt import Attempt, Tap
from runner.backends.docker.backend import _BEHIND_SECONDS, DockerBackend
from runner.clock import Deadline
from runner.engine.backend import STDOUT, Ending
from runner.naming import Address, Instance
from runner.settings import DockerSettings
from tests.support.attempts import Recorder, wait_for
from tests.support.connections import connection_pair, frame
from tests.support.stub_engine import StubEngine, answer, stub_engine

STAGE, ONE, TWO = Address("aa", "s"), Address("aa", "s", "one"), Address("aa", "s", "two")
LONG_ENOUGH = 10 * _BEHIND_SECONDS
SUCCESS = Ending(exit_code=0)


@dataclass
class Stand:
    """A backend with a step ``one`` that has succeeded as the kernel tells, and a ``two`` that stands at its gate.

    ``stream`` is the engine's end of what ``two`` prints.
    """

    backend: DockerBackend
    stub: StubEngine
    one: Attempt = field(init=False)
    two: Attempt = field(init=False)
    stream: socket.socket = field(init=False)
    output: Recorder = field(default_factory=Recorder)
    next_output: Recorder = field(default_factory=Recorder)

    def __post_init__(self) -> None:
        self.one = self._keep(ONE, "c1", released=True)
        self.one.tap.follow(self.output, self.output.wake)
        self.one.tap.succeeded()
        self.two = self._keep(TWO, "c2", mark="/marks/two")
        self.two.connection, self.stream = connection_pair()

    def _keep(self, address: Address, container: str, *, released: bool = False, mark: str = "") -> Attempt:
        made = Attempt(address=address, tap=Tap(keeps_log=False), container=container, released=released, mark=mark)
        self.backend._containers._keep(made)
        self.stub.script[f"/containers/{container}"] = [answer({})]
        return made

    def go_on(self) -> None:
        """Do what the engine does with a success: the stage goes on with the next step."""
        assert self.backend.conclude(ONE) == SUCCESS
        self.backend.discard(ONE)
        self.backend.follow(TWO, self.next_output, self.next_output.wake)
        self.two.released = True

    def end(self, attempt: Attempt) -> None:
        """Let the engine tell of an end."""
        attempt.tap.ended(None)
        attempt.tap.died(0)

    def removed(self, container: str) -> bool:
        return any(request.startswith(f"DELETE /containers/{container}?") for request in self.stub.requests)


@pytest.fixture
def stand() -> Iterator[Stand]:
    with stub_engine() as stub:
        stub.script["/_ping"] = [answer("OK")]
        engine = stub.engine()
        backend = DockerBackend(engine, DockerSettings(), Instance(id="i1", kind="daemon", host="h", owner="o"))
        found = Stand(backend, stub)
        yield found
        backend._containers.forget("aa")
        found.stream.close()
        backend.close()
        engine.api.close()


def _stays(condition: Callable[[], bool]) -> bool:
    deadline = Deadline(LONG_ENOUGH)
    while condition() and not deadline.passed:
        threading.Event().wait(0.01)
    return condition()


def test_the_container_of_a_step_is_kept_until_its_last_output_has_come_and_is_removed_then(stand: Stand) -> None:
    stand.go_on()
    assert _stays(lambda: not stand.removed("c1"))
    assert not stand.output.closed

    stand.one.tap.write(STDOUT, b"last")
    stand.end(stand.one)
    assert stand.backend.conclude(TWO) is None

    assert (stand.output.out, stand.output.closed) == (b"last", True)
    wait_for(lambda: stand.removed("c1"))
    assert not stand.removed("c2")


def test_the_end_of_the_next_step_is_not_told_before_the_output_of_the_one_before_has_come(stand: Stand) -> None:
    stand.go_on()
    stand.end(stand.two)
    assert stand.backend.conclude(TWO) is None

    stand.end(stand.one)

    assert stand.backend.conclude(TWO) == SUCCESS


def test_nothing_is_read_of_the_next_step_before_the_output_of_the_one_before_has_come(stand: Stand) -> None:
    stand.stream.sendall(frame(STDOUT, b"next"))
    stand.go_on()
    assert _stays(lambda: not stand.next_output.out)

    stand.end(stand.one)
    stand.backend.conclude(TWO)

    assert stand.output.closed
    wait_for(lambda: stand.next_output.out == b"next")


def test_whatever_was_read_before_a_step_has_succeeded_ends_without_regard_to_what_that_still_prints(
    stand: Stand,
) -> None:
    stand.backend.follow(TWO, stand.next_output, stand.next_output.wake)
    assert stand.backend.conclude(ONE) == SUCCESS
    stand.two.released = True
    stand.end(stand.two)

    assert stand.backend.conclude(TWO) == SUCCESS
    assert not stand.output.closed


def test_a_stage_is_closed_when_the_last_output_has_come_whose_container_is_removed_then(stand: Stand) -> None:
    stand.go_on()
    closing = threading.Thread(target=stand.backend.close_stage, args=(STAGE,), kwargs={"needed": False})
    closing.start()
    closing.join(LONG_ENOUGH)
    assert closing.is_alive()

    stand.end(stand.one)

    closing.join()
    assert stand.output.closed
    assert not stand.backend._containers.tails.holds(ONE)
    wait_for(lambda: stand.removed("c1"))


def test_a_step_whose_end_the_engine_has_told_is_removed_at_once_while_the_next_one_waits(stand: Stand) -> None:
    stand.end(stand.one)

    assert stand.backend.conclude(ONE) == SUCCESS
    stand.backend.discard(ONE)

    assert stand.output.closed
    wait_for(lambda: stand.removed("c1"))
