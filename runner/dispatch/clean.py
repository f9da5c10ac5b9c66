"""Removes what dead processes of ``exec`` or a daemon have left on the engine; on request what lives between runs."""

from collections.abc import Callable
from dataclasses import field
from pathlib import Path

from runner.backends.docker.client import Engine
from runner.backends.docker.sweep import Remnant, Sweep
from runner.naming import Instance
from runner.records import record
from runner.store import instances

_TRIES_OF_A_RUN = 3


@record
class Cleaned:
    """What was removed, and what could not be."""

    removed: tuple[Remnant, ...]
    left: tuple[Remnant, ...]


def clean(engine: Engine, instance: Instance, *, kept: bool, lasting: bool = False) -> Cleaned:
    """Remove what dead instances like this one (same kind, host and user) left behind.

    Only with ``kept`` also the volumes that a run was told to keep; its containers and networks go in any case. Only
    with ``lasting`` also the caches, the commands of steps and the common network of such instances, dead or not, if
    no container uses them.

    Raises:
        InfrastructureError: the engine does not answer, or refuses.
    """
    sweep = Sweep(engine)
    found = sweep.of_process_like(instance)
    dead = {lock for lock in {remnant.lock for remnant in found} if instances.dead(lock)}
    spared = set() if kept else {lock for lock in dead if instances.keeps(lock)}
    wanted = tuple(r for r in found if r.lock in dead and not (r.lock in spared and r.kind == "volume"))
    # A run does not wait long for what a dead one left: the next one, or `clean`, tries again.
    left = sweep.remove(wanted) if kept else sweep.remove(wanted, tries=_TRIES_OF_A_RUN)
    for lock in dead - spared - {remnant.lock for remnant in left}:
        instances.forget(lock)
    if lasting:
        found = sweep.lasting(instance)  # only now, as what is removed has used some of them
        wanted, left = (*wanted, *found), (*left, *sweep.remove(found, tries=1))
    return Cleaned(removed=tuple(remnant for remnant in wanted if remnant not in left), left=left)


@record
class Standing:
    """What a daemon has on its engine on purpose: runs that go on, and those whose volumes are kept.

    These are over, or paused.
    """

    live: frozenset[str] = field(default_factory=frozenset)
    kept: frozenset[str] = field(default_factory=frozenset)


def sweep_daemon(engine: Engine, instance: str, standing: Callable[[], Standing]) -> Cleaned:
    """Remove what the daemon with this id has made, and no run of it needs any more.

    ``standing`` is asked when everything has been listed: an object of a run is not made before the run is written
    down, so nothing of a run that begins meanwhile is taken for something left.

    Raises:
        InfrastructureError: the engine does not answer, or refuses.
    """
    sweep = Sweep(engine)
    found = sweep.of_instance(instance)
    now = standing()
    wanted = tuple(r for r in found if r.run not in now.live and not (r.run in now.kept and r.kind == "volume"))
    left = sweep.remove(wanted, tries=_TRIES_OF_A_RUN)
    return Cleaned(removed=tuple(remnant for remnant in wanted if remnant not in left), left=left)


def clean_daemon(engine: Engine, data: Path, *, lasting: bool = False) -> Cleaned:
    """Remove all that the daemon of a data directory has on the engine, kept runs too; no daemon may live there.

    Only with ``lasting`` also the caches, the commands of steps and the common network of this user's daemons, if no
    container uses them.

    Raises:
        DaemonRunningError: a daemon works in this directory.
        InfrastructureError: no daemon ever has, or the engine does not answer, or refuses.
    """
    with instances.daemon(data, make=False) as daemon:
        sweep = Sweep(engine)
        wanted = sweep.of_instance(daemon.id)
        left = sweep.remove(wanted)
        if lasting:
            found = sweep.lasting(daemon)
            wanted, left = (*wanted, *found), (*left, *sweep.remove(found, tries=1))
    return Cleaned(removed=tuple(remnant for remnant in wanted if remnant not in left), left=left)
