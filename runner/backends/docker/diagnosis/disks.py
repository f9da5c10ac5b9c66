"""What there is of room, and what of the engine's could be freed."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.backends.docker.client import Engine, translated
from runner.backends.docker.diagnosis.check import Check, amount, bad, note, ok
from runner.backends.docker.diagnosis.facts import understood
from runner.errors import InfrastructureError

_BYTES_NEEDED, _BYTES_WISHED = 256 * 1024**2, 2 * 1024**3
_FILES_NEEDED, _FILES_WISHED = 1_000, 50_000
_SECONDS = 1

_ADVICE = "`docker system df -v` shows what takes room"

# How the answer names what has the size of each kind: since API 1.52, and before.
_KINDS = {"images": "Image", "volumes": "Volume", "build cache": "BuildCache"}


def room(name: str, path: Path, advice: str) -> Check:
    """Look at the free space, and the free inodes, of the file system of a directory, which need not be there yet."""
    place = next((each for each in (path, *path.parents) if os.path.lexists(each)), Path("/"))
    try:
        found = os.statvfs(place)
    except OSError as error:
        return bad(name, f"{place}: {error.strerror}", advice)
    free = found.f_bavail * found.f_frsize
    files = found.f_favail if found.f_files else None  # btrfs counts none: it makes them as they are needed
    text = f"{amount(free)} free at {place}" + ("" if files is None else f", {files:,} inodes")
    if free < _BYTES_NEEDED or (files is not None and files < _FILES_NEEDED):
        return bad(name, text, advice)
    if free < _BYTES_WISHED or (files is not None and files < _FILES_WISHED):
        return note(name, text, advice)
    return ok(name, text)


def engine_room(root: str, *, near: bool) -> Check:
    """Look at the disk of the engine, where it is one of this machine."""
    if not near or not Path(root).is_dir():
        return ok("engine's disk", f"{root or 'its place'} is not on this machine, so not looked at")
    return room("engine's disk", Path(root), f"images, layers and workspaces need room: {_ADVICE}")


def reclaimable(engine: Engine) -> Check:
    """Say what of the engine's could be freed, if it says so within a second: it may have to count all files."""
    name = "reclaimable"
    try:
        with translated("asking for the disk usage"):
            client = engine.new_client(_SECONDS)
            try:
                usage: Any = client.df()
            finally:
                client.close()
        with understood("its disk usage"):
            sizes = {kind: _free(usage, kind) for kind in _KINDS}
    except InfrastructureError as error:
        return ok(name, f"not known: {error.message}")
    parts = [f"{kind} {amount(size)}" for kind, size in sizes.items() if size]
    return ok(name, f"{', '.join(parts)} in no use; {_ADVICE}" if parts else "nothing: all there is, is in use")


def _free(usage: Mapping[str, Any], kind: str) -> int:
    """Return the bytes that are in no use, as ``docker system df`` counts them."""
    told = usage.get(f"{_KINDS[kind]}Usage")
    if told is not None:
        return int(told.get("Reclaimable") or 0)
    match kind:
        case "images":
            used = (each for each in _rows(usage, "Images") if each["Containers"] > 0)
            own = (int(each["Size"]) - max(int(each["SharedSize"]), 0) for each in used)
            return int(usage.get("LayersSize") or 0) - sum(own)
        case "volumes":
            found = (each.get("UsageData") or {} for each in _rows(usage, "Volumes"))
            return sum(max(int(each["Size"]), 0) for each in found if each and each["RefCount"] == 0)
        case _:
            return sum(int(row["Size"]) for row in _rows(usage, "BuildCache") if not row["InUse"] and not row["Shared"])


def _rows(usage: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    rows: Sequence[Mapping[str, Any]] = usage.get(name) or ()
    return rows
