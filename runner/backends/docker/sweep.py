"""What dead processes left on the engine: found by label, and removed only when its owner is surely gone."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, compress
from typing import Any

from runner.backends.docker.client import GONE, Engine, accepted, endpoint, tolerating, translated
from runner.errors import EngineRefusedError, EngineTimeoutError
from runner.naming import (
    COMMON,
    LABEL_CACHE,
    LABEL_HOST,
    LABEL_INSTANCE,
    LABEL_KIND,
    LABEL_LOCK,
    LABEL_OWNER,
    LABEL_ROLE,
    LABEL_RUN,
    LABEL_SHIM,
    LASTING,
    Instance,
)

_SIZING_SECONDS = 600
_THREADS = 4
_TRIES = 8
_PAUSE_SECONDS = 0.25
_UNUSED = {"dangling": ["true"]}


@dataclass(frozen=True, order=True, kw_only=True)
class Remnant:
    """An object on the engine that carries our labels.

    ``kind`` is "container", "network" or "volume"; ``lock`` the file that its owner holds a lock on while it lives.
    What lives between runs has neither run nor lock: of a cache ``cache`` says what it is for, of the commands of steps
    ``shim`` which version they are.
    """

    kind: str
    name: str
    run: str
    lock: str
    overlay: bool = False
    cache: str = ""
    shim: str = ""

    @property
    def rank(self) -> int:
        """The turn in which it is removed: nothing goes before what stands on it, which Docker does not guard."""
        return ("container", "network", "volume").index(self.kind) + (self.kind == "volume" and not self.overlay)


class Sweep:
    """Finds and removes objects by label; needs no knowledge of what they were for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def containers_of(self, run: str) -> tuple[Remnant, ...]:
        """Return the containers of one run."""
        return self._containers({LABEL_RUN: run})

    def of_process_like(self, instance: Instance) -> tuple[Remnant, ...]:
        """Return all objects made by instances of the same kind, host and owner; nobody else's."""
        return self._find(_whose(instance))

    def of_instance(self, instance: str) -> tuple[Remnant, ...]:
        """Return all objects of the instance with this id: what lives between runs is nobody's."""
        return self._find({LABEL_INSTANCE: instance})

    def volumes_of(self, instance: str) -> dict[str, int]:
        """Return how many bytes the volumes of an instance take, by run.

        The engine looks at every file of every volume of its machine, which may take minutes.

        Raises:
            InfrastructureError: the engine does not answer, or refuses.
        """
        api = self._engine.new_client(_SIZING_SECONDS)
        try:
            with translated("asking for the sizes of volumes"):
                answer = accepted(api.get(endpoint(api, "/system/df"), params={"type": "volume"}))
                found: list[dict[str, Any]] = answer.json()["Volumes"] or []
        finally:
            api.close()
        sizes: dict[str, int] = {}
        for raw in found:
            labels = raw.get("Labels") or {}
            # One that is mounted from elsewhere shows what others hold, or memory.
            if labels.get(LABEL_INSTANCE) == instance and not raw.get("Options"):
                run = labels.get(LABEL_RUN, "")
                sizes[run] = sizes.get(run, 0) + max(0, raw["UsageData"]["Size"])
        return sizes

    def lasting(self, instance: Instance) -> tuple[Remnant, ...]:
        """Return what lives between runs of such instances, and no container uses, be it one that does not run."""
        whose = _whose(instance)
        networks = self._networks({**whose, LABEL_ROLE: COMMON}, unused=True)
        volumes = (self._volumes({**whose, LABEL_ROLE: role}, unused=True) for role in LASTING)
        return (*networks, *chain.from_iterable(volumes))

    def remove(self, remnants: tuple[Remnant, ...], *, tries: int = _TRIES) -> tuple[Remnant, ...]:
        """Remove objects, those that others stand on last; return what could not be removed.

        What is still in use is tried again, since the engine takes a moment to let go.

        Raises:
            EngineUnavailableError: no engine answers.
        """
        left = remnants
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="sweep") as threads:
            for turn in range(tries):
                for rank in sorted({remnant.rank for remnant in left}):
                    now = [remnant for remnant in left if remnant.rank == rank]
                    gone = set(compress(now, threads.map(self._remove, now)))
                    left = tuple(remnant for remnant in left if remnant not in gone)
                    if len(gone) < len(now):
                        break
                if not left or turn + 1 == tries:
                    break
                time.sleep(_PAUSE_SECONDS * (turn + 1))
        return left

    def _remove(self, remnant: Remnant) -> bool:
        api = self._engine.api  # of this thread
        try:
            with tolerating(GONE), translated(f"removing {remnant.kind} {remnant.name}"):
                match remnant.kind:
                    case "container":
                        api.remove_container(remnant.name, force=True, v=True)
                    case "network":
                        api.remove_network(remnant.name)
                    case _:
                        api.remove_volume(remnant.name)
        except (EngineRefusedError, EngineTimeoutError):
            return False  # in use, on its way out, or stuck: what is left is told
        return True

    def _find(self, labels: Mapping[str, str]) -> tuple[Remnant, ...]:
        return (*self._containers(labels), *self._networks(labels), *self._volumes(labels))

    def _containers(self, labels: Mapping[str, str]) -> tuple[Remnant, ...]:
        with translated("listing what is ours"):
            containers: list[dict[str, Any]] = self._engine.api.containers(all=True, filters=_labelled(labels))
        return tuple(_remnant("container", raw["Id"], raw) for raw in containers)

    def _networks(self, labels: Mapping[str, str], *, unused: bool = False) -> tuple[Remnant, ...]:
        filters = {**_labelled(labels), **(_UNUSED if unused else {})}
        with translated("listing what is ours"):
            networks: list[dict[str, Any]] = self._engine.api.networks(filters=filters)
        return tuple(_remnant("network", raw["Name"], raw) for raw in networks)

    def _volumes(self, labels: Mapping[str, str], *, unused: bool = False) -> tuple[Remnant, ...]:
        filters = {**_labelled(labels), **(_UNUSED if unused else {})}
        with translated("listing what is ours"):
            volumes: list[dict[str, Any]] = self._engine.api.volumes(filters=filters).get("Volumes") or []
        return tuple(_remnant("volume", raw["Name"], raw) for raw in volumes)


def _whose(instance: Instance) -> dict[str, str]:
    return {LABEL_KIND: instance.kind, LABEL_HOST: instance.host, LABEL_OWNER: instance.owner}


def _labelled(labels: Mapping[str, str]) -> dict[str, list[str]]:
    return {"label": [f"{name}={value}" for name, value in labels.items()]}


def _remnant(kind: str, name: str, raw: Mapping[str, Any]) -> Remnant:
    labels = raw.get("Labels") or {}
    return Remnant(
        kind=kind,
        name=name,
        run=labels.get(LABEL_RUN, ""),
        lock=labels.get(LABEL_LOCK, ""),
        overlay=(raw.get("Options") or {}).get("type") == "overlay",
        cache=labels.get(LABEL_CACHE, ""),
        shim=labels.get(LABEL_SHIM, ""),
    )
