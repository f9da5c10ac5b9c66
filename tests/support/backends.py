"""The backends that ``tests/contract/test_backend.py`` and ``tests/conformance`` run against.

A backend takes part once there is a ``Place`` for it and a line in ``PLACES``. Docker needs the image ``plans.IMAGE``.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from runner import naming
from runner.backends.docker.backend import DockerBackend
from runner.backends.docker.client import Engine
from runner.backends.docker.sweep import Sweep
from runner.backends.fake import FakeBackend
from runner.backends.standing import World, leftovers
from runner.engine.backend import STDOUT, Backend, Ending, Phase, Signal
from runner.engine.specs import Release, RunSpec, StageSpec, StepSpec
from runner.naming import SERVICES, Address, Instance, new_run_id
from runner.pipelinectl.layout import STEP
from runner.plan.model import Service, Step
from runner.settings import DockerSettings
from tests.support.hooked import DEADLINE

MISSING = "missing.invalid/no/such/image:1"


class Place(Protocol):
    """An engine on which clients come and go."""

    @property
    def scale(self) -> float:
        """How many real seconds a second of a step takes."""

    def client(self) -> Backend:
        """Return a new client, as a new process of the runner would make it."""

    def die(self, client: Backend) -> None:
        """Let a client die: it makes no further call, and its connections close."""

    def remove(self, address: Address) -> None:
        """Remove the container of an attempt behind everybody's back."""

    def left(self, run: str) -> tuple[str, ...]:
        """Return what exists of a run, in words."""


@dataclass
class FakePlace:
    """A world of the fake."""

    scale: float = 0.05
    world: World = field(init=False)

    def __post_init__(self) -> None:
        self.world = World(scale=self.scale, missing_images=frozenset({MISSING}))

    def client(self) -> Backend:
        """Return a new client."""
        return FakeBackend(self.world)

    def die(self, client: Backend) -> None:
        """Let all clients die."""
        self.world.client_dies()

    def remove(self, address: Address) -> None:
        """Remove a container, as anybody on the engine can."""
        with self.world.lock:
            container = self.world.containers.pop(address)
            container.gone = True
            container.stir()

    def left(self, run: str) -> tuple[str, ...]:
        """Return what exists of a run."""
        return leftovers(self.world, [run])


@contextmanager
def fake_backend() -> Iterator[Place]:
    """Make a world."""
    yield FakePlace()


class DockerPlace:
    """The engine of this machine. It keeps logs, so that a new client can read what an old one missed."""

    scale = 1.0

    def __init__(self) -> None:
        self._engine = Engine()
        self._settings = DockerSettings(log_driver="json-file")
        # Of a kind of its own: several of them may work on this engine at the same time.
        self._instance = Instance(id=new_run_id(), kind=f"test-{new_run_id()}", host="here", owner="0")
        self._clients: list[DockerBackend] = []

    def client(self) -> Backend:
        """Return a new client of the one instance."""
        client = DockerBackend(self._engine, self._settings, self._instance)
        self._clients.append(client)
        return client

    def die(self, client: Backend) -> None:
        """Close a client's connections."""
        assert isinstance(client, DockerBackend)
        self._clients.remove(client)
        client.close()

    def remove(self, address: Address) -> None:
        """Remove a container, as anybody on the engine can."""
        self._engine.api.remove_container(naming.container(address), force=True)

    def left(self, run: str) -> tuple[str, ...]:
        """Return what carries the label of a run."""
        found = Sweep(self._engine).of_instance(self._instance.id)
        return tuple(f"{remnant.kind} {remnant.name}" for remnant in found if remnant.run == run)

    def close(self) -> None:
        """Close the clients, and remove what a failed test has left."""
        for client in self._clients:
            client.close()
        sweep = Sweep(self._engine)
        sweep.remove(sweep.of_process_like(self._instance))


@contextmanager
def docker_backend() -> Iterator[Place]:
    """Use the engine of this machine."""
    place = DockerPlace()
    try:
        yield place
    finally:
        place.close()


PLACES: dict[str, Callable[[], AbstractContextManager[Place]]] = {"fake": fake_backend, "docker": docker_backend}


