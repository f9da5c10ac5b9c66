"""What a daemon does beside its runs: what nobody needs any more goes, on the engine, on the disk and in the store."""

import shutil
import threading
from collections.abc import Iterable
from contextlib import suppress

from runner import diagnostics
from runner.backends.docker.client import Engine
from runner.backends.docker.sweep import Sweep
from runner.dispatch.agent import Means
from runner.dispatch.clean import Standing, sweep_daemon
from runner.dispatch.keeping import Keeping
from runner.engine.job import Task
from runner.errors import InfrastructureError, NotFoundError
from runner.naming import Instance
from runner.settings import DaemonSettings
from runner.store.sql.runs import Kept

_EVERY_SECONDS = 60.0
_CLOSING_SECONDS = 5.0
"""How long its end is waited for: the engine may take minutes to answer."""


class Housekeeping:
    """For one daemon. ``problems`` says why no new run should begin."""

    def __init__(
        self, means: Means, settings: DaemonSettings, engine: Engine, instance: Instance, keeping: Keeping
    ) -> None:
        self._means = means
        self._settings = settings
        self._engine = engine
        self._instance = instance
        self._over = threading.Event()
        self._task: Task | None = None
        self._keeping = keeping
        self._sizes: dict[str, int] = {}

    def begin(self) -> None:
        """Do it every minute, until ``close``; begin with what an earlier life has forgotten and not removed."""
        for folder in self._means.folders.glob("*"):
            with suppress(OSError):
                try:
                    self._means.runs.get(folder.name)
                except NotFoundError:
                    shutil.rmtree(folder)
        self._task = Task("housekeeping", self._run)

    def close(self) -> None:
        """End."""
        self._over.set()
        if self._task is not None:
            self._task.over(_CLOSING_SECONDS)

    def problems(self) -> tuple[str, ...]:
        """Return why no new run should begin; empty where one may."""
        try:
            free = shutil.disk_usage(self._settings.data).free
        except OSError as error:
            return (f"{self._settings.data}: {error.strerror}",)
        if free < self._settings.free_space:
            needed = f"RUNNER_FREE_SPACE asks for {self._settings.free_space >> 20}"
            return (f"only {free >> 20} MiB are free in {self._settings.data}; {needed}",)
        return ()

    def measure(self) -> None:
        """Find out how large the kept runs are, if there are new ones: the engine may take minutes to tell.

        Raises:
            InfrastructureError: the engine or the store does not answer.
        """
        kept = {each.id for each in self._means.runs.kept()}
        if not kept <= self._sizes.keys():
            found = Sweep(self._engine).volumes_of(self._instance.id)
            self._sizes = {run: found.get(run, 0) for run in kept}

    def tidy(self) -> None:
        """Do it once. Kept runs count as empty until they have been measured.

        Raises:
            InfrastructureError: the engine or the store does not answer.
        """
        with self._keeping.lock:
            for run in self._expired():
                self._means.runs.release(run)
                self._means.let_go(run)
        sweep_daemon(self._engine, self._instance.id, self._standing)
        while forgotten := self._means.runs.forget(beyond=self._settings.keep_runs):
            for run in forgotten:
                shutil.rmtree(self._means.folder(run).path, ignore_errors=True)

    def _run(self) -> None:
        while not self._over.wait(_EVERY_SECONDS):
            try:
                self.measure()
                self.tidy()
            except InfrastructureError as error:
                diagnostics.warn("what nobody needs cannot be removed", error=error.explained)
            except Exception:  # noqa: BLE001 - the daemon goes on, and tries again
                diagnostics.failed("what nobody needs cannot be removed")

    def _standing(self) -> Standing:
        runs, reserved = self._means.runs, self._means.backend.reserved()  # in this order: no run falls in between
        live = (*reserved, *(run.id for run in runs.begun()), *self._keeping.looked_into())
        return Standing(live=frozenset(live), kept=frozenset((*(each.id for each in runs.kept()), *runs.paused())))

    def _expired(self) -> list[str]:
        """Return the kept runs whose time is over, or that are too many or too large; none that another stands on."""
        now, kept = self._means.clock.now(), self._keeping.free()
        old = [each.id for each in kept if each.until <= now]
        left = [each for each in kept if each.id not in old]
        return [*old, *self._beyond(left)]

    def _beyond(self, kept: Iterable[Kept]) -> list[str]:
        gone: list[str] = []
        total = 0
        for number, each in enumerate(sorted(kept, key=lambda each: each.until, reverse=True)):
            total += self._sizes.get(each.id, 0)
            if number >= self._settings.keep_failed_runs or total > self._settings.keep_failed_bytes:
                gone.append(each.id)
        return gone
