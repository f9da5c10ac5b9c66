"""What dead processes left on the engine: found by label, and removed only when its owner is surely gone."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runner.backends.docker.client import CONFLICT, GONE, Engine, tolerating, translated
from runner.errors import EngineRefusedError
from runner.naming import LABEL_HOST, LABEL_KIND, LABEL_LOCK, LABEL_OWNER, LABEL_RUN, Instance

_TRIES = 8
_PAUSE_SECONDS = 0.25


@dataclass(frozen=True, order=True, kw_only=True)
class Remnant:
    """An object on the engine that carries our labels.

    ``kind`` is "container", "network" or "volume"; ``lock`` the file that its owner holds a lock on while it lives.
    """

    kind: str
    name: str
    run: str
    lock: str


class Sweep:
    """Finds and removes objects by label; needs no knowledge of what they were for."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of_run(self, run: str) -> tuple[Remnant, ...]:
        """Return all objects of one run, containers first, then networks, then volumes."""
        return self._find({LABEL_RUN: run})

    def of_process_like(self, instance: Instance) -> tuple[Remnant, ...]:
        """Return all objects made by instances of the same kind, host and owner; nobody else's."""
        return self._find({LABEL_KIND: instance.kind, LABEL_HOST: instance.host, LABEL_OWNER: instance.owner})

    def remove(self, remnants: tuple[Remnant, ...]) -> tuple[Remnant, ...]:
        """Remove objects, those that others stand on last; return what could not be removed.

        Volumes are tried in turns: an overlay does not guard the volumes below it, but it is itself guarded by the
        containers that mount it, and the engine takes a moment to let go.
        """
        remove: Mapping[str, Callable[[str], Any]] = {
            "container": lambda name: self._engine.api.remove_container(name, force=True, v=True),
            "network": self._engine.api.remove_network,
            "volume": self._engine.api.remove_volume,
        }
        left = remnants
        for turn in range(_TRIES):
            left = tuple(remnant for remnant in left if not _removed(remnant, remove[remnant.kind]))
            if not left:
                break
            time.sleep(_PAUSE_SECONDS * (turn + 1))
        return left

    def _find(self, labels: Mapping[str, str]) -> tuple[Remnant, ...]:
        filters = {"label": [f"{name}={value}" for name, value in labels.items()]}
        api = self._engine.api
        with translated("listing what is ours"):
            containers: list[dict[str, Any]] = api.containers(all=True, filters=filters)
            networks: list[dict[str, Any]] = api.networks(filters=filters)
            volumes: list[dict[str, Any]] = api.volumes(filters=filters).get("Volumes") or []
        # Overlays go before the volumes that they are made of.
        volumes.sort(key=lambda volume: 0 if (volume.get("Options") or {}).get("type") == "overlay" else 1)
        return (
            *(_remnant("container", raw["Id"], raw) for raw in containers),
            *(_remnant("network", raw["Name"], raw) for raw in networks),
            *(_remnant("volume", raw["Name"], raw) for raw in volumes),
        )


def _remnant(kind: str, name: str, raw: Mapping[str, Any]) -> Remnant:
    labels = raw.get("Labels") or {}
    return Remnant(kind=kind, name=name, run=labels.get(LABEL_RUN, ""), lock=labels.get(LABEL_LOCK, ""))


def _removed(remnant: Remnant, remove: Callable[[str], Any]) -> bool:
    try:
        with tolerating(GONE), translated(f"removing {remnant.kind} {remnant.name}"):
            remove(remnant.name)
    except EngineRefusedError as error:
        if error.status in (CONFLICT, 403, 500):
            return False  # in use, or its removal is under way
        raise
    return True
