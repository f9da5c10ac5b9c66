"""A fake world: what exists in it, and its containers."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from runner.backends.behaviour import Behaviour
from runner.engine.backend import STDOUT, Output, Readiness
from runner.engine.specs import Gathered, Placed
from runner.naming import Address

_UNRELEASED = 125


@dataclass
class Container:
    """A container of the world; it outlives the backend that made it. ``given`` are variables known from the first.

    ``trailing`` says that it has ended, and that its last output is still to come.
    """

    address: Address
    given: Mapping[str, str] = field(default_factory=dict)
    behaviour: Behaviour = field(default_factory=Behaviour)
    own_config: bool = False
    released: bool = False
    released_at: float = 0.0
    exit_code: int | None = None
    gone: bool = False
    broken: bool = False
    failed: bool = False
    trailing: bool = False
    output: Output | None = None
    wake: Callable[[], None] | None = None

    def end(self, exit_code: int) -> None:
        """Let it end, unless it has."""
        if self.exit_code is None and not self.gone:
            self.exit_code = exit_code
            self.stir()

    def say(self, text: str) -> None:
        """Print a line, unless it is empty."""
        if text and self.output is not None:
            self.output.write(STDOUT, text.encode() + b"\n")

    def stir(self) -> None:
        """Say that there may be news."""
        if self.wake is not None:
            self.wake()

    def readiness(self, scale: float) -> Readiness:
        """Say whether it can be used, where a second takes ``scale`` real seconds."""
        if self.exit_code is not None:
            reason = f"it ended with exit code {self.exit_code}"
            return Readiness(ready=False, hopeless=True, ended=True, reason=reason)
        if self.behaviour.unhealthy:
            return Readiness(ready=False, hopeless=True, reason=self.behaviour.unhealthy)
        starting = time.monotonic() - self.released_at < self.behaviour.ready_after * scale
        return Readiness(ready=not starting, reason="it is starting" if starting else "")


@dataclass
class World:
    """What exists, apart from whoever drives: it goes on when a driver dies.

    ``scale`` is how many real seconds a second of a step takes. ``starts`` counts, for each step, how often something
    of its own ran. ``outputs`` are files by run and so are ``values``, ``returns`` and ``requests``, ``files`` those of
    the workspaces by stage, ``layers`` what each workspace stands on, ``gathered`` what was put into it, ``beside`` the
    further trees of runs, ``configs`` what attempts with a configuration of their own have seen, ``marks`` the steps
    that were released, ``kept`` runs whose workspaces and values have stayed, ``shells`` where a person looked around.
    """

    scale: float = 1.0
    missing_images: frozenset[str] = frozenset()
    containers: dict[Address, Container] = field(default_factory=dict)
    runs: set[str] = field(default_factory=set)
    stages: dict[Address, Callable[[str], None]] = field(default_factory=dict)
    layers: dict[Address, tuple[Address, ...]] = field(default_factory=dict)
    starts: Counter[Address] = field(default_factory=Counter)
    fetched: list[tuple[str, bool]] = field(default_factory=list)
    outputs: dict[str, dict[str, bytes]] = field(default_factory=dict)
    values: dict[str, dict[str, bytes]] = field(default_factory=dict)
    returns: dict[str, dict[str, bytes]] = field(default_factory=dict)
    requests: defaultdict[str, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))
    files: dict[Address, list[str]] = field(default_factory=dict)
    gathered: dict[Address, tuple[Gathered, ...]] = field(default_factory=dict)
    beside: dict[str, tuple[Placed, ...]] = field(default_factory=dict)
    configs: dict[Address, Mapping[PurePosixPath, bytes]] = field(default_factory=dict)
    marks: set[Address] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    shells: list[Address] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def client_dies(self) -> None:
        """Do what a real engine does when a driver dies: what stands at a gate ends, what runs goes on unheard."""
        with self.lock:
            for container in self.containers.values():
                container.output = container.wake = None
                container.trailing = False
                if not container.released:
                    container.end(_UNRELEASED)

    def kill_sandbox(self, stage: Address) -> None:
        """Let the sandbox of a stage die."""
        with self.lock:
            lost = self.stages[stage]
        lost("the sandbox died")


def leftovers(world: World, runs: Iterable[str] = ()) -> tuple[str, ...]:
    """Return what of these runs (of all, if none is named) still exists, in words."""
    with world.lock:
        wanted = set(runs) or {*world.runs, *(each.run for each in (*world.containers, *world.stages))}
        return (
            *(f"container {a}" for a in world.containers if a.run in wanted),
            *(f"sandbox {a}" for a in world.stages if a.run in wanted),
            *(f"run {run}" for run in world.runs if run in wanted),
        )
