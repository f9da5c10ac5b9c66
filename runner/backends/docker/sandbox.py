"""Sandboxes: small idle containers that own a network namespace, handed from stage to stage of a run.

A step that joins one costs 0.4 of a container with a network of its own. The first of a run may be made before anything
is known of the run but its id: a spare one. When a sandbox dies its steps run on without a network and nothing tells
them, so whoever holds one is told. It is never restarted: that would make a new namespace.
When it dies with its engine, so do its steps: then nobody is told, and whoever needs one takes another.
"""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from runner.backends.docker.boxes import Boxes, Sandbox
from runner.backends.docker.client import GONE, Engine, translated
from runner.backends.docker.headstart import HeadStart
from runner.backends.docker.inspection import remove
from runner.backends.docker.network import Networks
from runner.engine.job import Task
from runner.engine.specs import RunSpec
from runner.errors import EngineRefusedError, InfrastructureError
from runner.naming import Address, Instance
from runner.settings import DockerSettings

_AT_ONCE = os.cpu_count() or 1
_PATIENCE_SECONDS = 0.5
_LEAVING_SECONDS = 0.5
"""How long a sandbox has to end by itself: it takes 50 ms."""


@dataclass
class _Pool:
    """The sandboxes of one run. ``maker`` makes them one after the other, as long as more are waited for than idle.

    ``kept`` are those in which steps of a stage stand that an earlier process has begun; ``begun`` says that there was
    such a process. Those that are ``unplugged`` have no network any more, but answer.
    """

    run: RunSpec
    live: dict[str, Sandbox] = field(default_factory=dict)
    dead: list[Sandbox] = field(default_factory=list)
    numbers: set[int] = field(default_factory=set)
    idle: list[Sandbox] = field(default_factory=list)
    kept: dict[Address, Sandbox] = field(default_factory=dict)
    unplugged: set[str] = field(default_factory=set)
    begun: bool = False
    waiting: int = 0
    maker: Task | None = None
    trouble: Exception | None = None


