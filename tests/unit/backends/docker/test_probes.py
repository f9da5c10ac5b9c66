"""What is made of a look at a service. Real services are asked in tests/integration/test_probes.py."""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from runner import naming
from runner.backends.docker import probes
from runner.backends.docker.client import Engine
from runner.backends.docker.execs import Ran
from runner.backends.docker.inspection import State
from runner.backends.docker.probes import Probes
from runner.engine.backend import Readiness
from runner.errors import EngineRefusedError
from runner.naming import Address
from runner.plan.model import Ready

SERVICE = Address("r1", naming.SERVICES, "db")
OPEN = Readiness(ready=True)
RUNNING = State(
    id="c",
    status="running",
    exit_code=0,
    error="",
    out_of_memory=False,
    mark="",
    keeps_log=False,
    finished_at=-1.0,
    labels={},
    addresses={"runner-r1": "10.213.4.3", "bridge": "172.17.0.2"},
)


@dataclass
class Scene:
    """One service: ``state`` is what inspecting it says, ``ran`` how every command ends, after ``lasts`` seconds."""

    state: State | None = RUNNING
    ran: Ran | EngineRefusedError = Ran(exit_code=0)  # noqa: RUF009 - frozen
    lasts: float = 0.0
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def inspect(self, _: Engine, container: str) -> State | None:
        assert container == naming.container(SERVICE)
        return self.state

    def execute(self, _: Engine, container: str, command: Sequence[str], seconds: float) -> Ran:
        assert seconds < 10
        self.asked.append((container, tuple(command)))
        time.sleep(self.lasts)
        if isinstance(self.ran, EngineRefusedError):
            raise self.ran
        return self.ran

    def look(self, ready: Ready | None) -> Readiness:
        return Probes(Engine("tcp://127.0.0.1:1")).look(SERVICE, ready, "box")


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    found = Scene()
    monkeypatch.setattr(probes, "inspect", found.inspect)
    monkeypatch.setattr(probes, "execute", found.execute)
    return found


@pytest.mark.parametrize("ready", [None, Ready(), Ready(command="true"), Ready(port=80)])
@pytest.mark.parametrize(
    ("state", "hopeless", "reason"),
    [
        (None, True, "its container is gone"),
        (replace(RUNNING, status="removing"), True, "its container is gone"),
        (replace(RUNNING, status="created"), False, "it has not been started"),
        (replace(RUNNING, status="exited", exit_code=3, health="healthy"), True, "it ended with exit code 3"),
    ],
)
def test_what_does_not_run_is_not_ready_and_nothing_is_run_in_it(
    scene: Scene, ready: Ready | None, state: State | None, reason: str, *, hopeless: bool
) -> None:
    scene.state = state

    assert scene.look(ready) == Readiness(ready=False, hopeless=hopeless, ended=hopeless, reason=reason)
    assert scene.asked == []


def test_a_command_is_an_argument_of_the_shell_in_the_service(scene: Scene) -> None:
    assert scene.look(Ready(command="pg_isready; 'x'", port=1)) == OPEN
    container, command = scene.asked[0]
    assert (container, command[:2], command[-2:]) == ("c", ("/bin/sh", "-c"), ("pg_isready; 'x'", "5"))
    assert "pg_isready" not in command[2]


@pytest.mark.parametrize(
    ("ran", "reason"),
    [
        (Ran(exit_code=2), "its `ready` command ended with exit code 2"),
        (Ran(exit_code=2, output=b"one\n two \r\n\n"), "its `ready` command ended with exit code 2: two"),
        (
            Ran(exit_code=1, output=b"\xff" + b"x" * 999),
            f"its `ready` command ended with exit code 1: \ufffd{'x' * 199}",
        ),
        (Ran(exit_code=None), "its `ready` command takes more than 5 seconds"),
    ],
)
def test_a_command_that_fails_is_told_with_its_last_line(scene: Scene, ran: Ran, reason: str) -> None:
    scene.ran = ran

    assert scene.look(Ready(command="x")) == Readiness(ready=False, reason=reason)


def test_a_command_that_was_ended_for_its_time_is_told_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_COMMAND_SECONDS", 0.05)
    scene.ran, scene.lasts = Ran(exit_code=137), 0.06

    assert scene.look(Ready(command="x")).reason == "its `ready` command takes more than 0.05 seconds"


def test_a_port_is_asked_for_from_the_sandbox_at_the_address_on_the_runs_network(scene: Scene) -> None:
    assert scene.look(Ready(port=5432)) == OPEN
    container, command = scene.asked[0]

    assert container == "box"
    assert command == ("nc", "-w", "2", "10.213.4.3", "5432", "-e", "true")


def test_a_port_that_is_closed_is_told(scene: Scene) -> None:
    scene.ran = Ran(exit_code=1, output=b"nc: can't connect: Connection refused\n")

    assert scene.look(Ready(port=80)) == Readiness(
        ready=False, reason="its port 80 cannot be reached: nc: can't connect: Connection refused"
    )


@pytest.mark.parametrize("ready", [Ready(command="true"), Ready(port=80)])
def test_a_service_that_ends_meanwhile_is_left_to_the_next_look(scene: Scene, ready: Ready) -> None:
    scene.ran = EngineRefusedError("container c is not running", status=409)

    assert scene.look(ready) == Readiness(ready=False, reason="container c is not running")


@pytest.mark.parametrize(
    ("health", "output", "found"),
    [
        ("none", "", OPEN),
        ("healthy", "fine\n", OPEN),
        ("starting", "", Readiness(ready=False, reason="its health check says starting")),
        ("starting", "not yet\n", Readiness(ready=False, reason="its health check says starting: not yet")),
        ("unhealthy", "a\nb\n", Readiness(ready=False, hopeless=True, reason="its health check says unhealthy: b")),
    ],
)
def test_without_a_command_or_port_the_health_check_decides(
    scene: Scene, health: str, output: str, found: Readiness
) -> None:
    scene.state = replace(RUNNING, health=health, health_output=output)

    assert scene.look(None) == scene.look(Ready(timeout=3)) == found
    assert scene.asked == []


def bounded(command: str, seconds: str = "5") -> tuple[int, str, float]:
    """Run a command as a service would, in this machine's own sh; return its code, its output and how long it took."""
    began = time.monotonic()
    done = subprocess.run(
        ["/bin/sh", "-c", probes._BOUNDED, "sh", command, seconds],
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, time.monotonic() - began


@pytest.mark.parametrize("code", [0, 1, 77, 127])
def test_a_command_has_its_own_exit_code_and_leaves_no_clock(code: int) -> None:
    found, output, took = bounded(f"echo it; exit {code}")

    assert (found, output) == (code, "it\n")
    assert took < 3


def test_a_command_that_takes_too_long_ends_with_all_that_it_has_started() -> None:
    code, output, took = bounded("trap '' TERM; sleep 60 & echo $!; sleep 61 | sleep 62", "0.3")

    assert code == -9
    assert took < 3
    assert not _lives(int(output))


def test_what_a_command_leaves_behind_goes_with_it() -> None:
    code, output, _ = bounded("sleep 60 & echo $!; exit 4")

    assert code == 4
    assert not _lives(int(output))


def _lives(process: int) -> bool:
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], stdout=subprocess.PIPE, text=True, check=False)
    return bool(found.stdout.strip()) and not found.stdout.startswith("Z")
