"""The contract of ``runner.dispatch.base``, against every dispatcher that there is."""

import time
from collections.abc import Callable, Iterator

import pytest

from runner.dispatch.base import Dispatcher
from tests.support.dispatchers import KINDS, Kind, Puppet, Stored
from tests.support.hooked import DEADLINE

LIMITS = {"default": 2, "deploy": 1}
MOMENT = 0.2
Serve = Callable[[], Dispatcher]


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.fixture
def agent(stored: Stored) -> Puppet:
    return Puppet(stored)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def serve(request: pytest.FixtureRequest, stored: Stored, agent: Puppet) -> Iterator[Serve]:
    """Return what makes a dispatcher that serves; at the end every run ends, and it is closed."""
    kind = request.param
    assert isinstance(kind, Kind)
    made: list[Dispatcher] = []

    def make() -> Dispatcher:
        made.append(kind.make(stored, agent, LIMITS))
        made[-1].serve()
        return made[-1]

    yield make
    for dispatcher in made:
        dispatcher.drain()
        agent.end(*stored.runs)
        assert dispatcher.settled(DEADLINE)
        dispatcher.close()


def test_a_submitted_run_is_driven_until_it_has_ended(serve: Serve, stored: Stored, agent: Puppet) -> None:
    dispatcher = serve()

    dispatcher.submit(stored.add("a"))
    agent.until(lambda: agent.begun == ["a"])
    assert list(dispatcher.driven()) == ["a"]

    agent.end("a")
    assert dispatcher.settled(DEADLINE)
    assert (list(dispatcher.driven()), stored.status["a"]) == ([], "success")


def test_a_run_that_waited_before_anybody_served_is_driven(serve: Serve, stored: Stored, agent: Puppet) -> None:
    stored.add("a")

    serve()

    agent.until(lambda: agent.begun == ["a"])


def test_of_a_queue_no_more_runs_go_on_than_its_limit_says(serve: Serve, stored: Stored, agent: Puppet) -> None:
    for run in "abcde":
        stored.add(run)
    dispatcher = serve()

    for ended, begun in enumerate(("ab", "abc", "abcd", "abcde")):
        agent.until(lambda begun=begun: len(agent.begun) == len(begun))  # type: ignore[misc]  # bound in this round
        agent.end("abcde"[ended])
    agent.end(*"abcde")

    assert dispatcher.settled(DEADLINE)
    assert (sorted(agent.begun), agent.most) == (list("abcde"), 2)


def test_a_full_queue_holds_up_no_other(serve: Serve, stored: Stored, agent: Puppet) -> None:
    for run in ("d1", "d2"):
        stored.add(run, queue="deploy")
    stored.add("a")

    serve()

    agent.until(lambda: sorted(agent.begun) == ["a", "d1"])


def test_what_has_begun_is_driven_first_and_whatever_the_limits(serve: Serve, stored: Stored, agent: Puppet) -> None:
    stored.add("waiting", priority=9)
    for run in ("a", "b", "c"):
        stored.add(run, begun=True)

    serve()

    agent.until(lambda: sorted(agent.begun) == ["a", "b", "c"])
    time.sleep(MOMENT)
    assert "waiting" not in agent.begun


def test_a_paused_run_is_not_driven_and_takes_no_place(serve: Serve, stored: Stored, agent: Puppet) -> None:
    agent.pausing.add("d1")
    dispatcher = serve()
    dispatcher.submit(stored.add("d1", queue="deploy"))
    dispatcher.submit(stored.add("d2", queue="deploy"))
    agent.until(lambda: agent.begun == ["d1"])

    agent.end("d1")

    agent.until(lambda: agent.begun == ["d1", "d2"])
    assert list(dispatcher.driven()) == ["d2"]
    agent.end("d2")
    assert dispatcher.settled(DEADLINE)
    assert (agent.begun, stored.status) == (["d1", "d2"], {"d1": "paused", "d2": "success"})


def test_a_run_that_was_paused_goes_on_at_once_whatever_the_limits(serve: Serve, stored: Stored, agent: Puppet) -> None:
    stored.add("paused", queue="deploy")
    stored.enter("paused", "paused")
    dispatcher = serve()
    dispatcher.submit(stored.add("other", queue="deploy"))
    agent.until(lambda: agent.begun == ["other"])

    stored.enter("paused", "running")
    dispatcher.submit("paused")

    agent.until(lambda: agent.begun == ["other", "paused"])


def test_a_paused_run_that_is_cancelled_is_driven_to_be_concluded(serve: Serve, stored: Stored, agent: Puppet) -> None:
    stored.add("a")
    stored.enter("a", "paused")
    dispatcher = serve()

    stored.cancel("a")
    dispatcher.cancel("a", force=False)

    agent.until(lambda: stored.status["a"] == "success")


def test_a_run_whose_driver_fails_is_driven_again(serve: Serve, stored: Stored, agent: Puppet) -> None:
    agent.failures["a"] = 1
    dispatcher = serve()

    dispatcher.submit(stored.add("a"))
    agent.until(lambda: agent.begun == ["a", "a"])
    agent.end("a")

    assert dispatcher.settled(DEADLINE)
    assert (agent.most, stored.status["a"]) == (1, "success")


def test_a_run_whose_driver_has_failed_keeps_its_place_in_the_queue(
    serve: Serve, stored: Stored, agent: Puppet
) -> None:
    agent.failures["d1"] = 1
    dispatcher = serve()
    dispatcher.submit(stored.add("d1", queue="deploy"))
    agent.until(lambda: agent.begun == ["d1"])

    dispatcher.submit(stored.add("d2", queue="deploy"))
    agent.until(lambda: agent.begun == ["d1", "d1"])
    agent.end("d1")

    agent.until(lambda: agent.begun == ["d1", "d1", "d2"])


def test_cancelling_reaches_the_agent_that_drives_the_run(serve: Serve, stored: Stored, agent: Puppet) -> None:
    dispatcher = serve()
    dispatcher.submit(stored.add("a"))
    agent.until(lambda: agent.begun == ["a"])

    dispatcher.cancel("a", force=True)

    agent.until(lambda: agent.cancelled == [("a", True)])


def test_a_cancelled_run_that_waits_is_driven_at_once_to_be_concluded(
    serve: Serve, stored: Stored, agent: Puppet
) -> None:
    dispatcher = serve()
    for run in ("a", "b", "c"):
        dispatcher.submit(stored.add(run))
    agent.until(lambda: sorted(agent.begun) == ["a", "b"])

    stored.cancel("c")
    dispatcher.cancel("c", force=False)

    agent.until(lambda: "c" in agent.begun)
    agent.until(lambda: stored.status["c"] == "success")


def test_nothing_begins_while_draining_and_what_goes_on_goes_on(serve: Serve, stored: Stored, agent: Puppet) -> None:
    dispatcher = serve()
    dispatcher.submit(stored.add("a"))
    agent.until(lambda: agent.begun == ["a"])

    dispatcher.drain()
    dispatcher.submit(stored.add("b"))

    assert not dispatcher.settled(MOMENT)
    assert list(dispatcher.driven()) == ["a"]
    agent.end("a")
    assert dispatcher.settled(DEADLINE)
    assert (agent.begun, stored.status["b"]) == (["a"], "pending")
