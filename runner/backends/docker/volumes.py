"""Volumes of the engine: made once, found again by label, removed in an order that Docker does not guard."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import field
from typing import Any

from docker.types import DriverConfig, Mount

from runner import naming
from runner.backends.docker.client import CONFLICT, GONE, Engine, tolerating, translated
from runner.errors import EngineRefusedError, InfrastructureError, WorkspaceError
from runner.naming import Address, Instance
from runner.records import record
from runner.workspace.layers import lowers_of

ROLE = "workspace"

_OVERLAY = "overlay"
_UNMOUNTABLE = {"type": "none", "o": "bind", "device": "/a-volume-that-was-removed-from-outside"}
_REMOVE_SECONDS = 10.0
_PAUSE_SECONDS = 0.1


@record
class Volume:
    """A volume; ``path`` is its directory on the engine's machine, never to be touched from here.

    ``options`` is the option string of an overlay, empty for a plain volume. ``labels`` say whose it is.
    """

    name: str
    path: str
    options: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)

    def mount(self, target: str, *, read_only: bool = False) -> Mount:
        """Mount it, without the engine's habits of filling an empty volume from the image, and of making a missing one.

        It makes one with these options all the same, and cannot mount that.
        """
        return Mount(
            target,
            self.name,
            type="volume",
            no_copy=True,
            read_only=read_only,
            labels=dict(self.labels),
            driver_config=DriverConfig("local", _UNMOUNTABLE),
        )


class Volumes:
    """The volumes of an instance's runs."""

    def __init__(self, engine: Engine, instance: Instance) -> None:
        self._engine = engine
        self._instance = instance

    def plain(self, name: str, owner: Address) -> Volume:
        """Return the volume of that name, made if it is not there."""
        return self._create(name, owner, "", {})

    def overlay(self, name: str, owner: Address, options: str) -> Volume:
        """Return the overlay of that name, made if it is not there.

        Raises:
            WorkspaceError: a volume of that name exists with other options; the engine would silently take that one.
        """
        return self._create(name, owner, options, {"type": _OVERLAY, "device": _OVERLAY, "o": options})

    def filled(self, name: str, owner: Address, fill: Callable[[Volume], None]) -> Volume:
        """Return the plain volume of that name, filled once: half a copy of a process that died is thrown away.

        A second, empty volume, made last, says that the first is whole.
        """
        if known := self.whole(name, owner.run):
            return known
        self.remove(name)
        volume = self.plain(name, owner)
        fill(volume)
        self.plain(whole(name), owner)
        return volume

    def whole(self, name: str, run: str) -> Volume | None:
        """Return the volume of that name if it is there and ``filled``."""
        known = self.of_run(run)
        return known.get(name) if whole(name) in known else None

    def of_run(self, run: str) -> dict[str, Volume]:
        """Return the run's volumes by name."""
        with translated(f"listing the volumes of run {run}"):
            return {volume.name: volume for volume in _listed(self._engine, {naming.LABEL_RUN: run})}

    def among(self, run: str, layers: Iterable[Address]) -> dict[str, Volume]:
        """Return by name the volumes of a run, and of other runs whose layers are among these."""
        found: dict[str, Volume] = {}
        for each in sorted({run, *(layer.run for layer in layers)}):
            found.update(self.of_run(each))
        return found

    def remove(self, name: str) -> None:
        """Remove one volume; one that is gone is fine."""
        with tolerating(GONE), translated(f"removing volume {name}"):
            self._engine.api.remove_volume(name)

    def _create(self, name: str, owner: Address, options: str, driver_options: Mapping[str, str]) -> Volume:
        with translated(f"creating volume {name}"):
            labels = naming.labels(self._instance, owner, ROLE)
            api = self._engine.api
            raw = api.create_volume(name, driver="local", driver_opts=dict(driver_options), labels=labels)
            if not raw.get("Labels"):  # an engine that was started anew answers so of what is there
                raw = api.inspect_volume(name)
        made = _volume(raw)
        if made.options != options or made.labels.get(naming.LABEL_STAGE, "") != owner.stage:
            raise WorkspaceError(f"volume {name} exists already and is not what {owner} needs")
        return made


def whole(name: str) -> str:
    """Return the name of the volume that says of another that it is completely filled."""
    return name + "d"


def remove_volumes(engine: Engine, labels: Mapping[str, str], *, seconds: float = _REMOVE_SECONDS) -> None:
    """Remove all volumes that carry these labels, as ``remove_found``."""
    remove_found(engine, labelled(engine, labels), seconds=seconds)


def labelled(engine: Engine, labels: Mapping[str, str]) -> tuple[Volume, ...]:
    """Return all volumes that carry these labels."""
    with translated("listing volumes"):
        return tuple(_listed(engine, labels))


def remove_found(engine: Engine, found: Collection[Volume], *, seconds: float = _REMOVE_SECONDS) -> None:
    """Remove volumes; the containers that mount them must be on their way out.

    Overlays go first: Docker removes the parts of a mounted overlay without a word. So if one of them stays, all do.

    Raises:
        InfrastructureError: some are still in use after ``seconds``, or the engine refused; the message names them.
    """
    deadline = time.monotonic() + seconds
    overlays = tuple(volume for volume in found if lowers_of(volume.options))
    for part in (overlays, tuple(volume for volume in found if volume not in overlays)):
        left = _remove_all(engine, [volume.name for volume in part], deadline)
        if left:
            details = "; ".join(left.values())
            raise InfrastructureError(f"volumes are left behind: {', '.join(left)} ({details})")


def _remove_all(engine: Engine, names: Iterable[str], deadline: float) -> dict[str, str]:
    """Return what is left, with the engine's reasons."""
    while True:
        left = {}
        for name in names:
            try:
                with tolerating(GONE), translated(f"removing volume {name}"):
                    engine.api.remove_volume(name)
            except EngineRefusedError as error:
                left[name] = error.message
                if error.status != CONFLICT:
                    deadline = 0.0
        if not left or time.monotonic() > deadline:
            return left
        names = tuple(left)
        time.sleep(_PAUSE_SECONDS)


def _listed(engine: Engine, labels: Mapping[str, str]) -> Iterable[Volume]:
    wanted = [f"{key}={value}" for key, value in labels.items()]
    return [_volume(raw) for raw in engine.api.volumes(filters={"label": wanted})["Volumes"] or ()]


def _volume(raw: Mapping[str, Any]) -> Volume:
    return Volume(
        name=raw["Name"],
        path=raw["Mountpoint"],
        options=(raw["Options"] or {}).get("o", ""),
        labels=raw.get("Labels") or {},
    )
