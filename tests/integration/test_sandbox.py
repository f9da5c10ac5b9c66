"""Sandboxes on a real engine: what they are, what outlives their client, and what becomes of them after a crash."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from runner import naming
from runner.backends.docker import mounts
from runner.backends.docker.backend import DockerBackend
from runner.backends.docker.script import SANDBOX
from runner.backends.docker.sweep import Sweep
from runner.engine.backend import Ending
from runner.engine.job import Task
from runner.errors import InfrastructureError
from runner.naming import Address, shim_volume
from runner.pipelinectl import bundle
from runner.pipelinectl.layout import HOME
from tests.support.backends import DockerPlace, docker_backend
from tests.support.hooked import DEADLINE
from tests.support.pipelinectl_stand import Stand

STOP = "kill -STOP $(pidof sh | tr ' ' '\\n' | tail -n 1)"
"""Stops the shell that answers, which is the oldest of them."""


@pytest.fixture(scope="module")
def place() -> Iterator[DockerPlace]:
    with docker_backend() as made:
        assert isinstance(made, DockerPlace)
        yield made


@pytest.fixture
def stand(place: DockerPlace) -> Iterator[Stand]:
    made = Stand(place)
    yield made
    made.backend.close_run(made.run, keep=False)
    assert place.left(made.run.id) == ()


def sandboxes(stand: Stand) -> dict[str, str]:
    """Return the ids of the run's sandboxes by their names, whether they run or not."""
    labels = [f"{naming.LABEL_RUN}={stand.run.id}", f"{naming.LABEL_ROLE}={SANDBOX}"]
    found = stand.place._engine.api.containers(all=True, filters={"label": labels})
    return {raw["Names"][0].strip("/"): raw["Id"] for raw in found}


def reborn(stand: Stand, *stages: str) -> None:
    """Let the client die, and a new one take over, with these stages."""
    stand.place.die(stand.backend)
    stand.backend = stand.place.client()
    stand.backend.open_run(stand.run)
    for stage in stages:
        stand.open_stage(stage)


def joined(stand: Stand, stage: Address) -> str:
    """Return the sandbox that an open stage has, once it runs."""
    assert isinstance(stand.backend, DockerBackend)
    sandbox = stand.backend._runs.opened(stage).sandbox
    sandbox.ready()
    return sandbox.id


def networks(stand: Stand, sandbox: str) -> set[str]:
    """Return the names of the networks that a sandbox stands in."""
    return set(stand.place._engine.api.inspect_container(sandbox)["NetworkSettings"]["Networks"])


def test_a_sandbox_has_one_capability_no_log_and_an_input_that_outlives_its_client(stand: Stand) -> None:
    [box] = sandboxes(stand).values()
    found: dict[str, Any] = stand.place._engine.api.inspect_container(box)

    assert (found["Config"]["OpenStdin"], found["Config"]["StdinOnce"]) == (True, False)
    host = found["HostConfig"]
    assert (host["CapDrop"], host["CapAdd"], host["ReadonlyRootfs"]) == (["ALL"], ["DAC_OVERRIDE"], True)
    assert (host["LogConfig"]["Type"], host["SecurityOpt"]) == ("none", ["no-new-privileges"])


def test_what_a_dead_client_left_is_taken_over_with_secrets_networks_and_values(stand: Stand) -> None:
    second = stand.open_stage("t")
    assert stand.step("set_secret key hidden; set_env name value").code == 0
    running = stand.begin("nc -lp 7 -e echo here; nc -lp 8 -e true", stage=second)
    box, before = joined(stand, second), sandboxes(stand)

    reborn(stand, "t", "s", "u")

    assert joined(stand, second) == box
    assert {name: sandboxes(stand)[name] for name in before} == before
    assert len({joined(stand, Address(stand.run.id, name)) for name in "stu"}) == 3
    assert stand.step("get_secret key; get_env name").lines == ["hidden", "value"]
    assert stand.values().contents["e.name"] == b"value\n"
    greeting = "until nc 127.0.0.1 7; do sleep 0.1; done; until nc 127.0.0.1 8 </dev/null; do sleep 0.1; done"
    assert stand.step(greeting, stage=second).lines[-1] == "here"
    address = running.spec.address
    while (ending := stand.backend.conclude(address)) is None:
        running.recorder.woken.wait(0.1)
    assert ending == Ending(exit_code=0)


def test_a_sandbox_that_died_with_its_client_is_made_anew(stand: Stand) -> None:
    [(name, box)] = sandboxes(stand).items()
    assert joined(stand, stand.stage) == box
    stand.place._engine.api.kill(box)

    reborn(stand, "s")

    assert sandboxes(stand)[name] == box, "it stays, for it tells of others how they have ended"
    assert len(sandboxes(stand)) == 2
    assert stand.step("get_env none fallback").lines == ["fallback"]


def test_a_sandbox_that_dies_while_nothing_runs_in_it_is_replaced(stand: Stand) -> None:
    box = joined(stand, stand.stage)
    stand.place._engine.api.kill(box)

    assert stand.step("get_env none fallback").lines == ["fallback"]
    assert joined(stand, stand.stage) != box


