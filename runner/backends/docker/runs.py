"""What this process knows of the runs that it has opened: their stages, and what goes on beside these."""

import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.backends.docker.boxes import Sandbox
from runner.backends.docker.requested import Heard
from runner.backends.docker.returned import Known
from runner.engine.job import Task
from runner.engine.specs import RunSpec
from runner.errors import InfrastructureError
from runner.naming import Address
from runner.records import record

if TYPE_CHECKING:
    from runner.backends.docker.workspaces import Opened


@record
class Stage:
    """What an open stage holds. Whoever gives it another sandbox is ``changing`` it."""

    workspace: "Opened"
    sandbox: Sandbox
    lost: Callable[[str], None]
    changing: threading.Lock = field(default_factory=threading.Lock, compare=False)


@dataclass(kw_only=True)
class Run:
    """What is known of one run until it is closed; the lock of ``Runs`` guards it.

    ``reserving`` makes its spare sandbox. ``prepared`` has the images with which attempts were made ready, ``beside``
    the services that go on beside steps, ``removing`` the attempts whose containers are being removed.
    """

    spec: RunSpec | None = None
    reserving: Task | None = None
    stages: dict[Address, Stage] = field(default_factory=dict)
    beside: set[Address] = field(default_factory=set)
    prepared: dict[Address, str] = field(default_factory=dict)
    heard: Heard = field(default_factory=Heard)
    returned: Known = field(default_factory=Known)
    removing: dict[Address, Future[None]] = field(default_factory=dict)


class Runs:
    """The runs of one backend. ``lock`` guards what they hold."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._runs: defaultdict[str, Run] = defaultdict(Run)

    def of(self, run: str) -> Run:
        """Return a run, to be changed; the lock is held."""
        return self._runs[run]

    def known(self, run: str) -> Run:
        """Return what is known of a run, which is nothing before it is opened; the lock is held."""
        return self._runs.get(run) or Run()

    def close(self, run: str) -> Run:
        """Know nothing of a run any more; return what was known."""
        with self.lock:
            return self._runs.pop(run, None) or Run()

    def reserved(self) -> tuple[str, ...]:
        """Return the runs of which nothing is known but that they have a spare sandbox, or will have."""
        with self.lock:
            return tuple(run for run, known in self._runs.items() if known.reserving and known.spec is None)

    def spec(self, run: str) -> RunSpec:
        """Return the spec of an open run.

        Raises:
            InfrastructureError: it is not open.
        """
        with self.lock:
            spec = self.known(run).spec
        if spec is None:
            raise InfrastructureError(f"run {run} is not open")
        return spec

    def stage(self, stage: Address) -> Stage | None:
        """Return a stage, if it is open."""
        with self.lock:
            return self.known(stage.run).stages.get(stage)

    def opened(self, stage: Address) -> Stage:
        """Return an open stage.

        Raises:
            InfrastructureError: it is not open.
        """
        opened = self.stage(stage)
        if opened is None:
            raise InfrastructureError(f"{stage}: the stage is not open")
        return opened

    def keep(self, stage: Address, opened: Stage) -> None:
        """Know a stage as open."""
        with self.lock:
            self._runs[stage.run].stages[stage] = opened
