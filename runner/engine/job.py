"""What a driver is given, and what its threads share while they drive."""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from runner.clock import Clock
from runner.engine.backend import Backend, Output
from runner.engine.inputs import Inputs
from runner.engine.ledger import Ledger
from runner.engine.outputs import Outputs
from runner.engine.scopes import Scopes
from runner.engine.specs import Placed, Release, RunSpec, Source, StepSpec
from runner.engine.values import Values
from runner.naming import Address
from runner.pipelinectl import layout
from runner.pipelinectl.saved import Saved
from runner.plan.model import Plan
from runner.plan.status import Status
from runner.records import record


class Logs(Protocol):
    """Where outputs go: ``runner.logs`` keeps them in files."""

    def open(self, name: str) -> Output:
        """Return the log of that name, to append to."""

    def holds(self, name: str) -> bool:
        """Whether anything has been kept of the log of that name."""

    def hide(self, value: str) -> bool:
        """Mask a secret in all logs from now on; False for one that is too short to be masked."""


class Keep(StrEnum):
    """Whether the volumes of a run, with its workspaces and values, stay when it has ended."""

    NEVER = "never"
    FAILED = "failed"  # unless it was a success
    ALWAYS = "always"

    def after(self, outcome: Status) -> bool:
        """Whether they stay after a run that ended like this."""
        return self is Keep.ALWAYS or (self is Keep.FAILED and outcome is not Status.SUCCESS)


def default_parallel() -> int:
    """Return how many stages run at a time unless told: twice the cores, at least 4."""
    return max(4, 2 * (os.cpu_count() or 1))


LookAround = Callable[[StepSpec, Release], None]
"""What is done where a step has failed, in its stage that is still open; it may take as long as it wants."""


@record
class Job:
    """One run as it was ordered. ``plan`` is unfolded (``origins``), ``grace`` in seconds.

    ``source`` and ``beside`` are as in ``RunSpec``. ``secrets`` are values by name, for the steps that ask for them.
    ``export`` is a directory that receives what the run changed in the source, ``artifacts`` one that receives those of
    the steps, in a folder for each stage. With ``values`` what the steps have left is read at the end. ``saves`` is a
    directory that receives the values of the run as they are at the start of each round of a stage, so that another run
    may begin there.

    With ``prestart`` the container of a step is started while the one before runs, or starts, and waits at its gate. A
    run that is ``resumable`` keeps its volumes when it is paused.

    Of a rerun ``inherited`` are the stages that are not run again, with the layers that stand for them
    (``engine.rerun``), and ``restored`` the values that it begins with. ``began`` is when an earlier driver began it.
    """

    id: str
    plan: Plan
    source: Source | None = None
    beside: tuple[Placed, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    inputs: Inputs = field(default_factory=Inputs)
    max_parallel: int = 4
    grace: float = 10.0
    prestart: bool = True
    keep: Keep = Keep.NEVER
    export: Path | None = None
    artifacts: Path | None = None
    values: bool = False
    saves: Path | None = None
    resumable: bool = False
    inherited: Mapping[str, Address] = field(default_factory=dict)
    restored: Saved = field(default_factory=Saved)
    began: datetime | None = None

    def __post_init__(self) -> None:
        if self.plan.origins:
            raise ValueError("the plan of a job must be unfolded, else its secrets are never fetched")

    def keeps(self, outcome: Status) -> bool:
        """Whether the volumes stay after the run has ended like this, or was paused."""
        return self.keep.after(outcome) or (outcome is Status.PAUSED and self.resumable)

    @property
    def hands_on_values(self) -> bool:
        """Whether anybody may see the values of its steps but these."""
        stay = self.resumable or self.keep is not Keep.NEVER
        return stay or self.values or self.saves is not None or bool(self.plan.async_stages)

    @property
    def spec(self) -> RunSpec:
        """What the backend is told of the run."""
        plan = self.plan
        declared = {layout.file_name(layout.Kind.ASYNC, stage.name): b"" for stage in plan.async_stages}
        return RunSpec(
            id=self.id,
            home=plan.home,
            workdir=plan.workdir,
            source=self.source,
            beside=self.beside,
            outputs=plan.outputs,
            values={**self.inputs.store(plan.home, plan.workdir), **self.restored.values, **declared},
            config=self.inputs.config(),
            left=self.restored.left,
            returned=self.restored.returned,
            files=self.restored.files,
            named=plan.reaches_by_name,
        )


@record
class Context:
    """What the threads of one run share."""

    job: Job
    backend: Backend
    ledger: Ledger
    logs: Logs
    clock: Clock
    outputs: Outputs
    values: Values
    scopes: Scopes
    on_failure: LookAround | None = None


class Task:
    """A thread whose error is not lost. It does not keep the process alive: an engine that hangs must not."""

    def __init__(self, name: str, target: Callable[[], None], done: Callable[[], None] | None = None) -> None:
        self.error: BaseException | None = None
        self._over = False
        self._target = target
        self._done = done
        self._thread = threading.Thread(name=name, target=self._run, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it has not come to its end."""
        return not self._over

    def wait(self) -> None:
        """Wait for the end, whatever it is."""
        self._thread.join()

    def over(self, seconds: float) -> bool:
        """Wait for the end, but not longer than this; return whether it has come."""
        self._thread.join(seconds)
        return self._over

    def finish(self) -> None:
        """Wait for the end, and raise what the thread raised."""
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            self._target()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised again where the thread is joined
            self.error = error
        self._over = True
        if self._done is not None:
            self._done()
