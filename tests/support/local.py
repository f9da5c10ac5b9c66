"""This process as one that runs pipelines, on a backend that only pretends to make containers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.backends.docker.client import Engine
from runner.backends.docker.sweep import Remnant
from runner.backends.fake import FakeBackend
from runner.backends.standing import World
from runner.dispatch import clean
from runner.dispatch.family import Member
from runner.dispatch.place import Local
from runner.engine.backend import Backend
from runner.engine.events import Observer
from runner.naming import Instance, new_run_id
from runner.settings import Settings
from runner.store import instances


class FakeSweep:
    """What is on an engine that is not there: takes the place of ``Sweep`` in ``runner.dispatch.clean``.

    ``used`` are the names of those on which the caches of that name depend.
    """

    def __init__(self, *remnants: Remnant) -> None:
        self.there = list(remnants)
        self.used: dict[str, str] = {}
        self.stuck: set[str] = set()
        self.asked: list[Instance] = []
        self.error: Exception | None = None

    def __call__(self, engine: Engine) -> "FakeSweep":
        """Return the sweep of an engine, of which there is only this one."""
        return self

    def of_process_like(self, instance: Instance) -> tuple[Remnant, ...]:
        """Return everything."""
        self.asked.append(instance)
        if self.error is not None:
            raise self.error
        return tuple(self.there)

    def of_instance(self, instance: str) -> tuple[Remnant, ...]:
        """Return what names this instance where others name their lock."""
        return tuple(found for found in self.there if found.lock == instance)

    def lasting(self, instance: Instance) -> tuple[Remnant, ...]:
        """Return what lives between runs, unless something uses it that is still there."""
        self.asked.append(instance)
        names = {remnant.name for remnant in self.there}
        return tuple(found for found in self.there if not found.lock and self.used.get(found.name) not in names)

    def remove(self, remnants: tuple[Remnant, ...], *, tries: int = 1) -> tuple[Remnant, ...]:
        """Remove all but what is stuck."""
        left = tuple(remnant for remnant in remnants if remnant.name in self.stuck)
        self.there = [remnant for remnant in self.there if remnant not in remnants or remnant in left]
        return left

    def install(self, monkeypatch: pytest.MonkeyPatch) -> "FakeSweep":
        """Let ``clean`` use this one."""
        monkeypatch.setattr(clean, "Sweep", self)
        return self


def remnant(name: str, lock: str, kind: str = "container", run: str = "0badcafe") -> Remnant:
    """Return something that is on an engine."""
    return Remnant(kind=kind, name=name, run=run, lock=lock)


def cache(name: str) -> Remnant:
    """Return a cache that is on an engine."""
    return Remnant(kind="volume", name=name, run="", lock="", cache=f"{name} at /cache")


@contextmanager
def fake_local(state: Path, backend: Backend | None = None, *, early: bool = False) -> Iterator[Local]:
    """Be an instance of ``exec``, as ``runner.dispatch.place.local`` is one."""
    settings = Settings(state=state, grace=1.0)
    with instances.live(state, instances.KIND_EXEC) as instance:
        here = Local(settings, instance, Engine(), backend or FakeBackend(World(scale=0.02)))
        if early:
            here.backend.reserve(new_run_id())
        yield here


@contextmanager
def showing_nothing(_: Member) -> Iterator[Observer]:
    """Show an async stage to nobody."""
    yield lambda _: None


def placing(state: Path, backend: Backend | None = None) -> Callable[..., object]:
    """Return what takes the place of ``local`` in a command."""
    return lambda _, early=False: fake_local(state, backend, early=early)
