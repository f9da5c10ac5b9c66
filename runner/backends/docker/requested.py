"""What steps have asked for through ``trigger-task``: files that nobody changes, and a bell that grows with each."""

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from runner.backends.docker import state
from runner.backends.docker.client import Engine
from runner.backends.docker.helper import PathStat, stat
from runner.backends.docker.sandbox import Sandboxes
from runner.backends.docker.tars import Directory, Limits, persistent, too_much, unpacked
from runner.pipelinectl.layout import BELL, REQUESTS

LIMITS = Limits(
    directory="the directory of requests",
    entry="the request",
    hint="only `trigger-task` puts files there",
    all_bytes=64 << 20,
    members=10_000,
)

_ARCHIVE_SECONDS = 60.0
_NAME = re.compile(r"[0-9a-f]{8}\.[a-z0-9-]{1,63}")


@dataclass(kw_only=True)
class Heard:
    """What this process knows of the requests of one run: how its bell stood, and which it has been told."""

    bell: PathStat | None = None
    told: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Requested:
    """The requests of an instance's runs, for use from any thread."""

    def __init__(self, engine: Engine, sandboxes: Sandboxes) -> None:
        self._engine = engine
        self._sandboxes = sandboxes

    def read(self, run: str, heard: Heard, *, anew: bool) -> Mapping[str, bytes]:
        """Return a run's requests; see ``Backend.requests``. 1.5 ms where nothing is new, 8 where there is.

        A bell that a step has removed tells nothing, so they are read each time.

        Raises:
            InfrastructureError: they are too large, or cannot be read.
        """
        bell = stat(self._engine, self._container(run), BELL)  # first: a request that rings later rings for the next
        with heard.lock:
            quiet = bell is not None and bell == heard.bell
        if quiet and not anew:
            return {}
        found = persistent("the run's requests", lambda: self._read(run))
        with heard.lock:
            heard.bell = bell
            new = {name: content for name, content in found.items() if anew or name not in heard.told}
            heard.told.update(new)
        return new

    def _container(self, run: str) -> str:
        return state.container_of(self._engine, self._sandboxes, run)

    def _read(self, run: str) -> dict[str, bytes]:
        parts = state.answered(self._sandboxes, run, "read_requests", LIMITS)
        if parts is not None:
            return _named(unpacked((piece for piece in (tar,)), LIMITS) for tar in parts[1:])
        archive = state.archive(
            self._engine, self._container(run), REQUESTS, wanted=lambda: True, seconds=_ARCHIVE_SECONDS
        )
        return _named([unpacked(archive, LIMITS)])


def _named(found: Iterable[Directory]) -> dict[str, bytes]:
    """Return the files that have the name of a request."""
    files = {name: data for part in found for name, data in part.files.items() if _NAME.fullmatch(name)}
    if len(files) > LIMITS.members or sum(map(len, files.values())) > LIMITS.all_bytes:
        raise too_much(LIMITS)
    return files
