"""The life of an attempt on the real engine: made once, found again, signalled, concluded, removed."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from runner import naming
from runner.backends.docker.hostconfig import Own
from runner.backends.docker.inspection import inspect, remove
from runner.engine.backend import Ending, Phase, Signal
from runner.engine.job import Task
from runner.engine.specs import Release
from runner.errors import ImageError, InfrastructureError
from runner.naming import Address
from tests.support.attempts import BUSYBOX, Recorder, Stand, build_images, wait_for


@pytest.fixture(scope="module")
def shared() -> Iterator[Stand]:
    build_images()
    with Stand() as found:
        yield found


@pytest.fixture(scope="module")
def shared_logged() -> Iterator[Stand]:
    build_images()
    with Stand(log_driver="json-file") as found:
        yield found


@pytest.fixture
def stand(shared: Stand) -> Iterator[Stand]:
    yield from lent(shared)


@pytest.fixture
def logged(shared_logged: Stand) -> Iterator[Stand]:
    yield from lent(shared_logged)


def lent(stand: Stand) -> Iterator[Stand]:
    """Lend a stand; a test that leaves a container fails, and the next one does not see it."""
    yield stand
    left = [found for found in stand.ours() if found["Labels"]["io.runner.role"] == "step"]
    for found in left:
        remove(stand.client.engine, found["Id"])
    assert [found["Names"] for found in left] == []


def resume(stand: Stand, address: Address) -> tuple[Ending, Recorder]:
    """Take up an attempt with a new client."""
    recorder = Recorder()
    stand.containers.follow(address, recorder, recorder.wake)
    ending = stand.end(address, recorder)
    stand.containers.discard(address)
    return ending, recorder


def test_a_step_stands_at_its_gate_while_what_it_mounts_is_filled_and_is_let_through_then(stand: Stand) -> None:
    spec, recorder, filled = stand.step("echo through"), Recorder(), threading.Event()

    def ready() -> None:
        filled.wait()

    placement = replace(stand.placement(spec), ready=ready)

    assert stand.containers.prepare(spec, placement) is Phase.READY

    state = inspect(stand.client.engine, naming.container(spec.address))
    assert state is not None
    assert state.running
    stand.containers.follow(spec.address, recorder, recorder.wake)
    releasing = Task("release", lambda: stand.containers.release(spec.address, Release()))
    assert not releasing.over(0.3)
    filled.set()
    releasing.finish()
    assert stand.end(spec.address, recorder).exit_code == 0
    stand.containers.discard(spec.address)


def test_a_step_without_a_gate_is_not_started_before_what_it_mounts_is_filled(stand: Stand) -> None:
    def fail() -> None:
        raise InfrastructureError("not filled")

    spec = stand.step(entrypoint=("true",))
    assert stand.containers.prepare(spec, replace(stand.placement(spec), ready=fail)) is Phase.READY

    with pytest.raises(InfrastructureError, match="not filled"):
        stand.containers.release(spec.address, Release())

    assert inspect(stand.client.engine, naming.container(spec.address)) is None
    stand.containers.discard(spec.address)


def test_preparing_again_changes_nothing_and_a_second_release_does_nothing(stand: Stand) -> None:
    spec = stand.step("echo once")
    recorder = Recorder()
    assert stand.prepare(spec) is Phase.READY
    container = stand.containers._known(spec.address).container
    assert stand.prepare(spec) is Phase.READY
    stand.containers.follow(spec.address, recorder, recorder.wake)
    stand.containers.release(spec.address, Release())
    stand.containers.release(spec.address, Release())
    assert stand.prepare(spec) is Phase.UNDERWAY
    ending = stand.end(spec.address, recorder)

    assert stand.containers._known(spec.address).container == container
    assert stand.containers.conclude(spec.address) == ending == Ending(exit_code=0)
    assert recorder.out == b"$ echo once\nonce\n"
    stand.containers.discard(spec.address)


def test_a_running_attempt_of_a_dead_client_is_underway_and_its_output_is_whole(logged: Stand) -> None:
    spec = logged.step("echo early; sleep 1; echo late; exit 3")
    _, first = logged.begin(spec)
    wait_for(lambda: first.out.endswith(b"early\n"))
    logged.client.die()
    logged.new_client()

    assert logged.prepare(spec) is Phase.UNDERWAY
    ending, recorder = resume(logged, spec.address)
    assert ending == Ending(exit_code=3)
    assert recorder.out.endswith(b"exit 3\nearly\nlate\n")
    assert recorder.gaps == []


def test_an_attempt_that_ended_without_us_is_concluded_with_its_code_and_output(logged: Stand) -> None:
    spec = logged.step("echo all of it; exit 125")
    logged.begin(spec)
    container = logged.containers._known(spec.address).container
    logged.client.die()
    wait_for(lambda: not logged.api.inspect_container(container)["State"]["Running"])
    logged.new_client()

    assert logged.prepare(spec) is Phase.UNDERWAY
    ending, recorder = resume(logged, spec.address)
    assert ending == Ending(exit_code=125)
    assert recorder.out.endswith(b"\nall of it\n")


def test_without_a_log_what_is_gone_is_stated_and_the_code_is_believed(stand: Stand) -> None:
    spec = stand.step("echo early; sleep 1; echo late; exit 3")
    _, first = stand.begin(spec)
    wait_for(lambda: first.out.endswith(b"early\n"))
    stand.client.die()
    stand.new_client()

    assert stand.prepare(spec) is Phase.UNDERWAY
    ending, recorder = resume(stand, spec.address)
    assert ending == Ending(exit_code=3)
    assert recorder.out == b"late\n"
    assert len(recorder.gaps) == 1


def test_every_verb_finds_an_attempt_by_its_name(logged: Stand) -> None:
    spec = logged.step("echo on; sleep 60")
    _, first = logged.begin(spec)
    wait_for(lambda: first.out.endswith(b"on\n"))
    logged.client.die()

    logged.new_client()
    assert logged.containers.conclude(spec.address) is None
    logged.containers.release(spec.address, Release())
    logged.client.die()
    logged.new_client()
    logged.containers.signal(spec.address, Signal.TERM)
    ending, recorder = resume(logged, spec.address)
    assert ending.exit_code == 143
    assert recorder.out.endswith(b"on\n")
    logged.client.die()
    logged.new_client()
    logged.containers.discard(spec.address)


def test_a_container_that_was_never_started_is_made_anew(stand: Stand) -> None:
    spec = stand.step("echo ran")
    config = stand.api.create_container_config(
        BUSYBOX, ["true"], stdin_open=True, labels=naming.labels(stand.instance, spec.address, "step")
    )
    left = stand.api.create_container_from_config(config, naming.container(spec.address))["Id"]
    ending, _ = stand.run_through(spec)

    assert ending == Ending(exit_code=0)
    assert inspect(stand.client.engine, left) is None


def test_a_container_of_that_name_that_is_not_ours_is_left_alone(stand: Stand) -> None:
    spec = stand.step("echo ran")
    config = stand.api.create_container_config(BUSYBOX, ["true"])
    foreign = stand.api.create_container_from_config(config, naming.container(spec.address))["Id"]
    with pytest.raises(InfrastructureError, match="is not ours"):
        stand.prepare(spec)
    status = stand.api.inspect_container(foreign)["State"]["Status"]
    stand.api.remove_container(foreign)

    assert status == "created"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [({"user": "nobody-here"}, "unable to find user nobody-here"), ({"image": "nowhere/none:1"}, "No such image")],
)
def test_what_the_engine_cannot_start_is_its_sentence_and_leaves_nothing(
    stand: Stand, more: dict[str, str], sentence: str
) -> None:
    spec = stand.step("true", **more)

    with pytest.raises(ImageError if "image" in more else InfrastructureError, match=sentence):
        stand.prepare(spec)
    with pytest.raises(InfrastructureError, match="was not prepared"):
        stand.containers.release(spec.address, Release())


def test_a_working_directory_that_is_a_file_is_an_error_and_leaves_nothing(stand: Stand) -> None:
    spec = stand.step("true")

    with pytest.raises(InfrastructureError, match="/bin/sh"):
        stand.containers.prepare(spec, replace(stand.placement(spec), workdir="/bin/sh"))


def test_a_step_without_commands_is_started_by_its_release_with_its_environment(stand: Stand) -> None:
    spec = stand.step(entrypoint=("sh", "-c", "env; pwd; cat; exit 6"), environment={"A": "1"})
    assert stand.prepare(spec) is Phase.READY
    recorder = Recorder()
    stand.containers.follow(spec.address, recorder, recorder.wake)
    assert stand.containers.conclude(spec.address) is None
    stand.containers.release(spec.address, Release(environment={"PARAMETER_DRY-RUN": "yes"}))
    ending = stand.end(spec.address, recorder)
    stand.containers.discard(spec.address)

    assert ending == Ending(exit_code=6)
    assert {b"A=1", b"/workspace"} < set(recorder.out.splitlines())


def test_a_service_has_its_name_on_the_network_and_its_images_directory(stand: Stand) -> None:
    network = naming.network(stand.run)
    labels = naming.labels(stand.instance, Address(stand.run), "network")
    made = stand.api.create_network(network, labels=labels)["Id"]
    service = stand.step(entrypoint=("sh", "-c", "pwd; sleep 60"), workspace=False)
    asking = stand.step("nslookup db.local || nslookup db; pwd")
    recorder, answer = Recorder(), Recorder()
    try:
        for spec, alias, output in ((service, "db", recorder), (asking, "", answer)):
            placement = replace(stand.placement(spec), network=Own(network=network, alias=alias))
            stand.containers.prepare(spec, placement)
            stand.containers.follow(spec.address, output, output.wake)
            stand.containers.release(spec.address, Release())
        asked = stand.end(asking.address, answer)
        stand.containers.signal(service.address, Signal.TERM)
        served = stand.end(service.address, recorder)
    finally:
        stand.containers.discard(service.address)
        stand.containers.discard(asking.address)
        stand.api.remove_network(made)

    assert (asked.exit_code, served.exit_code) == (0, 143)
    assert recorder.out == b"/\n"


def test_a_container_removed_from_outside_is_lost(stand: Stand) -> None:
    address, recorder = stand.begin(stand.step("echo on; sleep 60"))
    wait_for(lambda: recorder.out.endswith(b"on\n"))
    stand.api.remove_container(stand.containers._known(address).container, force=True)

    assert stand.end(address, recorder) == Ending(exit_code=None, reason="the container was removed from outside")
    assert recorder.closed
    stand.containers.discard(address)


def test_a_step_killed_from_outside_failed_with_137(stand: Stand) -> None:
    address, recorder = stand.begin(stand.step("echo on; sleep 60"))
    wait_for(lambda: recorder.out.endswith(b"on\n"))
    stand.api.kill(stand.containers._known(address).container)

    assert stand.end(address, recorder) == Ending(exit_code=137)
    stand.containers.discard(address)


def test_an_end_is_seen_although_the_events_were_cut_off(stand: Stand) -> None:
    address, recorder = stand.begin(stand.step("echo on; sleep 0.3; exit 4"))
    wait_for(lambda: recorder.out.endswith(b"on\n"))
    connection = stand.client.events._connection
    assert connection is not None
    connection.shut()

    assert stand.end(address, recorder) == Ending(exit_code=4)
    stand.containers.discard(address)
    assert stand.commands("exit 5")[0] == Ending(exit_code=5)


def test_what_is_gone_is_signalled_and_discarded_in_peace(stand: Stand) -> None:
    address = stand.address()

    stand.containers.signal(address, Signal.TERM)
    stand.containers.discard(address)
    assert stand.containers.conclude(address) == Ending(exit_code=None, reason="its container is gone")
    with pytest.raises(InfrastructureError, match="was not prepared"):
        stand.containers.follow(address, Recorder(), lambda: None)


def test_discarding_ends_what_runs_closes_its_output_and_takes_anonymous_volumes_along(stand: Stand) -> None:
    spec = stand.step("echo on; sleep 60")
    placement = stand.placement(spec)
    anonymous = type(placement.mounts[0])("/data", None, type="volume")
    stand.containers.prepare(spec, replace(placement, mounts=(*placement.mounts, anonymous)))
    recorder = Recorder()
    stand.containers.follow(spec.address, recorder, recorder.wake)
    stand.containers.release(spec.address, Release())
    wait_for(recorder.first.is_set)
    mounts = stand.api.inspect_container(stand.containers._known(spec.address).container)["Mounts"]
    volume = next(mount["Name"] for mount in mounts if mount["Destination"] == "/data")
    stand.containers.discard(spec.address)
    stand.containers.discard(spec.address)

    assert recorder.closed
    assert volume not in [found["Name"] for found in stand.api.volumes()["Volumes"]]


def test_a_discarded_parked_attempt_leaves_no_trace(stand: Stand) -> None:
    spec = stand.step("echo ran")
    stand.prepare(spec)
    stand.containers.discard(spec.address)

    assert stand.prepare(spec) is Phase.READY
    stand.containers.discard(spec.address)