class Listener:
    """An ``Output``, and the wakes beside it; both can be awaited."""

    def __init__(self) -> None:
        self.gaps: list[str] = []
        self.closed = False
        self._wakes = 0
        self._pieces: dict[int, bytes] = {}
        self._news = threading.Condition()

    def write(self, stream: int, data: bytes) -> None:
        """Keep a piece."""
        with self._news:
            self._pieces[stream] = self._pieces.get(stream, b"") + data
            self._news.notify_all()

    def anew(self) -> None:
        """Forget what came before: it comes again."""
        with self._news:
            self._pieces.clear()

    def gap(self, reason: str) -> None:
        """Keep a gap."""
        self.gaps.append(reason)

    def close(self) -> None:
        """Note the end."""
        self.closed = True

    def wake(self) -> None:
        """Take a wake."""
        with self._news:
            self._wakes += 1
            self._news.notify_all()

    @property
    def lines(self) -> list[str]:
        """What the step itself has printed: a real one traces its commands as ``$ command`` too."""
        lines = self._pieces.get(STDOUT, b"").decode().splitlines()
        return [line for line in lines if not line.startswith("$ ")]

    def until_line(self, line: str) -> None:
        """Wait until the step has printed a line."""
        with self._news:
            assert self._news.wait_for(lambda: line in self.lines, DEADLINE), f"{line!r} never came"

    def until_woken(self, seen: int = 0, *, deadline: float = DEADLINE) -> int:
        """Wait for a wake beyond those seen, and return how many there were."""
        with self._news:
            assert self._news.wait_for(lambda: self._wakes > seen, deadline), "no wake came"
            return self._wakes


class Desk:
    """A ``Terminal`` of which ``keys`` is where one types; its person leaves after so many looks."""

    def __init__(self, keys: int, *, looks: int = 1_000_000) -> None:
        self.shown = b""
        self._keys = keys
        self._looks = looks

    def fileno(self) -> int:
        """Return where keys are read."""
        return self._keys

    def write(self, data: bytes) -> None:
        """Keep what is shown."""
        self.shown += data

    def size(self) -> tuple[int, int]:
        """Return what terminals have."""
        return 24, 80

    def closed(self) -> bool:
        """Whether the person has left."""
        self._looks -= 1
        return self._looks < 0


@dataclass
class Bench:
    """A run on a place, a stage that is open, and the client that works on it."""

    place: Place
    run: RunSpec = field(default_factory=lambda: RunSpec(id=new_run_id(), home="/workspace", workdir="/workspace"))
    losses: list[str] = field(default_factory=list)
    name: str = "s"
    backend: Backend = field(init=False)

    def __post_init__(self) -> None:
        self.backend = self.place.client()
        self.open()

    @property
    def stage(self) -> Address:
        """The address of the stage."""
        return Address(self.run.id, self.name)

    def open(self) -> None:
        """Open run and stage."""
        self.backend.open_run(self.run)
        self.stand()

    def stand(self, name: str = "s", **more: Any) -> None:  # noqa: ANN401 - the fields of a stage's spec
        """Open a stage, in which steps stand from now on."""
        self.name = name
        self.backend.open_stage(StageSpec(address=self.stage, **more), self.losses.append)

    def reborn(self) -> None:
        """Let the client die, and a new one do what a driver does that takes over."""
        self.place.die(self.backend)
        self.backend = self.place.client()
        self.open()

    def spec(self, step: Step) -> StepSpec:
        """Return what the container of a step is made from."""
        address = replace(self.stage, step=step.name)
        return StepSpec(
            address=address,
            image=step.image,
            commands=step.commands,
            environment=step.environment,
            defaults={STEP: naming.returns(address)},
        )

    def serving(self, service: Service) -> Address:
        """Start a service."""
        spec = StepSpec(
            address=Address(self.run.id, SERVICES, service.name),
            image=service.image,
            entrypoint=service.entrypoint,
            environment=service.environment,
            alias=service.name,
            workspace=False,
        )
        listener = Listener()
        assert self.backend.prepare(spec) is Phase.READY
        self.backend.follow(spec.address, listener, listener.wake)
        self.backend.release(spec.address, Release(environment=spec.environment))
        return spec.address

    def ready(self, step: Step) -> tuple[Address, Listener]:
        """Bring a step to its gate, and listen to it."""
        spec = self.spec(step)
        listener = Listener()
        assert self.backend.prepare(spec) is Phase.READY
        self.backend.follow(spec.address, listener, listener.wake)
        return spec.address, listener

    def released(self, step: Step) -> tuple[Address, Listener]:
        """Start a step."""
        address, listener = self.ready(step)
        self.backend.release(address, Release(environment=step.environment))
        return address, listener

    def ending(self, address: Address, listener: Listener) -> Ending:
        """Wait until an attempt has ended, asking only when woken."""
        seen = 0
        while True:
            seen = listener.until_woken(seen)
            ending = self.backend.conclude(address)
            if ending is not None:
                return ending

    def end(self, address: Address, listener: Listener) -> Ending:
        """Kill an attempt."""
        self.backend.signal(address, Signal.KILL)
        return self.ending(address, listener)

    def close(self) -> None:
        """Remove everything."""
        self.backend.close_run(self.run, keep=False)
