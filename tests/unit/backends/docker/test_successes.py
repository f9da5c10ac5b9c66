"""When the kernel is believed that an attempt has succeeded, of whose end its engine has not told yet."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from runner.backends.docker.attempt import Attempt, Tap
from runner.backends.docker.reader import Reader
from runner.backends.docker.verdicts import Verdicts
from runner.errors import EngineTimeoutError, EngineUnavailableError, InfrastructureError
from runner.naming import Address


@dataclass
class Asked:
    """An engine that takes a new connection, unless there is ``trouble``; ``meanwhile`` happens as it is asked."""

    trouble: InfrastructureError | None = None
    meanwhile: Callable[[], None] = lambda: None
    times: int = 0

    def check_anew(self, seconds: int) -> None:
        assert seconds <= 1, "a success is to be told of before the engine does"
        self.times += 1
        self.meanwhile()
        if self.trouble is not None:
            raise self.trouble


@pytest.fixture
def engine() -> Asked:
    return Asked()


@pytest.fixture
def verdicts(engine: Asked) -> Verdicts:
    unused: Reader = None  # type: ignore[assignment]  # nothing is read here
    return Verdicts(engine, unused, away=1.0)  # type: ignore[arg-type]  # it can be asked


@pytest.fixture
def attempt() -> Attempt:
    """Return an attempt of which the kernel has told that it has ended with 0."""
    found = Attempt(address=Address("r", "s", "t"), tap=Tap(keeps_log=False), container="c", released=True)
    found.tap.succeeded()
    return found


DOUBTS: dict[str, Callable[[Attempt], None]] = {
    "somebody sent a signal": lambda attempt: setattr(attempt.tap, "suspect", True),
    "events were missed": lambda attempt: setattr(attempt.tap, "doubtful", True),
    "its stream is over": lambda attempt: attempt.tap.ended(None),
    "killed by us": lambda attempt: setattr(attempt, "killed", True),
    "the engine was away": lambda attempt: setattr(attempt, "interrupted", True),
    "its stream was read on": lambda attempt: setattr(attempt, "resumed", True),
}


def test_a_success_that_the_kernel_tells_is_believed_while_the_engine_takes_connections(
    verdicts: Verdicts, attempt: Attempt, engine: Asked
) -> None:
    assert verdicts.succeeded(attempt)
    assert engine.times == 1


@pytest.mark.parametrize("doubt", DOUBTS.values(), ids=DOUBTS)
def test_with_any_doubt_the_word_of_the_engine_is_waited_for(
    verdicts: Verdicts, attempt: Attempt, doubt: Callable[[Attempt], None]
) -> None:
    doubt(attempt)

    assert not verdicts.succeeded(attempt)


@pytest.mark.parametrize("doubt", DOUBTS.values(), ids=DOUBTS)
def test_a_doubt_counts_that_comes_while_the_engine_is_asked(
    verdicts: Verdicts, attempt: Attempt, engine: Asked, doubt: Callable[[Attempt], None]
) -> None:
    engine.meanwhile = lambda: doubt(attempt)

    assert not verdicts.succeeded(attempt)


@pytest.mark.parametrize("trouble", [EngineUnavailableError("it goes away"), EngineTimeoutError("it hangs")])
def test_an_engine_that_takes_no_connection_may_have_ended_it(
    verdicts: Verdicts, attempt: Attempt, engine: Asked, trouble: InfrastructureError
) -> None:
    engine.trouble = trouble

    assert not verdicts.succeeded(attempt)


@pytest.mark.parametrize("missing", ["news of the kernel", "a release"])
def test_what_the_kernel_has_not_told_of_or_nobody_has_released_costs_no_question(
    verdicts: Verdicts, attempt: Attempt, engine: Asked, missing: str
) -> None:
    if missing == "a release":
        attempt.released = False
    else:
        attempt.tap.renew()  # what was told was of the container before

    assert not verdicts.succeeded(attempt)
    assert engine.times == 0
