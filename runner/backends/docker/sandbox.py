"""Sandboxes: small idle containers that own a network namespace, handed from stage to stage of a run.

A step that joins one costs 0.4 of a container with a network of its own. When a sandbox dies its steps run on without a
network and nothing tells them, so whoever holds one is told. It is never restarted: that would make a new namespace.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from docker.types import ContainerConfig, HostConfig, LogConfig, Mount

from runner import naming
from runner.backends.docker.attach import attach, pieces
from runner.backends.docker.client import GONE, Engine, tolerating, translated
from runner.engine.job import Task
from runner.errors import EngineRefusedError, ImageError, InfrastructureError
from runner.naming import Address, Instance
from runner.settings import DockerSettings

VALUES = "/run/runner"
"""Where steps and sandboxes see the volume of the run's values."""

MARKS = f"{VALUES}/released"
"""The directory in it where gates leave their marks."""

OUTPUTS = "/run/outputs"
"""Where sandboxes see the volume of the run's outputs, if it has one; steps see it elsewhere."""

_AT_ONCE = os.cpu_count() or 1
_PATIENCE_SECONDS = 0.5
_READY = b"ready"
_READY_SECONDS = 20.0
# The directories must be open to every user of every step before the first of them starts. That of the outputs gets a
# time that says that nothing was ever put there; by the next sandbox it may belong to a user whom a step chose.
_SCRIPT = """
if [ -n "$3" ] && [ ! -d "$2" ]; then chmod 0777 "$3" && touch -d @0 "$3" || exit 1; fi
mkdir -p "$2" && chmod 0777 "$1" "$2" && echo ready && exec sleep 2147483647
"""


@dataclass(frozen=True)
class Sandbox:
    """One sandbox: its container, and the network mode of the steps that join it."""

    id: str


@dataclass
class _Pool:
    """The sandboxes of one run. ``maker`` makes them one after the other, as long as more are waited for than idle."""

    outputs: bool = False
    made: int = 0
    idle: list[Sandbox] = field(default_factory=list)
    waiting: int = 0
    maker: Task | None = None
    trouble: Exception | None = None


