"""A backend that outlives its engine: a verb that finds none is called again when there is one.

That is sound because every verb may be called again after it was cut off half-way, and because ``DockerBackend`` finds
by their names whatever an answer was lost of. Not so ``conclude``, ``signal`` and ``follow``, which are asked again by
others, and ``shell``, for which a person waits.
"""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from runner.backends.docker.backend import DockerBackend
from runner.backends.docker.client import Engine
from runner.clock import Deadline
from runner.engine.backend import (
    Backend,
    Conflict,
    Ending,
    Output,
    Phase,
    PullProgress,
    Readiness,
    Signal,
    Terminal,
    Wanted,
)
from runner.engine.specs import Release, RunSpec, StageSpec, StepSpec
from runner.errors import EngineRefusedError, EngineUnavailableError, InfrastructureError
from runner.naming import Address
from runner.pipelinectl.values import Store
from runner.plan.model import Ready

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_OUTAGES = 5  # that one call may meet
_SERVER_ERROR = 500

_Returned = TypeVar("_Returned")


class PatientBackend(Backend):
    """Another backend, whose verbs wait up to ``grace`` seconds for an engine that is away."""

    def __init__(self, inner: DockerBackend, engine: Engine, grace: float) -> None:
        self._inner = inner
        self._engine = engine
        self._grace = grace
        self._closing = threading.Event()

    def reserve(self, run: str) -> None:
        """Begin to make what any run of this id needs."""
        self._inner.reserve(run)

    def reserved(self) -> tuple[str, ...]:
        """Return the runs for which that was made and not used."""
        return self._inner.reserved()

    def open_run(self, run: RunSpec) -> tuple[str, ...]:
        """Make what the whole run shares."""
        return self._persist(lambda: self._inner.open_run(run))

    def fetch(self, image: str, *, always: bool, report: Callable[[PullProgress], None]) -> None:
        """Make an image present."""
        self._persist(lambda: self._inner.fetch(image, always=always, report=report))

    def open_stage(self, stage: StageSpec, lost: Callable[[str], None]) -> None:
        """Make what a stage needs."""
        self._persist(lambda: self._inner.open_stage(stage, lost))

    def prepare(self, step: StepSpec) -> Phase:
        """Bring an attempt to its gate."""
        return self._persist(lambda: self._inner.prepare(step))

    def follow(self, address: Address, output: Output, wake: Callable[[], None]) -> None:
        """Send output and news there."""
        self._inner.follow(address, output, wake)

    def release(self, address: Address, release: Release) -> None:
        """Open the gate."""
        self._persist(lambda: self._inner.release(address, release))

    def signal(self, address: Address, signal: Signal) -> None:
        """Ask an attempt to end, or end it."""
        self._inner.signal(address, signal)

    def conclude(self, address: Address) -> Ending | None:
        """Say how an attempt ended."""
        return self._inner.conclude(address)

    def discard(self, address: Address) -> None:
        """Have an attempt's container removed."""
        self._persist(lambda: self._inner.discard(address))

    def probe(self, service: Address, ready: Ready | None) -> Readiness:
        """Say whether a service can be used."""
        return self._persist(lambda: self._inner.probe(service, ready))

    def outputs(self, stage: Address) -> Mapping[str, bytes]:
        """Return what steps have left for later ones."""
        return self._persist(lambda: self._inner.outputs(stage))

    def values(self, run: str, *, wanted: Wanted) -> Store:
        """Return the store of a run's values."""
        return self._persist(lambda: self._inner.values(run, wanted=wanted))

    def put_values(self, run: str, files: Mapping[str, bytes]) -> None:
        """Put files into that store."""
        self._persist(lambda: self._inner.put_values(run, files))

    def returns(self, run: str) -> Mapping[str, bytes]:
        """Return what steps of a run have returned."""
        return self._persist(lambda: self._inner.returns(run))

    def requests(self, run: str, *, anew: bool = False) -> Mapping[str, bytes]:
        """Return what steps of a run have asked for."""
        return self._persist(lambda: self._inner.requests(run, anew=anew))

    def save_files(self, run: str, target: Path, *, most: int, wanted: Wanted) -> None:
        """Write the large values of a run to a tar."""
        self._persist(lambda: self._inner.save_files(run, target, most=most, wanted=wanted))

    def collect(self, attempt: Address, patterns: tuple[str, ...], target: Path, *, wanted: Wanted) -> tuple[str, ...]:
        """Copy files of an attempt's workspace out."""
        return self._persist(lambda: self._inner.collect(attempt, patterns, target, wanted=wanted))

    def shell(self, step: StepSpec, release: Release, terminal: Terminal) -> None:
        """Let a person look around."""
        self._inner.shell(step, release, terminal)

    def close_stage(self, stage: Address, *, needed: bool) -> tuple[Conflict, ...]:
        """Give back the sandbox."""
        return self._persist(lambda: self._inner.close_stage(stage, needed=needed))

    def export(self, run: RunSpec, layers: tuple[Address, ...], target: Path, *, wanted: Wanted) -> tuple[str, ...]:
        """Apply to a directory what stages changed in the source."""
        return self._persist(lambda: self._inner.export(run, layers, target, wanted=wanted))

    def close_run(self, run: RunSpec, *, keep: bool) -> None:
        """Remove what there is of a run."""
        self._persist(lambda: self._inner.close_run(run, keep=keep))

    def close(self) -> None:
        """End the threads of this backend, and every wait; what runs on the engine is left alone."""
        self._closing.set()
        self._inner.close()

    def _persist(self, verb: Callable[[], _Returned]) -> _Returned:
        for _ in range(_OUTAGES):
            try:
                return verb()
            except (EngineUnavailableError, EngineRefusedError) as error:
                if not self._away(error) or not self._comes_back():
                    raise
        return verb()

    def _away(self, error: InfrastructureError) -> bool:
        """Say whether an error came from an engine that went away, or was about to."""
        if isinstance(error, EngineRefusedError):
            return error.status >= _SERVER_ERROR and not self._answers()
        return True

    def _comes_back(self) -> bool:
        deadline, pause = Deadline(self._grace), _FIRST_PAUSE
        while not self._answers():
            if deadline.passed or self._closing.wait(pause):
                return False
            pause = min(pause * 2, _LONGEST_PAUSE)
        return True

    def _answers(self) -> bool:
        try:
            self._engine.check_anew()
        except InfrastructureError:
            return False
        return True