def test_what_begins_in_a_stage_whose_sandbox_was_unplugged_has_a_network(stand: Stand) -> None:
    box = joined(stand, stand.stage)
    assert isinstance(stand.backend, DockerBackend)
    stand.backend._sandboxes.unplug(stand.run.id, stand.backend._runs.opened(stand.stage).sandbox)

    assert any("eth0" in line for line in stand.step("cat /proc/net/dev").lines)
    assert joined(stand, stand.stage) != box
    assert networks(stand, box) == set()


def test_a_sandbox_that_a_dead_client_has_unplugged_stays_and_is_handed_to_no_stage(stand: Stand) -> None:
    box = joined(stand, stand.stage)
    assert isinstance(stand.backend, DockerBackend)
    stand.backend._sandboxes.unplug(stand.run.id, stand.backend._runs.opened(stand.stage).sandbox)

    reborn(stand, "s")

    assert box in sandboxes(stand).values()
    assert joined(stand, stand.stage) != box
    assert any("eth0" in line for line in stand.step("cat /proc/net/dev").lines)


def test_a_sandbox_that_does_not_answer_a_new_client_is_made_anew_and_left_to_the_steps_in_it(stand: Stand) -> None:
    second = stand.open_stage("t")
    running = stand.begin("sleep 600", stage=second)
    first, kept = joined(stand, stand.stage), joined(stand, second)
    for box in (first, kept):
        made = stand.place._engine.api.exec_create(box, ["sh", "-c", STOP])
        stand.place._engine.api.exec_start(made["Id"])

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("runner.backends.docker.boxes._ANSWER_SECONDS", 0.7)
        reborn(stand, "t", "s")

    assert first not in sandboxes(stand).values()
    assert joined(stand, second) == kept
    assert stand.step("true", stage=second).code == 0
    assert stand.values().contents == {}
    stand.backend.discard(running.spec.address)


def test_a_run_that_is_opened_again_makes_no_second_sandbox(stand: Stand) -> None:
    before = sandboxes(stand)

    stand.backend.open_run(stand.run)

    assert sandboxes(stand) == before


def test_the_commands_of_steps_are_put_there_once_and_again_after_they_were_pruned_or_half_written(
    place: DockerPlace,
) -> None:
    api, name = place._engine.api, shim_volume(place._instance, bundle.digest())

    def inodes(stand: Stand) -> list[str]:
        return stand.step(f"ls -di {HOME}/bin {HOME}/tools").lines

    first, second = Stand(place), Stand(place)
    assert inodes(first) == inodes(second)
    for made in (first, second):
        made.backend.close_run(made.run, keep=False)

    sweep = Sweep(place._engine)
    assert [remnant.shim for remnant in sweep.remove(sweep.lasting(place._instance))] == []
    assert name not in [raw["Name"] for raw in api.volumes()["Volumes"]]

    third = Stand(place)
    third.backend.close_run(third.run, keep=False)
    mount = mounts._shim(place._instance, read_only=False)
    host = api.create_host_config(mounts=[mount], network_mode="none")
    script = f"cd {HOME} && mkdir .dead && mv bin .dead"
    half = api.create_container("runner-sandbox:1", ["sh", "-c", script], host_config=host)
    api.start(half)
    assert api.wait(half)["StatusCode"] == 0
    api.remove_container(half)

    healed = Stand(place)
    assert healed.step("set_env a 1; get_env a").lines == ["1"]
    healed.backend.close_run(healed.run, keep=False)
    sweep.remove(sweep.lasting(place._instance))


def test_processes_that_fill_the_commands_of_steps_at_the_same_time_do_not_disturb_each_other(
    place: DockerPlace,
) -> None:
    sweep = Sweep(place._engine)
    sweep.remove(sweep.lasting(place._instance))
    stands: list[Stand] = []

    tasks = [Task(f"open {number}", lambda: stands.append(Stand(place))) for number in range(3)]
    for task in tasks:
        task.finish()

    for made in stands:
        assert made.step("set_env a 1; get_env a; ls -A /opt/runner").lines == ["1", "bin", "tools"]
        made.backend.close_run(made.run, keep=False)


def test_a_sandbox_that_cannot_be_filled_is_an_error_of_what_needs_it_and_the_next_one_is_made_anew(
    place: DockerPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = Sweep(place._engine)
    sweep.remove(sweep.lasting(place._instance))
    taken = threading.Event()

    def broken() -> bytes:
        assert taken.wait(DEADLINE)
        return b"no tar" * 100

    with monkeypatch.context() as patched:
        patched.setattr(bundle, "archive", broken)
        stand = Stand(place)
        taken.set()
        with pytest.raises(InfrastructureError, match="cannot do fill_shim: tar: "):
            stand.step("true")

    assert stand.step("get_env none fallback").lines == ["fallback"]
    stand.backend.close_run(stand.run, keep=False)
    assert place.left(stand.run.id) == ()
