"""The daemon: one process that owns a data directory, drives its runs, and answers its clients."""

import os
import queue
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from runner import diagnostics
from runner.api.access import Access, token_in
from runner.api.app import make_app
from runner.api.server import Server
from runner.backends.docker.backend import DockerBackend
from runner.backends.docker.client import Engine
from runner.backends.docker.patient import PatientBackend
from runner.clock import Deadline, SystemClock
from runner.dispatch.agent import LocalAgent, Means
from runner.dispatch.children import Children
from runner.dispatch.hooks import Hooks
from runner.dispatch.housekeeping import Housekeeping
from runner.dispatch.keeping import Keeping
from runner.dispatch.local import LocalDispatcher
from runner.dispatch.looking import Looking
from runner.dispatch.registered import Registered
from runner.dispatch.service import Service
from runner.dispatch.stock import Stock
from runner.dispatch.submitting import Submitting
from runner.dispatch.trees import Trees
from runner.engine.backend import Backend
from runner.errors import ConflictError, ExitCode, RunnerError
from runner.naming import Instance
from runner.plan.grants import Grants
from runner.settings import DaemonSettings, Settings
from runner.store import instances
from runner.store.sealing import Vault
from runner.store.sql.database import Database, sqlite_url
from runner.store.sql.hooks import Hooks as StoredHooks
from runner.store.sql.pipelines import Pipelines

_LEAVE: Final = signal.SIGHUP
_END: Final = (signal.SIGTERM, signal.SIGINT)
_LOOK_SECONDS: Final = 1.0
_LAST_SECONDS: Final = 30.0
"""How long runs that were cancelled may take beyond their grace."""

Place = Callable[[Settings, Instance], tuple[Engine, Backend]]
"""Where a daemon runs what it is given: an engine, and what makes this instance's containers there."""


def on_docker(settings: Settings, instance: Instance) -> tuple[Engine, Backend]:
    """Return the engine that this machine's environment names.

    Raises:
        InfrastructureError: no engine answers.
    """
    engine = Engine()
    engine.check()
    docker = settings.docker.of_daemon()
    backend = DockerBackend(engine, docker, instance, memory=settings.state / "engine")
    return engine, PatientBackend(backend, engine, docker.engine_grace)


def serve(settings: Settings, daemon: DaemonSettings, *, listen: str | None, place: Place = on_docker) -> int:
    """Be the daemon of a data directory until a signal ends it; return the exit code.

    TERM and INT: no run begins any more, and those that go on may end by themselves for a while (``drain``); then, or
    at the second signal, they are cancelled, and at the third they are left as they are. HUP leaves them at any time:
    their containers go on, and the next daemon of this directory takes them up, so that nothing is lost over an
    upgrade.

    Raises:
        DaemonRunningError: there is one already.
        UsageError: a setting, or ``listen``, means nothing.
        InfrastructureError: the store cannot be opened, or no engine answers.
    """
    with _signals() as arrived, ExitStack() as stack:
        house = House(stack, settings, daemon, place)
        app = make_app(house.service, access=_access(daemon, listen), followers=daemon.followers)
        server = Server(app, daemon.socket, listen)
        stack.callback(server.stop)
        house.begin()
        server.start()
        over_tcp = "" if server.address is None else f" and {':'.join(map(str, server.address))}"
        _say(f"listening on {daemon.socket}{over_tcp}")
        house.until_ended(arrived)
        server.stop()
        house.stock.close()
        if house.dispatcher.driven():
            # Another daemon may begin as soon as the lock is free: by then nothing of this process may go on.
            os._exit(ExitCode.SUCCESS)
    return ExitCode.SUCCESS