class Sandboxes:
    """Makes sandboxes and hands them out. ``died`` is to be called with every container of ours that dies."""

    def __init__(self, engine: Engine, settings: DockerSettings, instance: Instance) -> None:
        self._engine = engine
        self._settings = settings
        self._instance = instance
        self._pools: dict[str, _Pool] = {}
        self._holders: dict[str, Callable[[str], None]] = {}
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)

    def warm(self, run: str, *, outputs: bool) -> None:
        """Make the first sandbox of a run before anybody asks for it; ``outputs`` says that the run has some.

        Raises:
            InfrastructureError: it cannot be made.
        """
        with self._news:
            self._pools.setdefault(run, _Pool()).outputs = outputs
        sandbox = self._make(run)
        with self._news:
            self._pools.setdefault(run, _Pool()).idle.append(sandbox)

    def take(self, run: str, lost: Callable[[str], None]) -> Sandbox:
        """Return an idle sandbox of the run; ``lost(reason)`` is called if it dies before ``give``.

        If there is none, whatever comes first: one that is given back, or one that is made. Up to as many as there
        are cores are made as soon as somebody waits, one after the other; more would not make short stages faster, so
        from then on a stage waits a moment before it has one made.

        Raises:
            InfrastructureError: it cannot be made.
        """
        with self._news:
            pool = self._pools.setdefault(run, _Pool())
            if pool.made + pool.waiting >= _AT_ONCE:
                self._news.wait_for(lambda: pool.idle, _PATIENCE_SECONDS)
            pool.waiting += 1
            try:
                while not pool.idle:
                    pool.maker = pool.maker or Task("make sandboxes", lambda: self._supply(run, pool))
                    self._news.wait()
                    if pool.trouble is not None:
                        trouble, pool.trouble = pool.trouble, None
                        raise trouble
                sandbox = pool.idle.pop()
            finally:
                pool.waiting -= 1
            self._holders[sandbox.id] = lost
        return sandbox

    def give(self, run: str, sandbox: Sandbox) -> None:
        """Give a sandbox back; one that has died meanwhile is not handed out again."""
        with self._news:
            if self._holders.pop(sandbox.id, None) is not None:
                self._pools.setdefault(run, _Pool()).idle.append(sandbox)
                self._news.notify()

    def died(self, container: str, exit_code: int) -> None:
        """Take note that a container has died; tell who holds it if it is a sandbox."""
        with self._lock:
            lost = self._holders.pop(container, None)
            for pool in self._pools.values():
                pool.idle = [sandbox for sandbox in pool.idle if sandbox.id != container]
        if lost is not None:
            lost(f"the sandbox of the stage died (exit code {exit_code}); its steps had no network any more")

    def resync(self) -> None:
        """Look after every sandbox that somebody holds, for its end may have been missed; does not block."""
        with self._lock:
            held = tuple(self._holders)
        Task("look after sandboxes", lambda: self._look_after(held))

    def forget(self, run: str) -> None:
        """Stop caring for the sandboxes of a run, and see to it that no more are made: all can be removed now."""
        with self._lock:
            pool = self._pools.pop(run, _Pool())
        if pool.maker is not None:
            pool.maker.wait()

    def _supply(self, run: str, pool: _Pool) -> None:
        trouble: Exception | None = None
        while True:
            with self._news:
                if trouble is not None or len(pool.idle) >= pool.waiting:
                    pool.trouble, pool.maker = trouble, None
                    self._news.notify_all()
                    return
            try:
                sandbox = self._make(run)
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
                trouble = error
            else:
                with self._news:
                    pool.idle.append(sandbox)
                    self._news.notify()

    def _look_after(self, containers: tuple[str, ...]) -> None:
        for container in containers:
            try:
                with translated("looking after a sandbox"):
                    state = self._engine.api.inspect_container(container)["State"]
            except EngineRefusedError as error:
                if error.status != GONE:
                    raise
                self.died(container, 0)
            else:
                if not state["Running"]:
                    self.died(container, state["ExitCode"])

    def _make(self, run: str) -> Sandbox:
        with self._lock:
            pool = self._pools.setdefault(run, _Pool())
            pool.made += 1
            name, outputs = naming.sandbox(run, pool.made), pool.outputs
        api = self._engine.api
        with tolerating(GONE), translated(f"removing an older {name}"):
            api.remove_container(name, force=True, v=True)
        container = self._create(name, self._config(run, outputs=outputs))
        connection = attach(api, container, stdin=False)
        try:
            with translated(f"starting {name}"):
                api.start(container)
            if not any(_READY in bytes(piece) for piece in pieces(connection, _READY_SECONDS)):
                raise InfrastructureError(f"{name} ended before it was ready")
        finally:
            connection.close()
        return Sandbox(container)

    def _create(self, name: str, config: ContainerConfig) -> str:
        try:
            with translated(f"creating {name}"):
                api = self._engine.api
                created = api.create_container_from_config(  # type: ignore[no-untyped-call]  # the stubs lack it
                    config, name=name
                )
        except EngineRefusedError as error:
            if error.status != GONE:
                raise
            raise ImageError(
                f"image {self._settings.sandbox_image}, of which sandboxes are made, is not on the engine",
                hint="`scripts/build-images` makes it; RUNNER_SANDBOX_IMAGE names another",
            ) from error
        return str(created["Id"])

    def _config(self, run: str, *, outputs: bool) -> ContainerConfig:
        version = self._engine.api.api_version
        return ContainerConfig(
            version,
            image=self._settings.sandbox_image,
            command=["/bin/sh", "-c", _SCRIPT, "sandbox", VALUES, MARKS, OUTPUTS if outputs else ""],
            labels=naming.labels(self._instance, Address(run), "sandbox"),
            host_config=HostConfig(
                version,
                init=True,
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                network_mode=naming.network(run),
                mounts=[values_mount(run), *([outputs_mount(run, OUTPUTS)] if outputs else ())],
                log_config=LogConfig(type="json-file", config={"max-size": "8m"}),
            ),
        )


def values_mount(run: str) -> Mount:
    """Return the mount of the volume that holds what the steps of a run hand on."""
    return Mount(VALUES, naming.volume(run, "v"), type="volume", no_copy=True)


def outputs_mount(run: str, target: str) -> Mount:
    """Return a mount of the volume in which the steps of a run leave variables for later ones."""
    return Mount(target, naming.volume(run, "o"), type="volume", no_copy=True)
