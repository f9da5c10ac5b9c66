"""The network of runs in which nothing is reached by its name, and the sandbox that a run finds there, on an engine."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from runner import naming
from runner.backends.docker.script import SANDBOX
from runner.backends.docker.sweep import Sweep
from runner.engine.specs import RunSpec
from tests.support.backends import DockerPlace, docker_backend
from tests.support.pipelinectl_stand import Stand


@pytest.fixture(scope="module")
def place() -> Iterator[DockerPlace]:
    with docker_backend() as made:
        assert isinstance(made, DockerPlace)
        made._settings = replace(made._settings, confined=True)  # as a daemon's: on one's own machine it is the bridge
        yield made


def sandbox_of(stand: Stand) -> dict[str, Any]:
    """Return the one sandbox of a run, as the engine tells of it."""
    api = stand.place._engine.api
    labels = [f"{naming.LABEL_RUN}={stand.run.id}", f"{naming.LABEL_ROLE}={SANDBOX}"]
    [raw] = api.containers(all=True, filters={"label": labels})
    found: dict[str, Any] = api.inspect_container(raw["Id"])
    return found


def address_of(stand: Stand) -> tuple[str, str]:
    """Return in which network a run stands, and its address there."""
    [network] = sandbox_of(stand)["NetworkSettings"]["Networks"].values()
    return network["NetworkID"], network["IPAddress"]


def test_runs_without_names_share_a_network_that_outlives_them_and_do_not_reach_each_other(place: DockerPlace) -> None:
    first, second = Stand(place, named=False, reserved=True), Stand(place, named=False)
    (common, address), (others, _) = address_of(first), address_of(second)
    assert common == others

    running = first.begin("while true; do nc -lp 7 -e echo here; done")
    assert first.step(f"until nc {address} 7 </dev/null; do sleep 0.1; done").lines[-1] == "here"
    refused = second.step(f"nc -w 1 {address} 7 </dev/null && echo reached")
    assert (refused.code, refused.out) == (1, b"")

    for stand in (first, second):
        stand.backend.close_run(stand.run, keep=False)
        assert place.left(stand.run.id) == ()
    assert running.recorder.closed
    sweep = Sweep(place._engine)
    [left] = [remnant for remnant in sweep.lasting(place._instance) if remnant.kind == "network"]
    assert left.name == naming.common_network(place._instance)
    assert sweep.remove((left,), tries=1) == ()


def test_a_spare_sandbox_is_that_of_its_run_and_answers_its_steps(place: DockerPlace) -> None:
    stand = Stand(place, named=False, reserved=True)

    assert sandbox_of(stand)["Name"] == f"/{naming.sandbox(stand.run.id, 1)}"
    assert stand.step("set_env name value; get_env name").lines == ["value"]

    stand.backend.close_run(stand.run, keep=False)
    assert place.left(stand.run.id) == ()


def test_a_run_with_names_leaves_its_spare_sandbox_and_stands_in_a_network_of_its_own(place: DockerPlace) -> None:
    plain, named = Stand(place, named=False), Stand(place, named=True, reserved=True)

    assert address_of(plain)[0] != address_of(named)[0]
    assert named.step("get_env none fallback").lines == ["fallback"]

    for stand in (plain, named):
        stand.backend.close_run(stand.run, keep=False)
        assert place.left(stand.run.id) == ()


def test_what_was_reserved_for_a_run_that_never_came_goes_with_its_id(place: DockerPlace) -> None:
    stand = Stand(place, named=False)
    backend, run = stand.backend, naming.new_run_id()
    backend.reserve(run)
    assert backend.reserved() == (run,)

    backend.close_run(RunSpec(id=run, home="", workdir=""), keep=False)

    assert (backend.reserved(), place.left(run)) == ((), ())
    stand.backend.close_run(stand.run, keep=False)
