"""A place to run attempts in on the real engine, and a recorder of what comes of them. It leaves nothing behind."""

import hashlib
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from docker.types import Mount

from runner.backends.docker.client import Engine
from runner.backends.docker.containers import Containers
from runner.backends.docker.events import Events
from runner.backends.docker.hostconfig import Joined, Placement
from runner.backends.docker.inspection import exists, remove
from runner.backends.docker.reader import Reader
from runner.engine.backend import STDERR, STDOUT, Ending, Phase
from runner.engine.specs import Release, StepSpec
from runner.naming import Address, Instance, labels, new_run_id, sandbox, volume
from runner.settings import DockerSettings
from tests.support.scripts import SCRIPTS

BUSYBOX, DEBIAN = "busybox:local", "debian:local"
STATE = "/run/runner"
MARKS = f"{STATE}/released"


class Recorder:
    """An output that remembers; with ``keep=False`` it only counts."""

    def __init__(self, *, keep: bool = True) -> None:
        self.pieces: dict[int, list[bytes]] = {STDOUT: [], STDERR: []}
        self.digest = {STDOUT: hashlib.sha256(), STDERR: hashlib.sha256()}
        self.size = 0
        self.lines = 0
        self.gaps: list[str] = []
        self.begun_anew = 0
        self.closed = False
        self.wakes = 0
        self.woken = threading.Event()
        self.first = threading.Event()
        self._keep = keep

    def write(self, stream: int, data: bytes) -> None:
        self.size += len(data)
        self.lines += data.count(b"\n")
        self.digest[stream].update(data)
        if self._keep:
            self.pieces[stream].append(data)
        self.first.set()

    def anew(self) -> None:
        self.begun_anew += 1

    def gap(self, reason: str) -> None:
        self.gaps.append(reason)

    def close(self) -> None:
        self.closed = True

    def wake(self) -> None:
        self.wakes += 1
        self.woken.set()

    @property
    def out(self) -> bytes:
        return b"".join(self.pieces[STDOUT])

    @property
    def err(self) -> bytes:
        return b"".join(self.pieces[STDERR])


@dataclass
class Client:
    """What one process of the runner has: may be cut off from the engine as if it had died."""

    engine: Engine
    reader: Reader
    events: Events
    containers: Containers
    alive: bool = True

    @classmethod
    def connect(cls, instance: Instance, log_driver: str) -> "Client":
        engine, reader = Engine(), Reader()
        events = Events(engine, instance)
        settings = DockerSettings(log_driver=log_driver)
        containers = Containers(engine=engine, reader=reader, events=events, settings=settings, instance=instance)
        return cls(engine, reader, events, containers)

    def die(self) -> None:
        if not self.alive:
            return
        self.alive = False
        for attempt in self.containers._all():
            if attempt.connection is not None:
                self.reader.unregister(attempt.connection)
        self.reader.close()
        self.events.close()


@dataclass
class Stand:
    """A run with a values volume and a sandbox, and the client that works on it."""

    log_driver: str = "none"
    run: str = field(default_factory=new_run_id)
    image: str = BUSYBOX
    clients: list[Client] = field(default_factory=list)
    _number: int = 0

    def __post_init__(self) -> None:
        self.instance = Instance(id=f"test-{self.run}", kind="test", host="here", owner="tests")
        self.new_client()

    @property
    def client(self) -> Client:
        return self.clients[-1]

    @property
    def api(self) -> Any:  # noqa: ANN401  # the stubs leave half of the SDK's client out
        return self.client.engine.api

    @property
    def containers(self) -> Containers:
        return self.client.containers

    def new_client(self) -> Client:
        self.clients.append(Client.connect(self.instance, self.log_driver))
        return self.client

    def __enter__(self) -> Self:
        self.api.create_volume(volume(self.run, "v"), labels=labels(self.instance, Address(self.run), "values"))
        config = self.api.create_container_config(
            BUSYBOX,
            ["sh", "-c", f"umask 0; mkdir -p {MARKS}; : >{STATE}/ready; exec sleep 600"],
            labels=labels(self.instance, Address(self.run), "sandbox"),
            host_config=self.api.create_host_config(init=True, network_mode="none", mounts=[self.mount()]),
        )
        self.sandbox = self.api.create_container_from_config(config, sandbox(self.run, 1))["Id"]
        self.api.start(self.sandbox)
        wait_for(lambda: exists(self.client.engine, self.sandbox, f"{STATE}/ready"))
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.die()
        for found in self.ours():
            remove(self.client.engine, found["Id"])
        self.api.remove_volume(volume(self.run, "v"))

    def ours(self) -> list[Any]:
        return list(self.api.containers(all=True, filters={"label": f"io.runner.run={self.run}"}))

    def mount(self) -> Mount:
        return Mount(STATE, volume(self.run, "v"), type="volume", no_copy=True)

    def address(self) -> Address:
        self._number += 1
        return Address(self.run, "stage", f"step {self._number}")

    def placement(self, spec: StepSpec, *, has_shell: bool = True) -> Placement:
        return Placement(
            image=spec.image,
            network=Joined(container=self.sandbox),
            role="step",
            workdir="/workspace",
            marks=MARKS,
            mounts=(self.mount(),),
            has_shell=lambda _: has_shell,
        )

    def step(self, *commands: str, **more: Any) -> StepSpec:  # noqa: ANN401  # the fields of the spec
        return StepSpec(**{"address": self.address(), "image": self.image, "commands": commands, **more})

    def prepare(self, spec: StepSpec) -> Phase:
        return self.containers.prepare(spec, self.placement(spec))

    def begin(
        self, spec: StepSpec, environment: Mapping[str, str] | None = None, *, keep: bool = True
    ) -> tuple[Address, Recorder]:
        """Bring an attempt up and release it."""
        recorder = Recorder(keep=keep)
        assert self.prepare(spec) is Phase.READY
        self.containers.follow(spec.address, recorder, recorder.wake)
        self.containers.release(spec.address, Release(environment=environment or {}))
        return spec.address, recorder

    def end(self, address: Address, recorder: Recorder, seconds: float = 60) -> Ending:
        """Wait for the wakes of an attempt until it has ended; nothing but wakes makes this look."""
        deadline = time.monotonic() + seconds
        while True:
            recorder.woken.clear()
            ending = self.containers.conclude(address)
            if ending is not None:
                return ending
            assert recorder.woken.wait(deadline - time.monotonic()), f"nothing woke us in {seconds} seconds"

    def run_through(
        self, spec: StepSpec, environment: Mapping[str, str] | None = None, *, keep: bool = True
    ) -> tuple[Ending, Recorder]:
        address, recorder = self.begin(spec, environment, keep=keep)
        ending = self.end(address, recorder)
        self.containers.discard(address)
        return ending, recorder

    def commands(self, *commands: str, **environment: str) -> tuple[Ending, Recorder]:
        return self.run_through(self.step(*commands), environment)


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come to be in time"
        time.sleep(0.01)


def build_images() -> None:
    """Make the images of the tests; those that are there stay."""
    subprocess.run([SCRIPTS / "build-images"], check=True, timeout=300)
