"""The first sandbox of a run, made before the SDK is there."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.types import ContainerConfig, DriverConfig, HostConfig, LogConfig, Mount

from runner import naming
from runner.backends.docker import headstart, mounts, recipe
from runner.backends.docker.attach import Connection
from runner.backends.docker.headstart import HeadStart
from runner.backends.docker.script import SANDBOX, SCRIPT
from runner.engine.specs import RunSpec
from runner.errors import EngineRefusedError, EngineUnavailableError
from runner.naming import Address, Instance
from runner.pipelinectl.layout import CONFIG, HOME, STATE
from runner.settings import DockerSettings
from tests.support.stub_engine import Behaviour, Handler, StubEngine, answer, cut, header, refuse, stub_engine

INSTANCE = Instance(id="i1", kind="exec", host="h", owner="o", lock="/l")
SETTINGS = DockerSettings(sandbox_image="sandbox:7")
NAME = naming.sandbox("0badcafe", 1)


def upgraded(handler: Handler) -> None:
    """Take the connection over, and print two bytes."""
    handler.send_response(101)
    handler.send_header("Connection", "Upgrade")
    handler.send_header("Upgrade", "tcp")
    handler.end_headers()
    handler.wfile.write(b"ok")
    handler.close_connection = True


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[StubEngine]:
    """Return an engine on a socket that makes the container ``box``."""
    with stub_engine(tmp_path / "engine.sock") as made:
        made.script |= {
            "/containers/create": [answer({"Id": "box"})],
            "/containers/box/attach": [upgraded],
            "/containers/box/start": [answer({})],
            "/containers/box": [answer({})],
        }
        yield made


def head(stub: StubEngine) -> HeadStart:
    return HeadStart(stub.address.removeprefix("unix://"), SETTINGS, INSTANCE, "0badcafe")


def taken(begun: HeadStart) -> tuple[str, Connection]:
    """Return the container that was made, and the attachment to it."""
    found = begun.made()
    assert found is not None
    return found[0], Connection(found[1], found[1].close)


def test_a_head_start_creates_a_sandbox_attaches_to_it_and_starts_it(stub: StubEngine) -> None:
    begun = head(stub)
    begun.started()

    container, attached = taken(begun)
    assert (container, bytes(attached.receive(memoryview(bytearray(2))) or b"")) == ("box", b"ok")
    attached.close()
    assert stub.requests == [
        f"POST /containers/create?name={NAME}",
        "POST /containers/box/attach?stream=1&stdin=1&stdout=1&stderr=1",
        "POST /containers/box/start",
    ]


def test_nothing_is_made_where_the_engine_refuses_to_create_a_sandbox(stub: StubEngine) -> None:
    stub.script["/containers/create"] = [refuse(404, "no such image: sandbox:7")]

    begun = head(stub)

    assert begun.made() is None
    with pytest.raises(EngineRefusedError, match="no such image"):
        begun.started()


@pytest.mark.parametrize("trouble", [refuse(500, "no"), cut])
def test_a_sandbox_that_cannot_be_attached_to_is_removed_so_that_its_name_is_free(
    stub: StubEngine, trouble: Behaviour
) -> None:
    stub.script["/containers/box/attach"] = [trouble]

    assert head(stub).made() is None
    assert stub.requests[-1] == "DELETE /containers/box?force=1"


def test_a_sandbox_that_does_not_start_is_told_of_with_its_container(stub: StubEngine) -> None:
    stub.script["/containers/box/start"] = [refuse(500, "no bridge")]

    begun = head(stub)

    with pytest.raises(EngineRefusedError, match="no bridge"):
        begun.started()
    taken(begun)[1].close()


@pytest.mark.parametrize("said", [answer("a word"), answer({"Identity": 7}), header("X", "no JSON"), cut])
def test_nothing_is_made_where_something_else_listens(stub: StubEngine, said: Behaviour) -> None:
    stub.script["/containers/create"] = [said]

    begun = head(stub)

    assert begun.made() is None
    with pytest.raises(EngineUnavailableError):
        begun.started()


def test_what_nobody_takes_is_removed(stub: StubEngine) -> None:
    begun = head(stub)

    begun.abandon()

    assert stub.requests[-2:] == ["POST /containers/box/start", "DELETE /containers/box?force=1"]


def test_there_is_nothing_to_remove_where_nothing_was_made(stub: StubEngine) -> None:
    stub.script["/containers/create"] = [refuse(500, "no")]
    begun = head(stub)

    begun.abandon()

    assert stub.requests == [f"POST /containers/create?name={NAME}"]


def test_where_no_engine_listens_nothing_is_made(tmp_path: Path) -> None:
    begun = HeadStart(str(tmp_path / "none.sock"), SETTINGS, INSTANCE, "0badcafe")

    assert begun.made() is None
    with pytest.raises(EngineUnavailableError, match="no engine answers"):
        begun.started()


@pytest.mark.parametrize(("host", "confined"), [("tcp://127.0.0.1:1", False), ("ssh://h", False), ("", True)])
def test_there_is_no_head_start_on_an_engine_elsewhere_or_for_runs_that_are_kept_apart(
    monkeypatch: pytest.MonkeyPatch, host: str, *, confined: bool
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)

    assert headstart.begin(DockerSettings(confined=confined), INSTANCE, "0badcafe") is None


def test_the_engine_is_the_one_that_the_environment_names(stub: StubEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", stub.address)

    begun = headstart.begin(SETTINGS, INSTANCE, "0badcafe")

    assert begun is not None
    begun.started()
    taken(begun)[1].close()
    assert "POST /containers/box/start" in stub.requests


def test_a_sandbox_is_created_from_what_the_sdk_would_ask_for() -> None:
    def mount(target: str, what: str, role: str, memory: str = "") -> Mount:
        options = {"type": "tmpfs", "device": "tmpfs", "o": memory} if memory else {}
        return Mount(
            target,
            naming.volume("0badcafe", what),
            type="volume",
            no_copy=True,
            labels=naming.labels(INSTANCE, Address("0badcafe"), role),
            driver_config=DriverConfig("local", options),
        )

    body = recipe.sandbox("sandbox:7", INSTANCE, "0badcafe", "bridge")

    ours = json.loads(json.dumps(body))
    listed = ours["HostConfig"].pop("Mounts")
    asked = ContainerConfig(
        "1.41",
        image="sandbox:7",
        command=["/bin/sh", "-c", SCRIPT, "sandbox", STATE, HOME, CONFIG, mounts.OUTPUTS],
        stdin_open=True,
        labels=naming.labels(INSTANCE, Address("0badcafe"), SANDBOX),
        host_config=HostConfig(
            "1.41",
            init=True,
            read_only=True,
            cap_drop=["ALL"],
            cap_add=["DAC_OVERRIDE"],
            security_opt=["no-new-privileges"],
            network_mode="bridge",
            log_config=LogConfig(type="none"),
        ),
    )
    theirs = {name: value for name, value in json.loads(json.dumps(asked)).items() if name in ours}
    assert ours == theirs
    assert mount(STATE, "v", "values") in listed
    assert mount(mounts.OUTPUTS, "o", "outputs") in listed
    [memory] = [each for each in listed if each["Target"] == CONFIG]
    assert memory == mount(CONFIG, "p", "configuration", memory["VolumeOptions"]["DriverConfig"]["Options"]["o"])


def test_what_is_needed_for_a_head_start_takes_no_docker_sdk() -> None:
    looked = "import runner.dispatch.place, sys; print('docker' in sys.modules, 'requests' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", looked], capture_output=True, check=True).stdout == b"False False\n"


def test_a_step_mounts_the_volumes_of_its_sandbox_in_the_same_words(tmp_path: Path) -> None:
    run = RunSpec(id="0badcafe", home=str(tmp_path), workdir="/w")

    assert mounts.values(INSTANCE, run.id) in mounts.of_sandbox(INSTANCE, run.id)
