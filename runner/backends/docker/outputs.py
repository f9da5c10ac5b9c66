"""What steps leave in the directory of outputs that they all share, read through the engine only when it has changed.

Asking whether it has costs a millisecond a file, reading 40. The archive gives times in whole seconds, and a file may
be written twice in one with the same size. So what was modified less than two seconds before it was read is read again.
"""

import tarfile
import threading
import time
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BufferedReader

from runner import naming
from runner.backends.docker.client import Engine, translated
from runner.backends.docker.helper import stat
from runner.backends.docker.sandbox import OUTPUTS
from runner.engine.backend import RunSpec
from runner.errors import InfrastructureError
from runner.naming import Instance
from runner.workspace.streams import Pieces

FILE_BYTES = 10 << 20
ALL_BYTES, ALL_MEMBERS = 64 << 20, 10_000  # of whatever lies there, however deep

_ASKED = 8  # files that are asked after one by one; more are read again, which takes no longer
_SETTLED_SECONDS = 2
_TRIES, _PAUSE_SECONDS = 5, 0.05

_END = bytes(1024)
_HINT = "a step leaves there only the variables for later steps"


@dataclass(frozen=True, kw_only=True)
class Read:
    """What was read: files by name, and their size and time of modification, in whole seconds.

    ``modified`` is that of the directory. Only what is ``settled`` cannot have changed without showing it.
    """

    modified: datetime
    files: Mapping[str, bytes] = field(default_factory=dict)
    stamps: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    settled: bool = True


_NOTHING = Read(modified=datetime.fromtimestamp(0, UTC))  # as the first sandbox leaves the empty directory


@dataclass
class _Known:
    read: Read = _NOTHING
    lock: threading.Lock = field(default_factory=threading.Lock)


class Outputs:
    """The outputs of an instance's runs, for use from any thread."""

    def __init__(self, engine: Engine, instance: Instance) -> None:
        self._engine = engine
        self._instance = instance
        self._known: defaultdict[str, _Known] = defaultdict(_Known)

    def make(self, run: RunSpec) -> None:
        """Make the volume of a run that has outputs."""
        if run.outputs:
            labels = naming.labels(self._instance, run.address, "outputs")
            with translated("creating the volume of the run's outputs"):
                self._engine.api.create_volume(naming.volume(run.id, "o"), driver="local", labels=labels)

    def read(self, run: str, container: str) -> Mapping[str, bytes]:
        """Return the files by name; ``container`` is a sandbox of the run.

        Raises:
            InfrastructureError: a file has more than 10 MiB, there are too many, or they cannot be read.
        """
        known = self._known[run]
        with known.lock:
            found = stat(self._engine, container, OUTPUTS)
            if found is None:
                raise InfrastructureError("the run's outputs cannot be read: the sandbox of the stage is gone")
            last = known.read
            if not (last.settled and last.modified == found.modified and self._unchanged(container, last)):
                files, stamps = self._read(container)
                newest = max([found.modified.timestamp(), *(modified for _, modified in stamps.values())])
                settled = newest + _SETTLED_SECONDS <= found.now.timestamp()
                known.read = Read(modified=found.modified, files=files, stamps=stamps, settled=settled)
            return known.read.files

    def forget(self, run: str) -> None:
        """Forget what was read of a run."""
        self._known.pop(run, None)

    def _unchanged(self, container: str, last: Read) -> bool:
        return len(last.stamps) <= _ASKED and all(
            found is not None and (found.size, int(found.modified.timestamp())) == stamp
            for name, stamp in last.stamps.items()
            for found in (stat(self._engine, container, f"{OUTPUTS}/{name}"),)
        )

    def _read(self, container: str) -> tuple[dict[str, bytes], dict[str, tuple[int, int]]]:
        """Read all; a file that shrinks meanwhile breaks the archive, which is then asked for again."""
        tries = 0
        while True:
            try:
                return _files(self._archive(container))
            except tarfile.TarError as error:
                tries += 1
                if tries == _TRIES:
                    raise InfrastructureError(f"reading the run's outputs: the archive is damaged: {error}") from error
            time.sleep(_PAUSE_SECONDS)

    def _archive(self, container: str) -> Generator[bytes, None, None]:
        with translated("reading the run's outputs"):
            pieces, _ = self._engine.api.get_archive(container, OUTPUTS)
            with closing(pieces):
                yield from pieces


def _files(archive: Generator[bytes, None, None]) -> tuple[dict[str, bytes], dict[str, tuple[int, int]]]:
    """Return the regular files directly in the directory that the tar holds, and their stamps.

    Links, and whatever else there is, are passed over; but for a second name of such a file.
    """
    files: dict[str, bytes] = {}
    stamps: dict[str, tuple[int, int]] = {}
    with closing(archive), tarfile.open(fileobj=BufferedReader(Pieces(_whole(archive))), mode="r|") as tar:
        size = 0
        for number, member in enumerate(tar):
            name, first = _below(member.name), _below(member.linkname)
            size += member.size
            direct = bool(name) and "/" not in name
            if direct and member.isreg() and member.size > FILE_BYTES:
                raise InfrastructureError(f"the output {name} has more than 10 MiB", hint=_HINT)
            if number > ALL_MEMBERS or size > ALL_BYTES:
                raise InfrastructureError(
                    f"the directory of outputs holds more than {ALL_MEMBERS} files or {ALL_BYTES >> 20} MiB", hint=_HINT
                )
            if direct and member.islnk() and first in files:
                files[name], stamps[name] = files[first], stamps[first]
            elif direct and member.isreg() and (content := tar.extractfile(member)):
                files[name] = content.read()
                stamps[name] = (member.size, int(member.mtime))
    return files, stamps


def _whole(archive: Iterator[bytes]) -> Iterator[bytes]:
    """Pass pieces on; tarfile takes a tar that breaks off between two members, or in a header, for a whole one."""
    tail = b""
    for piece in archive:
        tail = (tail + piece)[-len(_END) :]
        yield piece
    if tail != _END:
        raise tarfile.ReadError("it breaks off")


def _below(name: str) -> str:
    """Return what follows the one directory that the archive consists of."""
    return name.partition("/")[2]
