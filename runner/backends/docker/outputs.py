"""What steps leave in the directory of outputs that they all share: the sandbox of a stage answers what is there.

Where it does not, the engine is asked, and the directory read through it only when it has changed: asking whether it
has costs a millisecond a file, reading 40. The archive gives times in whole seconds, and a file may be written twice in
one with the same size. So what was modified less than two seconds before it was read is read again.
"""

import tarfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

from runner.backends.docker.answers import LongAnswerError, NoAnswerError
from runner.backends.docker.boxes import Sandbox
from runner.backends.docker.client import Engine, translated
from runner.backends.docker.helper import stat
from runner.backends.docker.mounts import OUTPUTS
from runner.backends.docker.tars import Directory, Limits, unpacked
from runner.errors import InfrastructureError

LIMITS = Limits(
    directory="the directory of outputs",
    entry="the output",
    hint="a step leaves there only the variables for later steps",
    all_bytes=64 << 20,
    members=10_000,
    file=10 << 20,
)

_ASKED = 8  # files that are asked after one by one; more are read again, which takes no longer
_SETTLED_SECONDS = 2
_TRIES, _PAUSE_SECONDS = 5, 0.05
_MOST_BYTES = LIMITS.all_bytes + LIMITS.members * 2048  # with the headers of a tar


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

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: defaultdict[str, _Known] = defaultdict(_Known)

    def read(self, run: str, sandbox: Sandbox) -> Mapping[str, bytes]:
        """Return the files by name, as a sandbox of the run finds them; 3 ms, or 40 where it does not answer.

        Raises:
            InfrastructureError: a file has more than 10 MiB, there are too many, or they cannot be read.
        """
        try:
            return _persistent(lambda: unpacked(_answered(sandbox), LIMITS)).files
        except (NoAnswerError, LongAnswerError):
            return self._through_engine(run, sandbox.id)

    def forget(self, run: str) -> None:
        """Forget what was read of a run."""
        self._known.pop(run, None)

    def _through_engine(self, run: str, container: str) -> Mapping[str, bytes]:
        known = self._known[run]
        with known.lock:
            found = stat(self._engine, container, OUTPUTS)
            if found is None:
                raise InfrastructureError("the run's outputs cannot be read: the sandbox of the stage is gone")
            last = known.read
            if not (last.settled and last.modified == found.modified and self._unchanged(container, last)):
                now = _persistent(lambda: unpacked(self._archive(container), LIMITS))
                newest = max([found.modified.timestamp(), *(modified for _, modified in now.stamps.values())])
                settled = newest + _SETTLED_SECONDS <= found.now.timestamp()
                known.read = Read(modified=found.modified, files=now.files, stamps=now.stamps, settled=settled)
            return known.read.files

    def _unchanged(self, container: str, last: Read) -> bool:
        return len(last.stamps) <= _ASKED and all(
            found is not None and (found.size, int(found.modified.timestamp())) == stamp
            for name, stamp in last.stamps.items()
            for found in (stat(self._engine, container, f"{OUTPUTS}/{name}"),)
        )

    def _archive(self, container: str) -> Generator[bytes, None, None]:
        with translated("reading the run's outputs"):
            pieces, _ = self._engine.api.get_archive(container, OUTPUTS)
            with closing(pieces):
                yield from pieces


def _answered(sandbox: Sandbox) -> Generator[bytes, None, None]:
    yield sandbox.answers.ask("read_outputs", most=_MOST_BYTES)


def _persistent(read: Callable[[], Directory]) -> Directory:
    """Read; a file that shrinks meanwhile breaks the archive, which is then asked for again."""
    tries = 0
    while True:
        try:
            return read()
        except tarfile.TarError as error:
            tries += 1
            if tries == _TRIES:
                raise InfrastructureError(f"reading the run's outputs: the archive is damaged: {error}") from error
        time.sleep(_PAUSE_SECONDS)
