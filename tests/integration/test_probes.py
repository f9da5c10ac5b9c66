"""Whether a service can be used yet, asked of real ones."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runner import naming
from runner.backends.docker import probes
from runner.backends.docker.client import Engine
from runner.engine.backend import Readiness
from runner.engine.specs import Release, StepSpec
from runner.naming import SERVICES, Address
from runner.plan.model import Ready
from tests.support.attempts import wait_for
from tests.support.backends import Bench, Listener, docker_backend
from tests.support.plans import IMAGE

CHECKED = "runner-test-health:local"
OPEN = Readiness(ready=True)

Start = Callable[..., Address]


@pytest.fixture(scope="module")
def checked() -> Iterator[str]:
    """Make an image whose HEALTHCHECK fails until there is a file, and is given up at the third time."""
    api: Any = Engine().api  # the stubs leave half of it out
    container = api.create_container(IMAGE)["Id"]
    check = "HEALTHCHECK --interval=200ms --retries=3 CMD echo first; echo 'no /up yet' && test -e /up"
    api.commit(container, *CHECKED.split(":"), changes=[check])
    api.remove_container(container)
    yield CHECKED
    api.remove_image(CHECKED)


@pytest.fixture(scope="module")
def bench(checked: str) -> Iterator[Bench]:
    with docker_backend() as place:
        found = Bench(place)
        yield found
        found.close()


@pytest.fixture
def start(bench: Bench) -> Iterator[Start]:
    """Start services, which end with the test."""
    started: list[Address] = []

    def one(script: str, image: str = IMAGE, *, wait: bool = False) -> Address:
        address = Address(bench.run.id, SERVICES, f"s{time.monotonic_ns()}")
        spec = StepSpec(
            address=address, image=image, entrypoint=("sh", "-c", script), alias=address.step, workspace=False
        )
        listener = Listener()
        bench.backend.prepare(spec)
        started.append(address)
        bench.backend.follow(address, listener, listener.wake)
        bench.backend.release(address, Release())
        if wait:
            bench.ending(address, listener)
        return address

    yield one
    for address in started:
        bench.backend.discard(address)


def processes(service: Address) -> int:
    """Return how many processes there are in a container."""
    api: Any = Engine().api
    return len(api.top(naming.container(service))["Processes"])


def test_a_service_that_says_nothing_of_itself_is_ready_while_it_runs(bench: Bench, start: Start) -> None:
    lasting, ended = start("exec sleep 60"), start("exit 3", wait=True)

    assert bench.backend.probe(lasting, None) == OPEN
    assert bench.backend.probe(lasting, Ready()) == OPEN
    for ready in (None, Ready(command="true"), Ready(port=1)):
        assert bench.backend.probe(ended, ready) == Readiness(
            ready=False, hopeless=True, ended=True, reason="it ended with exit code 3"
        )


def test_a_service_that_is_gone_is_hopeless(bench: Bench) -> None:
    address = Address(bench.run.id, SERVICES, "nobody")

    found = bench.backend.probe(address, None)

    assert found == Readiness(ready=False, hopeless=True, ended=True, reason="its container is gone")


def test_a_command_decides_in_the_service_itself(bench: Bench, start: Start) -> None:
    service = start("touch /up; exec sleep 60")
    wait_for(lambda: bench.backend.probe(service, Ready(command="test -e /up")).ready)
    failing = bench.backend.probe(service, Ready(command="echo one; echo 'no answer' >&2; exit 2"))

    assert failing == Readiness(ready=False, reason="its `ready` command ended with exit code 2: no answer")
    assert not bench.backend.probe(service, Ready(command="nothing-here")).hopeless


def test_a_command_that_hangs_and_floods_is_no_answer_and_nothing_of_it_is_left(
    bench: Bench, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "_COMMAND_SECONDS", 1)
    service = start("exec sleep 60")
    before = processes(service)
    began = time.monotonic()
    found = bench.backend.probe(service, Ready(command="sleep 100 & yes | cat"))
    took = time.monotonic() - began

    assert found.reason.startswith("its `ready` command takes more than 1 seconds")
    assert took < 4
    wait_for(lambda: processes(service) == before)


def test_a_port_that_accepts_is_ready_and_one_that_does_not_is_not_yet(bench: Bench, start: Start) -> None:
    service = start("while :; do nc -l -p 5000; done")
    wait_for(lambda: bench.backend.probe(service, Ready(port=5000)) == OPEN)
    refused = bench.backend.probe(service, Ready(port=5001))

    assert (refused.ready, refused.hopeless) == (False, False)
    assert refused.reason.startswith("its port 5001 cannot be reached: ")
    assert refused.reason.endswith("Connection refused")


def test_the_health_check_of_an_image_decides_where_nothing_else_is_said(
    bench: Bench, start: Start, checked: str
) -> None:
    well, ill = start("sleep 0.3; touch /up; exec sleep 60", checked), start("exec sleep 60", checked)
    seen = bench.backend.probe(ill, None)
    wait_for(lambda: bench.backend.probe(well, None) == OPEN)
    wait_for(lambda: bench.backend.probe(ill, None).hopeless)

    assert (seen.ready, seen.hopeless) == (False, False)
    assert seen.reason.startswith("its health check says starting")
    assert bench.backend.probe(ill, None).reason == "its health check says unhealthy: no /up yet"
    assert bench.backend.probe(ill, Ready(command="true")) == OPEN
