"""The source of a run: the user's tree as a directory that the engine can layer."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from docker.types import Mount

from runner import naming
from runner.backends.docker.helper import Helpers
from runner.backends.docker.listing import FROM, TO, copy
from runner.backends.docker.memory import Memory
from runner.backends.docker.volumes import Volume, Volumes
from runner.engine.specs import RunSpec, Source, SourceMode
from runner.errors import EngineRefusedError, WorkspaceError
from runner.naming import Address
from runner.records import record
from runner.workspace import pack

_MISSING = 400  # what the engine answers to a bind of a path that it does not have


@record
class Base:
    """A source that is ready: ``path`` is a directory of the engine's machine.

    ``volume`` holds it, unless it is the user's own directory. ``mode``, ``uid`` and ``gid`` are those of its root,
    ``device`` the file system of that directory, None where it is the engine's own.
    """

    path: str
    mode: int
    uid: int
    gid: int
    volume: Volume | None = None
    writable: bool = False
    device: int | None = None

    def mount(self, target: str) -> Mount:
        """Mount the tree; only with ``--bind`` may it be written."""
        if self.volume:
            return self.volume.mount(target, read_only=True)
        return Mount(target, self.path, type="bind", read_only=not self.writable)


def open_source(volumes: Volumes, helpers: Helpers, run: RunSpec, memory: Memory) -> Base | None:
    """Make the source of a run ready; None when it has none.

    Raises:
        WorkspaceError: it is no directory, or cannot be given to the engine.
    """
    return open_tree(volumes, helpers, run.address, run.source, what="s", memory=memory) if run.source else None


def open_tree(  # noqa: PLR0913 - where, whose, what, and how it is called
    volumes: Volumes, helpers: Helpers, run: Address, source: Source, *, what: str, memory: Memory
) -> Base:
    """Make a tree of a run ready; ``what`` names its volume, if it must be copied into one.

    Raises:
        WorkspaceError: it is no directory, or cannot be given to the engine.
    """
    try:
        path = source.path.resolve(strict=True)
        status = path.stat()
    except OSError as error:
        raise WorkspaceError(f"{source.path}: cannot be the source of a run: {error.strerror}") from error
    if not path.is_dir():
        raise WorkspaceError(f"{path}: cannot be the source of a run: it is no directory")
    visible = source.only is None and _visible(helpers, run.run, path, memory)
    base = Base(
        path=str(path),
        mode=status.st_mode & 0o7777,
        uid=status.st_uid,
        gid=status.st_gid,
        device=status.st_dev,
    )
    if source.mode is SourceMode.BIND:
        if not visible:
            raise WorkspaceError(
                f"{path}: the engine does not see this directory, so that it cannot be bound",
                hint="run without --bind: the directory is then sent to the engine",
            )
        return replace(base, writable=True)
    if source.mode is SourceMode.LAYER and visible:
        return base
    sent = pack.stream(path, source.only)
    fill = partial(_fill, helpers, run.run, base.mount(FROM) if visible else None, sent)
    volume = volumes.filled(naming.volume(run.run, what), run, fill)
    return replace(base, path=volume.path, volume=volume, device=None)


def _visible(helpers: Helpers, run: str, path: Path, memory: Memory) -> bool:
    """Say whether the engine has the very same directory: it may be remote, or live in a container itself."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False  # its API takes text
    status = path.stat()
    fact = memory.of_engine(f"sees directory {status.st_dev}:{status.st_ino} at {path}")
    if memory.knows(fact):
        return True
    modified = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=status.st_mtime_ns // 1000)
    try:
        with helpers.container(run, (Mount(FROM, str(path), type="bind", read_only=True),)) as container:
            found = helpers.stat(container, FROM)
    except EngineRefusedError as error:
        if error.status != _MISSING:
            raise
        return False
    if found is None or (found.mode, found.modified) != (status.st_mode & 0o777, modified):
        return False
    memory.learn(fact)
    return True


def _fill(helpers: Helpers, run: str, seen: Mount | None, sent: Iterator[bytes], volume: Volume) -> None:
    """Copy the source into a volume: on the engine's machine if all of it is seen there, else through its API."""
    if seen:
        copy(helpers, run, source=seen, target=volume.mount(TO))
        return
    with helpers.container(run, (volume.mount(TO),)) as container:
        helpers.put(container, TO, sent)
