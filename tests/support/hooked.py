"""A backend around another, in which a test does something right before or after a call."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
from runner.naming import Address
from runner.pipelinectl.values import Store
from runner.plan.model import Ready


@dataclass(frozen=True)
class Call:
    """One call of a verb. ``path`` is ``stage/step``, the image that is fetched, or empty for a whole run."""

    verb: str
    path: str = ""
    address: Address | None = None


DEADLINE = 20.0
"""Seconds after which a test that waits has failed."""

Hook = Callable[[Call], None]


def nothing(_: Call) -> None:
    """Do nothing."""


class Moment:
    """A hook that notes when a verb is called for a path, so that a test can wait for it."""

    def __init__(self, verb: str, path: str) -> None:
        self._wanted = (verb, path)
        self._come = threading.Event()

    def __call__(self, call: Call) -> None:
        """Take note of a call."""
        if (call.verb, call.path) == self._wanted:
            self._come.set()

    def wait(self) -> None:
        """Wait until it has come."""
        assert self._come.wait(DEADLINE), f"{self._wanted} never came"


class Fault:
    """A hook that raises an error when a verb is called for a path: as often as told."""

    def __init__(self, verb: str, path: str, error: BaseException, *, times: int = 1_000_000) -> None:
        self._wanted = (verb, path)
        self._error = error
        self._left = times

    def __call__(self, call: Call) -> None:
        """Raise, if it is this call."""
        if (call.verb, call.path) == self._wanted and self._left:
            self._left -= 1
            raise self._error


class HookedBackend:
    """Passes every call on to ``inner``, with a hook before and one after it, also if it failed.

    A hook may raise, block, or count.
    """

    def __init__(self, inner: Backend, *, before: Hook = nothing, after: Hook = nothing) -> None:
        self.inner = inner
        self._before = before
        self._after = after

    @contextmanager
    def _around(self, verb: str, address: Address | None = None, path: str = "") -> Iterator[None]:
        call = Call(verb, address.path if address else path, address)
        self._before(call)
        try:
            yield
        finally:
            self._after(call)

    def reserve(self, run: str) -> None:
        """Pass it on without hooks: it is no effect of a run, as this one."""
        self.inner.reserve(run)

    def reserved(self) -> Collection[str]:
        return self.inner.reserved()

    def open_run(self, run: RunSpec) -> tuple[str, ...]:
        with self._around("open_run", run.address):
            return self.inner.open_run(run)

    def fetch(self, image: str, *, always: bool, report: Callable[[PullProgress], None]) -> None:
        with self._around("fetch", path=image):
            self.inner.fetch(image, always=always, report=report)

    def open_stage(self, stage: StageSpec, lost: Callable[[str], None]) -> None:
        with self._around("open_stage", stage.address):
            self.inner.open_stage(stage, lost)

    def prepare(self, step: StepSpec) -> Phase:
        with self._around("prepare", step.address):
            return self.inner.prepare(step)

    def follow(self, address: Address, output: Output, wake: Callable[[], None]) -> None:
        with self._around("follow", address):
            self.inner.follow(address, output, wake)

    def release(self, address: Address, release: Release) -> None:
        with self._around("release", address):
            self.inner.release(address, release)

    def signal(self, address: Address, signal: Signal) -> None:
        with self._around(f"signal {signal}", address):
            self.inner.signal(address, signal)

    def conclude(self, address: Address) -> Ending | None:
        with self._around("conclude", address):
            return self.inner.conclude(address)

    def discard(self, address: Address) -> None:
        with self._around("discard", address):
            self.inner.discard(address)

    def probe(self, service: Address, ready: Ready | None) -> Readiness:
        with self._around("probe", service):
            return self.inner.probe(service, ready)

    def outputs(self, stage: Address) -> Mapping[str, bytes]:
        with self._around("outputs", stage):
            return self.inner.outputs(stage)

    def values(self, run: str, *, wanted: Wanted) -> Store:
        with self._around("values", Address(run)):
            return self.inner.values(run, wanted=wanted)

    def put_values(self, run: str, files: Mapping[str, bytes]) -> None:
        with self._around("put_values", Address(run)):
            self.inner.put_values(run, files)

    def returns(self, run: str) -> Mapping[str, bytes]:
        with self._around("returns", Address(run)):
            return self.inner.returns(run)

    def requests(self, run: str, *, anew: bool = False) -> Mapping[str, bytes]:
        with self._around("requests", Address(run)):
            return self.inner.requests(run, anew=anew)

    def save_files(self, run: str, target: Path, *, most: int, wanted: Wanted) -> None:
        with self._around("save_files", Address(run)):
            self.inner.save_files(run, target, most=most, wanted=wanted)

    def collect(self, attempt: Address, patterns: tuple[str, ...], target: Path, *, wanted: Wanted) -> tuple[str, ...]:
        with self._around("collect", attempt):
            return self.inner.collect(attempt, patterns, target, wanted=wanted)

    def shell(self, step: StepSpec, release: Release, terminal: Terminal) -> None:
        with self._around("shell", step.address):
            self.inner.shell(step, release, terminal)

    def close_stage(self, stage: Address, *, needed: bool) -> tuple[Conflict, ...]:
        with self._around("close_stage", stage):
            return self.inner.close_stage(stage, needed=needed)

    def export(self, run: RunSpec, layers: tuple[Address, ...], target: Path, *, wanted: Wanted) -> tuple[str, ...]:
        with self._around("export", run.address):
            return self.inner.export(run, layers, target, wanted=wanted)

    def close_run(self, run: RunSpec, *, keep: bool) -> None:
        with self._around("close_run", run.address):
            self.inner.close_run(run, keep=keep)
