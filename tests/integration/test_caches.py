"""Caches on the real engine: they outlive runs and their removal, and go when they are asked to."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from runner.backends.docker.sweep import Sweep
from runner.engine.backend import Signal
from runner.engine.specs import Release
from runner.naming import Address
from runner.plan.model import Cache, Step
from tests.support.attempts import wait_for
from tests.support.backends import Bench, DockerPlace, Listener, docker_backend
from tests.support.plans import IMAGE

GO, NPM = Cache(key="go", path="/root-of/go"), Cache(key="npm", path="deps/npm")


@pytest.fixture(scope="module")
def place() -> Iterator[DockerPlace]:
    with docker_backend() as found:
        assert isinstance(found, DockerPlace)
        yield found


@pytest.fixture(scope="module")
def bench(place: DockerPlace) -> Iterator[Bench]:
    found = Bench(place)
    yield found
    found.close()
    assert place.left(found.run.id) == ()


def names(place: DockerPlace) -> list[str]:
    return sorted(found.cache for found in Sweep(place._engine).lasting(place._instance) if found.cache)


def begin(bench: Bench, name: str, command: str, *caches: Cache, user: str = "") -> tuple[Address, Listener]:
    """Start a step."""
    step = Step(name=name, image=IMAGE, commands=(command,))
    spec, listener = replace(bench.spec(step), caches=caches, user=user), Listener()
    bench.backend.prepare(spec)
    bench.backend.follow(spec.address, listener, listener.wake)
    bench.backend.release(spec.address, Release())
    return spec.address, listener


def run(bench: Bench, name: str, command: str, *caches: Cache, user: str = "") -> list[str]:
    """Run a step to its end, and return what it wrote."""
    address, listener = begin(bench, name, command, *caches, user=user)
    assert bench.ending(address, listener).exit_code == 0, listener.lines
    bench.backend.discard(address)
    return listener.lines


def test_what_a_step_keeps_is_there_in_the_next_run_for_every_user_and_no_run_owns_it(
    place: DockerPlace, bench: Bench
) -> None:
    first = Bench(place)
    run(first, "one", "id -u >/root-of/go/who && touch deps/npm/x", GO, NPM, user="1000")
    run(first, "close", "chmod 700 deps/npm", NPM)
    first.close()
    seen = run(bench, "two", "cat /root-of/go/who; stat -c %a /root-of/go deps/npm", GO, NPM, user="2000")
    other = run(bench, "three", "ls -A /root-of/go; echo empty", replace(GO, key="other"))

    assert seen == ["1000", "777", "700"]
    assert other == ["empty"]
    assert place.left(first.run.id) == ()
    wait_for(lambda: len(names(place)) == 3)  # the last container is being removed
    assert names(place) == ["go at /root-of/go", "npm at /workspace/deps/npm", "other at /root-of/go"]


def test_a_cache_that_a_container_mounts_is_not_to_be_removed_and_others_are(place: DockerPlace, bench: Bench) -> None:
    used, unused = (Cache(key=key, path="/c") for key in ("used", "unused"))
    run(bench, "four", "true", unused)
    address, listener = begin(bench, "five", "sleep 60", used)
    wait_for(lambda: "unused at /c" in names(place))
    sweep = Sweep(place._engine)
    while_used = names(place)
    left = sweep.remove(sweep.lasting(place._instance))
    bench.backend.signal(address, Signal.KILL)
    bench.ending(address, listener)
    bench.backend.discard(address)

    assert "used at /c" not in while_used
    assert left == ()
    wait_for(lambda: names(place) == ["used at /c"])
