"""Daemons in this process, on containers that are not there: one dies, and the next of its directory goes on."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import Connection

from runner.backends.docker.client import Engine
from runner.backends.docker.sweep import Remnant
from runner.backends.fake import FakeBackend
from runner.backends.standing import World
from runner.clock import Deadline
from runner.daemon import House
from runner.dispatch import clean, housekeeping
from runner.dispatch.feed import Feed, Item, Lines
from runner.dispatch.orders import StoredOrder
from runner.dispatch.requests import Inline, Submission
from runner.dispatch.service import Service
from runner.dispatch.stock import Stock
from runner.engine.backend import Backend, Output
from runner.engine.events import Changed, Notice
from runner.engine.origins import unfold
from runner.naming import Address, Instance, new_run_id
from runner.plan.model import Plan, Stage, Step
from runner.plan.status import Status
from runner.settings import DaemonSettings, Settings
from tests.support.crash import Mortality
from tests.support.fetching import LOCAL
from tests.support.hooked import DEADLINE, Call, Hook, HookedBackend, nothing
from tests.support.repositories import Repository

SCALE = 0.01
"""Real seconds of a second of a fake step."""

READING = ("conclude", "outputs", "probe", "values", "returns", "requests", "save_files")


class WorldSweep:
    """What a world holds, as the labels of an engine would tell it: takes the place of ``Sweep``.

    ``sizes`` are the bytes of the volumes of runs; ``asked`` counts how often somebody wanted to know these.
    """

    def __init__(self, world: World) -> None:
        self.sizes: dict[str, int] = {}
        self.asked = 0
        self._world = world

    def __call__(self, engine: Engine) -> "WorldSweep":
        """Return the sweep of an engine, of which there is only this one."""
        return self

    def of_instance(self, instance: str) -> tuple[Remnant, ...]:
        """Return all that there is."""
        with self._world.lock:
            return (
                *(_remnant("container", str(address), address.run) for address in self._world.containers),
                *(_remnant("network", run, run) for run in self._world.runs),
                *(_remnant("volume", run, run) for run in self._world.kept),
            )

    def remove(self, remnants: tuple[Remnant, ...], *, tries: int = 1) -> tuple[Remnant, ...]:
        """Remove things."""
        with self._world.lock:
            for remnant in remnants:
                match remnant.kind:
                    case "container":
                        for address in [each for each in self._world.containers if str(each) == remnant.name]:
                            del self._world.containers[address]
                    case "network":
                        self._world.runs.discard(remnant.run)
                    case _:
                        self._world.kept.discard(remnant.run)
        return ()

    def volumes_of(self, instance: str) -> dict[str, int]:
        """Return the sizes of volumes, by run."""
        self.asked += 1
        return self.sizes

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let the daemons of this process use it until the end of the block."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clean, "Sweep", self)
            patch.setattr(housekeeping, "Sweep", self)
            yield


def _remnant(kind: str, name: str, run: str) -> Remnant:
    return Remnant(kind=kind, name=name, run=run, lock="")


class MortalBackend(HookedBackend):
    """A backend whose caller can die, from any of its threads; ``hook`` is called before every call."""

    def __init__(self, world: World, mortality: Mortality, hook: Hook) -> None:
        super().__init__(FakeBackend(world), before=self._enter, after=self._leave)
        self._mortality = mortality
        self._hook = hook

    def follow(self, address: Address, output: Output, wake: Callable[[], None]) -> None:
        """Attach, and remember who is to be woken."""
        self._mortality.remember(wake)
        super().follow(address, output, wake)

    def _enter(self, call: Call) -> None:
        self._hook(call)
        if call.verb in READING:
            self._mortality.check()
        else:
            self._mortality.before()

    def _leave(self, call: Call) -> None:
        if call.verb not in READING:
            self._mortality.after()


class Daemon:
    """One life of the daemon of a directory, without signals and API."""

    def __init__(self, house: House, mortality: Mortality, before: set[threading.Thread]) -> None:
        self.house = house
        self.mortality = mortality
        self._before = before

    @property
    def service(self) -> Service:
        """What its clients have."""
        return self.house.service

    def serve(self) -> "Daemon":
        """Drive what there is."""
        self.house.begin()
        return self

    def submit(self, of: Plan | str, **more: Any) -> str:  # noqa: ANN401 - the fields of `Submission`, which checks them
        """Submit an inline pipeline; return the id of its run."""
        text = of if isinstance(of, str) else text_of(of)
        return self.service.submit(Submission(inline=Inline(text=text), **more), local=True).id

    def give(self, plan: Plan) -> str:
        """Submit a plan that no file needs to say; return the id of its run."""
        means, run = self.house.means, new_run_id()
        means.runs.add(means.new_run(run, StoredOrder(plan=unfold(plan))))
        self.house.dispatcher.submit(run)
        return run

    def run(self, of: Plan | str, **more: Any) -> str:  # noqa: ANN401 - as `submit`
        """Submit an inline pipeline and wait until its run has ended or is paused; return the id of this."""
        return self.ended(self.submit(of, **more))

    def ended(self, run: str) -> str:
        """Wait until a run has ended or is paused."""
        with self.service.feed(run) as feed:
            told(feed)
        return run

    def until(self, run: str, path: str, status: Status = Status.RUNNING) -> None:
        """Wait until ``stage`` or ``stage/step`` of a run has entered a status."""
        with self.service.feed(run) as feed:
            told(feed, until=lambda item: isinstance(item, Changed) and _enters(item, path, status))

    def status(self, run: str) -> str:
        """Return how a run stands."""
        return self.service.summary(run).status

    def statuses(self, run: str) -> dict[str, str]:
        """Return how the steps of a run stand, by ``stage/step``."""
        report = self.service.report(run)
        return {f"{s['name']}/{step['name']}": step["status"] for s in report["stages"] for step in s["steps"]}

    def text(self, run: str, stage: str = "", step: str = "") -> str:
        """Return what has been printed."""
        return b"".join(self.service.log(run, stage, step)).decode()

    def bury(self) -> None:
        """Wait until no thread of it is left that could still do something; it is dead, or has nothing to do."""
        self.mortality.dead.set()
        self.house.dispatcher.close()
        deadline = Deadline(DEADLINE)
        while mine := self._threads():
            assert not deadline.passed, f"{mine} live on"
            self.mortality.rouse()
            time.sleep(0.002)

    def _threads(self) -> set[threading.Thread]:
        """Return those that are its own; the timers of containers belong to the world and go on."""
        found = set(threading.enumerate()) - self._before - {threading.current_thread()}
        return {thread for thread in found if not isinstance(thread, threading.Timer)}


def _enters(item: Changed, path: str, status: Status) -> bool:
    return item.entry.address.path == path and item.entry.status is status


@dataclass(kw_only=True)
class Grounds:
    """A data directory, and the world in which its daemons live one after the other.

    ``more`` are settings of the daemon; ``hook`` is called before every call to the backend.
    """

    data: Path
    world: World = field(default_factory=lambda: World(scale=SCALE))
    settings: Settings = field(init=False)
    more: dict[str, Any] = field(default_factory=dict)
    hook: Hook = nothing

    def __post_init__(self) -> None:
        self.settings = Settings(state=self.data, grace=0.2, git=LOCAL)
        self.sweep = WorldSweep(self.world)

    @property
    def daemon(self) -> DaemonSettings:
        """The settings of the next daemon."""
        usual: dict[str, Any] = {"queues": {"default": 4, "deploy": 1}, "free_space": 0, "drain": 0.0}
        return DaemonSettings(data=self.data, **{**usual, **self.more})

    @contextmanager
    def living(self, mortality: Mortality | None = None) -> Iterator[Daemon]:
        """Have a daemon that does not serve yet; at the end of the block it is killed, where it has not died before."""
        mortal = mortality or Mortality()

        def place(settings: Settings, instance: Instance) -> tuple[Engine, Backend]:
            return Engine(), MortalBackend(self.world, mortal, self._before)

        structlog.reset_defaults()  # whoever writes next asks anew where to: an earlier test has closed its place
        before, umask = set(threading.enumerate()), os.umask(0o077)
        with self.sweep.installed(), ExitStack() as stack:
            stack.callback(os.umask, umask)
            house = House(stack, self.settings, self.daemon, place)
            _mortal_store(house, mortal)
            daemon = Daemon(house, mortal, before)
            try:
                yield daemon
            finally:
                daemon.house.housekeeping._over.set()
                _leave(daemon.house.stock)
                daemon.bury()
                self.world.client_dies()
                for run in tuple(house.means.trees._leases):
                    house.means.trees.give_back(run)

    @contextmanager
    def serving(self, mortality: Mortality | None = None) -> Iterator[Daemon]:
        """Have a daemon that serves."""
        with self.living(mortality) as daemon:
            yield daemon.serve()

    def _before(self, call: Call) -> None:
        self.hook(call)

    def set(self, **more: Any) -> None:  # noqa: ANN401 - the fields of `DaemonSettings`, which checks them
        """Change settings for the next daemon."""
        self.more |= more


def _leave(stock: Stock) -> None:
    """Have nothing in stock any more: who is killed removes nothing."""
    with stock._lock:
        stock._size = 0
        stock._ids.clear()


def _mortal_store(house: House, mortality: Mortality) -> None:
    """Let every write to the store be an effect, of which a life has so many."""
    database = house.means.database
    inner = database.writing

    @contextmanager
    def writing() -> Iterator[Connection]:
        mortality.before()
        with inner() as connection:
            yield connection
        mortality.after()

    database.writing = writing  # type: ignore[method-assign]  # the store itself knows of no death


def told(feed: Feed, until: Callable[[Item], bool] = lambda _: False) -> list[Item]:
    """Return what a feed tells, to its end or to an item."""
    found: list[Item] = []
    deadline = Deadline(DEADLINE)
    while not feed.over:
        assert not deadline.passed, f"it does not end; it has told {found}"
        for item in feed.poll():
            found.append(item)
            if until(item):
                return found
        if not feed.over:
            feed.wait(1.0)
    return found


def words(items: list[Item], *, lines: bool = True) -> list[str]:
    """Return what a feed has told, each in few words: statuses, lines and notices.

    What is made ready ahead of its turn is left out: when that is may differ from run to run.
    """
    found: list[str] = []
    for item in items:
        match item:
            case Changed(entry) if entry.status is not Status.PENDING:
                found.append(f"{entry.address.path or 'run'} {entry.status}")
            case Lines(address, block):
                found += [f"{address.path} | {line}" for line in block.data.decode().splitlines()] if lines else []
            case Notice(text):
                found.append(text)
            case _:
                pass
    return found


def text_of(plan: Plan) -> str:
    """Return a pipeline that compiles to a plan of ``tests.support.plans``, as far as tests here ask for it."""
    stages = {each.name: _told_stage(each) for each in (*plan.stages, *plan.async_stages)}
    services = [{"name": s.name, "image": s.image, "environment": dict(s.environment)} for s in plan.services]
    return json.dumps({"version": "1", "metadata": {"clone": False}, "services": services, "stages": stages})


def _told_stage(stage: Stage) -> dict[str, Any]:
    apart = {"async": True} if stage.async_ else {}
    return {"needs": list(stage.needs), **apart, "steps": [*map(_told_step, stage.steps)]}


def _told_step(step: Step) -> dict[str, Any]:
    rules = {"if": {"status": list(step.ruleset.if_.status)}} if step.ruleset.if_.status else {}
    return {
        "name": step.name,
        "image": step.image,
        "commands": list(step.commands),
        "environment": dict(step.environment),
        "secrets": [{"source": use.source, "target": use.target} for use in step.secrets],
        **({"ruleset": rules} if rules else {}),
    }


def commit(repository: Repository, plan: Plan | str, path: str = ".vela.yml") -> str:
    """Commit a pipeline; return the hash of the commit."""
    repository.write(path, plan if isinstance(plan, str) else text_of(plan))
    repository.git("add", path)
    return repository.commit(message=f"pipeline {path}")


def faster(settings: Settings, **changes: Any) -> Settings:  # noqa: ANN401 - the fields of `GitSettings`
    """Return settings that lose less time with repositories that do not answer."""
    return replace(settings, git=replace(settings.git, **changes))