class Sandboxes:
    """Makes sandboxes and hands them out. ``died`` is to be called with every container of ours that dies."""

    def __init__(self, engine: Engine, settings: DockerSettings, instance: Instance, networks: Networks) -> None:
        self._engine = engine
        self._networks = networks
        self._boxes = Boxes(engine, settings, instance)
        self._pools: dict[str, _Pool] = {}
        self._spares: dict[str, Sandbox] = {}
        self._holders: dict[str, Callable[[str], None]] = {}
        self._leaving: dict[str, threading.Event] = {}
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)

    def reserve(self, run: str, head: HeadStart | None = None) -> None:
        """Begin to make a spare sandbox, for a run of this id that was never opened; or take what has a head start.

        Raises:
            InfrastructureError: it cannot be made.
        """
        spare = self._boxes.begun(head) if head else None
        if spare is None and (network := self._networks.common()) is not None:
            spare = self._boxes.make(run, 1, network)
        if spare is not None:
            with self._lock:
                self._spares[run] = spare

    def warm(self, run: RunSpec) -> None:
        """Begin to make the first sandbox of a run before anybody asks for it, unless an earlier process has left some.

        Raises:
            InfrastructureError: it cannot be made.
        """
        with self._lock:
            if run.id in self._pools:
                return
            spare = self._spares.pop(run.id, None)
        if spare is not None and not run.named and not spare.failed and spare.answers.usable:
            self._warm_with(spare, run)
            return
        if spare is not None:
            self._drop(spare)
        left = self._boxes.left(run)
        plugged = [sandbox for sandbox in left.sandboxes if sandbox.network]
        idle = [sandbox for sandbox in plugged if sandbox not in left.joined.values()]
        pool = _Pool(
            run=run,
            live={sandbox.id: sandbox for sandbox in left.sandboxes},
            numbers=set(left.numbers),
            idle=idle,
            kept=dict(left.joined),
            unplugged={sandbox.id for sandbox in left.sandboxes if not sandbox.network},
            begun=run.begun or bool(left.numbers),
        )
        with self._lock:
            self._pools[run.id] = pool
        if not left.sandboxes:
            try:
                self._make(pool)
            except BaseException:
                self.forget(run.id)
                raise

    def _warm_with(self, spare: Sandbox, run: RunSpec) -> None:
        pool = _Pool(run=run, numbers={1}, begun=run.begun)
        self._networks.joined(run)
        with self._lock:
            self._pools[run.id] = pool
        self._hold(pool, spare)

    def _drop(self, spare: Sandbox) -> None:
        """Remove a spare sandbox that does not fit its run."""
        spare.close()
        remove(self._engine, spare.id)

    def take(self, stage: Address, lost: Callable[[str], None]) -> Sandbox:
        """Return an idle sandbox of an open run; ``lost(reason)`` is called if it dies before ``give``.

        A stage in one of whose sandboxes steps stand already gets that one. The first of a run may not be ``ready``.

        If there is none, whatever comes first: one that is given back, or one that is made. Up to as many as there
        are cores are made as soon as somebody waits, one after the other; more would not make short stages faster, so
        from then on a stage waits a moment before it has one made.

        Raises:
            InfrastructureError: it cannot be made.
        """
        with self._news:
            pool = self._pools.get(stage.run)
            if pool is None:
                raise InfrastructureError(f"{stage}: its run is not open")
            sandbox = pool.kept.pop(stage, None) or self._await(pool)
            self._holders[sandbox.id] = lost
        return sandbox

    def give(self, run: str, sandbox: Sandbox) -> None:
        """Give a sandbox back; one that has died meanwhile, or was unplugged, is not handed out again."""
        with self._news:
            pool = self._pools.get(run)
            held = self._holders.pop(sandbox.id, None) is not None
            if held and pool is not None and sandbox.id not in pool.unplugged:
                pool.idle.append(sandbox)
                self._news.notify()

    def begun(self, run: str) -> bool:
        """Say whether an earlier process has worked on an open run."""
        with self._lock:
            pool = self._pools.get(run)
            return pool is not None and pool.begun

    def lives(self, run: str, sandbox: Sandbox) -> bool:
        """Say whether steps can stand in a sandbox of a run: it has not died, as far as is known, and has a network."""
        with self._lock:
            pool = self._pools.get(run)
            return pool is not None and sandbox.id in pool.live.keys() - pool.unplugged

    def unplug(self, run: str, sandbox: Sandbox) -> None:
        """Take a sandbox off its network, and hand it out no more: 50 ms, by which its removal gets shorter."""
        with self._lock:
            if (pool := self._pools.get(run)) is None:
                return
            pool.unplugged.add(sandbox.id)
        with suppress(InfrastructureError):  # its removal does the same
            self._networks.leave(sandbox.network, sandbox.id)

    def live(self, run: str) -> tuple[Sandbox, ...]:
        """Return the sandboxes of a run that run, in use or not; wait for one that is being started."""
        with self._lock:
            pool = self._pools.get(run)
            found = tuple(pool.live.values()) if pool else ()
        return tuple(sandbox for sandbox in found if _runs(sandbox))

    def signalled(self, container: str) -> None:
        """Wait for what becomes of it."""

    def died(self, container: str, exit_code: int) -> None:
        """Take note that a container has died; tell who holds it if it is a sandbox in which steps run."""
        with self._lock:
            lost = self._holders.pop(container, None)
            if (left := self._leaving.pop(container, None)) is not None:
                left.set()
            for spare in self._spares.values():
                if spare.id == container:
                    spare.answers.cut()
            for pool in self._pools.values():
                pool.idle = [sandbox for sandbox in pool.idle if sandbox.id != container]
                pool.kept = {stage: sandbox for stage, sandbox in pool.kept.items() if sandbox.id != container}
                dead = pool.live.pop(container, None)
                if dead is not None:
                    pool.dead.append(dead)
                    dead.answers.cut()
        if lost is not None:
            reason = f"the sandbox of the stage died (exit code {exit_code}); its steps had no network any more"
            Task("look into a sandbox", lambda: self._tell(container, lambda: lost(reason)))

    def _tell(self, container: str, lost: Callable[[], None]) -> None:
        """Tell of the death of a sandbox, unless nothing runs in it: then it went with its engine, or hurts nobody."""
        try:
            self._engine.check_anew()
            running = self._boxes.joined_to(container)
        except InfrastructureError:
            return  # an engine that is going away ends all the others, too
        if running:
            lost()

    def resync(self) -> None:
        """Look after every sandbox, for its end may have been missed; does not block."""
        with self._lock:
            pooled = (container for pool in self._pools.values() for container in pool.live)
            all_live = (*pooled, *(spare.id for spare in self._spares.values()))

        def look() -> None:
            with suppress(InfrastructureError):  # it has gone again: this is called when it is back
                self.look_after(all_live)

        Task("look after sandboxes", look)

    def forget(self, run: str, *, end: bool = False) -> tuple[str, ...]:
        """Stop caring for the sandboxes of a run, and see to it that no more are made.

        Return the containers of those that live, which can be removed now. With ``end`` these end by themselves, and
        ``remove`` is to follow.
        """
        with self._lock:
            pool, spare = self._pools.pop(run, None), self._spares.pop(run, None)
            for container in pool.live if pool else ():
                self._holders.pop(container, None)
        if pool is not None and pool.maker is not None:
            pool.maker.wait()
        spares = (spare,) if spare else ()
        live = (*pool.live.values(), *spares) if pool else spares
        for sandbox in live if end else ():
            self._end(sandbox)
        for sandbox in (*live, *(pool.dead if pool else ())):
            sandbox.close()
        return tuple(sandbox.id for sandbox in live)

    def _end(self, sandbox: Sandbox) -> None:
        with self._lock:
            self._leaving[sandbox.id] = threading.Event()  # first, so that its end is heard of
        if not sandbox.leave():
            with self._lock:
                self._leaving.pop(sandbox.id, None)

    def remove(self, container: str) -> None:
        """Remove a sandbox that was to end, when it has; if that takes too long, it is killed.

        Raises:
            InfrastructureError: it cannot be removed.
        """
        with self._lock:
            left = self._leaving.get(container)
        if left is not None:
            left.wait(_LEAVING_SECONDS)
            with self._lock:
                self._leaving.pop(container, None)
        remove(self._engine, container)

    def close(self) -> None:
        """Let go of all sandboxes; they live on."""
        for run in (*self._pools, *self._spares):
            self.forget(run)

    def _await(self, pool: _Pool) -> Sandbox:
        """Return an idle sandbox as soon as there is one; the lock is held."""
        if len(pool.live) + pool.waiting >= _AT_ONCE:
            self._news.wait_for(lambda: len(pool.idle) > pool.waiting, _PATIENCE_SECONDS)  # the others have ordered
        pool.waiting += 1
        try:
            while not pool.idle:
                pool.maker = pool.maker or Task("make sandboxes", lambda: self._supply(pool))
                self._news.wait()
                if pool.trouble is not None:
                    trouble, pool.trouble = pool.trouble, None
                    raise trouble
            return pool.idle.pop()
        finally:
            pool.waiting -= 1

    def _supply(self, pool: _Pool) -> None:
        trouble: Exception | None = None
        while True:
            with self._news:
                if trouble is not None or len(pool.idle) >= pool.waiting:
                    pool.trouble, pool.maker = trouble, None
                    self._news.notify_all()
                    return
            try:
                self._make(pool)
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
                trouble = error

    def look_after(self, containers: tuple[str, ...]) -> None:
        """Ask the engine whether sandboxes have died.

        Raises:
            InfrastructureError: it does not answer.
        """
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

    def _make(self, pool: _Pool) -> None:
        with self._lock:
            number = next(number for number in count(1) if number not in pool.numbers)
            pool.numbers.add(number)
        self._hold(pool, self._boxes.make(pool.run.id, number, self._networks.open(pool.run)))

    def _hold(self, pool: _Pool, made: Sandbox) -> None:
        """Have a sandbox in stock that is being made, until it fails or dies."""
        with self._lock:
            pool.live[made.id] = made  # first, so that a failure is heard of
        sandbox = self._boxes.fill(pool.run, made, lambda: self.died(made.id, 0))
        with self._news:
            if made.id in pool.live:
                pool.live[made.id] = sandbox
                pool.idle.append(sandbox)
            self._news.notify()


def _runs(sandbox: Sandbox) -> bool:
    """Wait until a sandbox runs; say whether it has come to that."""
    try:
        sandbox.ready()
    except InfrastructureError:
        return False
    return True
