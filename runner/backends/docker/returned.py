"""What steps return: files of a directory that is looked at before and after each step, so only what is new is read.

The directory's time of change says whether there is anything new. It moves in ticks of the engine's kernel, of up to
10 ms: what was read within a tick of the last change may lack a change of that tick, and is looked at once more.
"""

import re
import tarfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runner.backends.docker import state
from runner.backends.docker.client import Engine
from runner.backends.docker.helper import PathStat, stat
from runner.backends.docker.sandbox import Sandboxes
from runner.backends.docker.tars import Limits, persistent, too_much, unpacked
from runner.errors import InfrastructureError
from runner.pipelinectl.layout import RETURNS
from runner.records import record

LIMITS = Limits(
    directory="the directory of what steps have returned",
    entry="the return",
    hint="`save_file` and the workspace take what is large; what a step returns is kept in memory",
    all_bytes=64 << 20,
    members=100_000,
)

_WHAT = "what steps have returned"
_ARCHIVE_SECONDS = 60.0
_TICK_SECONDS = 0.05
_TRIES = 5
_NAME = re.compile(r"[a-z]\.[A-Za-z0-9_.%~,-]+")


@record
class Version:
    """One content of a file. ``line`` is how a listing shows it: number and size, and to the tick when it changed."""

    line: bytes
    content: bytes


@dataclass(kw_only=True)
class Known:
    """What this process has read of the returns of one run.

    ``directory`` is how that stood, first seen ``since``; ``begun`` is when the last reading began, which was ``whole``
    if no file changed under it. ``files`` is another mapping only where something has changed.
    """

    versions: Mapping[str, Version] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    directory: PathStat | None = None
    since: float = 0.0
    begun: float = float("-inf")
    whole: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def holds(self, directory: PathStat | None, asked: float) -> bool:
        """Whether nothing can be there that is not known: the lock is held by one who asked at that moment."""
        if self.whole and self.begun >= asked:
            return True  # by somebody for whom we had to wait
        settled = self.whole and self.begun - self.since >= _TICK_SECONDS
        return settled and directory is not None and directory == self.directory

    def keep(self, versions: Mapping[str, Version]) -> None:
        """Take note of what there is."""
        self.versions = versions
        self.files = {name: version.content for name, version in versions.items()}


class Returned:
    """The returns of an instance's runs, for use from any thread."""

    def __init__(self, engine: Engine, sandboxes: Sandboxes) -> None:
        self._engine = engine
        self._sandboxes = sandboxes

    def read(self, run: str, known: Known) -> Mapping[str, bytes]:
        """Return a run's returns; see ``Backend.returns``. 1.5 ms where nothing is new; one caller reads for all.

        A file that is replaced while it is read is left out if that happens each time. Whoever looks for it asks again,
        as what an attempt has left when it ended is not replaced.

        Raises:
            InfrastructureError: they are too large, or cannot be read.
        """
        asked = time.monotonic()
        directory = stat(self._engine, self._container(run), RETURNS)
        with known.lock:
            if known.holds(directory, asked):
                return known.files
            if directory != known.directory:
                known.directory, known.since = directory, time.monotonic()
            known.begun = time.monotonic()
            for _ in range(_TRIES):
                if self._update(run, known):
                    break
            return known.files

    def _container(self, run: str) -> str:
        return state.container_of(self._engine, self._sandboxes, run)

    def _update(self, run: str, known: Known) -> bool:
        """Read what is new; False if something changed meanwhile."""
        parts = state.answered(self._sandboxes, run, "list_returns", LIMITS)
        if parts is None:
            return self._read_archives(run, known)
        listed = _listed(parts[0])
        if len(listed) > LIMITS.members or sum(int(line.split()[1]) for line in listed.values()) > LIMITS.all_bytes:
            raise too_much(LIMITS)
        same = {name: known.versions[name] for name in listed.keys() & known.versions.keys()}
        same = {name: version for name, version in same.items() if version.line == listed[name]}
        new = sorted(listed.keys() - same.keys())
        read = self._versions(run, new)
        if read is None:
            return self._read_archives(run, known)
        if read or len(same) < len(known.versions):
            known.keep({**same, **read})
        known.whole = len(read) == len(new)
        return known.whole

    def _versions(self, run: str, names: Sequence[str]) -> dict[str, Version] | None:
        """Return those files that stayed as they were while they were read; None where no sandbox answers.

        One that shrinks breaks the archive, which is then asked for again without those that have changed.
        """
        for _ in range(_TRIES):
            if not names:
                return {}
            body = b"".join(f"./{name}\0".encode() for name in names)
            parts = state.answered(self._sandboxes, run, "read_returns", LIMITS, body)
            if parts is None:
                return None
            stable, files = _read(parts)
            if files is not None:
                return {name: Version(line=line, content=files[name]) for name, line in stable.items() if name in files}
            names = [name for name in names if name in stable]
        raise InfrastructureError(f"reading {_WHAT}: the archive is damaged each time")

    def _read_archives(self, run: str, known: Known) -> bool:
        """Read all through the engine, twice: what is torn in one archive is not torn so in the other."""
        first, second = (persistent(_WHAT, lambda: self._archive(run)) for _ in range(2))
        same = {name: content for name, content in second.items() if first.get(name) == content}
        if same != known.files:
            known.keep({name: Version(line=b"", content=content) for name, content in same.items()})
        known.whole = first == second
        return known.whole

    def _archive(self, run: str) -> dict[str, bytes]:
        archive = state.archive(
            self._engine, self._container(run), RETURNS, wanted=lambda: True, seconds=_ARCHIVE_SECONDS
        )
        found = unpacked(archive, LIMITS).files
        return {name: content for name, content in found.items() if _NAME.fullmatch(name)}


def _listed(text: bytes) -> dict[str, bytes]:
    """Return the lines of a listing by the names in them, which have no space and come last."""
    pairs = (line.rpartition(b" ./") for line in text.splitlines())
    return {name.decode(): line for line, _, name in pairs if _NAME.fullmatch(name.decode(errors="replace"))}


def _read(parts: Sequence[bytes]) -> tuple[dict[str, bytes], dict[str, bytes] | None]:
    """Return the lines of what has not changed, and all files; None for these where a tar is damaged.

    ``parts`` are a listing, a tar and a listing for some of the files at a time, after a first one.
    """
    stable: dict[str, bytes] = {}
    files: dict[str, bytes] | None = {}
    for before, tar, after in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        last = _listed(after)
        stable |= {name: line for name, line in _listed(before).items() if last.get(name) == line}
        try:
            found = unpacked((piece for piece in (tar,)), LIMITS).files
        except tarfile.TarError:
            files = None
        else:
            files = None if files is None else {**files, **found}
    return stable, files