class House:
    """The parts of a daemon, put together; ``stack`` takes them apart."""

    def __init__(self, stack: ExitStack, settings: Settings, daemon: DaemonSettings, place: Place) -> None:
        instance = stack.enter_context(instances.daemon(daemon.data))
        database = Database.open(daemon.database or sqlite_url(daemon.data / "runner.db"), _say)
        stack.callback(database.close)
        folders = daemon.data / "runs"
        if database.claim(instance.id) and folders.exists():
            _say(f"{database.name} knows nothing of the runs in {folders}: they are in {_aside(folders)} now")
        vault = Vault.open(daemon.key or daemon.data / "secret.key", database)
        engine, backend = place(settings, instance)
        self._stack = stack
        self._drain = daemon.drain
        self._grace = settings.grace
        self.means = Means(
            database=database,
            vault=vault,
            backend=backend,
            trees=Trees.of(daemon.mirrors, settings.git),
            folders=folders,
            grace=settings.grace,
            prestart=settings.prestart,
            keep_failed=daemon.keep_failed,
            clock=SystemClock(),
        )
        keeping = Keeping(self.means.runs)
        self.housekeeping = Housekeeping(self.means, daemon, engine, instance, keeping)
        registered = Registered(Pipelines(database, vault), settings.git, daemon.queues)
        grants = Grants.read(settings.privileged_images, settings.volumes)
        self.stock = Stock(backend, daemon.spare_sandboxes)
        submitting = Submitting(self.means, registered, daemon, grants, keeping, stock=self.stock)
        hooks = Hooks(StoredHooks(database, vault))
        children = Children(self.means, hooks, submitting, self._started)
        self.agent = LocalAgent(self.means, children.of)
        self.dispatcher = LocalDispatcher(
            self.means.runs, self.agent, daemon.queues, open_=lambda: not self.housekeeping.problems()
        )
        self.service = Service(
            means=self.means,
            agent=self.agent,
            dispatcher=self.dispatcher,
            submitting=submitting,
            hooks=hooks,
            children=children,
            registered=registered,
            looking=Looking(self.means, keeping),
            problems=self.housekeeping.problems,
        )

    def _started(self, run: str) -> None:
        """Have a run driven that a driver has stored: by then there is a dispatcher."""
        self.dispatcher.submit(run)

    def begin(self) -> None:
        """Take up what an earlier life has begun, remove what it has left, and begin what waits."""
        runs = self.means.runs
        for run in (*(each.id for each in runs.begun()), *runs.paused(), *(each.id for each in runs.kept())):
            self.agent.reclaim(run)
        self.housekeeping.tidy()
        self.dispatcher.serve()
        self.housekeeping.begin()
        self.stock.fill()
        self._stack.callback(self.stock.close)
        self._stack.callback(self.housekeeping.close)
        self._stack.callback(self.dispatcher.close)

    def until_ended(self, arrived: "queue.SimpleQueue[int]") -> None:
        """Return when a signal has asked for the end, and what goes on has ended or is to be left as it is."""
        if _first(arrived) == _LEAVE:
            return
        self.service.draining = True
        self.dispatcher.drain()
        going = len(self.dispatcher.driven())
        _say(
            f"ending; {going} runs go on and have {self._drain:g} s, a second signal cancels them"
            if going
            else "ending"
        )
        if self._over(self._drain, arrived):
            return
        for run in self.dispatcher.driven():
            try:
                self.service.cancel(run, force=False)
            except ConflictError:
                pass  # it has ended by itself at this moment
            except RunnerError as error:
                diagnostics.warn("a run cannot be cancelled", run=run, error=error.explained)
        if not self._over(self._grace + _LAST_SECONDS, arrived):
            _say("what still runs is left to the next daemon of this directory")

    def _over(self, seconds: float, arrived: "queue.SimpleQueue[int]") -> bool:
        """Wait until no run goes on, the time is over, or a signal comes; return whether that is the end."""
        deadline = Deadline(seconds)
        while not deadline.passed and arrived.empty():
            if self.dispatcher.settled(0.2):
                return True
        left = not arrived.empty() and arrived.get() == _LEAVE
        return left or not self.dispatcher.driven()


def _first(arrived: "queue.SimpleQueue[int]") -> int:
    """Wait for a signal. One that comes when Python is just about to wait does not wake it, so it looks each second."""
    while True:
        with suppress(queue.Empty):
            return arrived.get(timeout=_LOOK_SECONDS)


def _aside(folder: Path) -> Path:
    """Move a folder out of the way; return where it is."""
    return folder.rename(folder.with_name(f"{folder.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"))


def _access(daemon: DaemonSettings, listen: str | None) -> Access:
    return Access() if listen is None else Access.over_tcp(token_in(daemon.token), listen, daemon.hosts)


@contextmanager
def _signals() -> Iterator["queue.SimpleQueue[int]"]:
    """Have signals in a queue until the end of the block."""
    arrived: queue.SimpleQueue[int] = queue.SimpleQueue()
    before = {number: signal.signal(number, lambda found, _: arrived.put(found)) for number in (*_END, _LEAVE)}
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    sys.stderr.write(f"runner: {text}\n")
    sys.stderr.flush()
