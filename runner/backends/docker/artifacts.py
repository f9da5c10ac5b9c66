"""Files of a workspace that are kept after the run: found and gathered by a helper container, written on the host."""

import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from docker.types import Mount

from runner.backends.docker.helper import COPYING_SECONDS, Helpers
from runner.backends.docker.listing import TO
from runner.engine.backend import Wanted
from runner.engine.specs import RunSpec
from runner.records import record
from runner.workspace.exporting import Target

FILE_BYTES, RUN_BYTES = 100_000_000, 500_000_000
LISTED_BYTES = 4_000_000  # of the listing for one pattern: some 50,000 files

_TOLD = 10  # files that are named one by one
_END = b"//\n"  # no path of `find` holds it

# The container runs twice: first it lists, then it gathers what was chosen. A file may have become something else
# meanwhile, for a detached step may go on.
_SCRIPT = """
cd /from || exit 1
if [ -e /in/chosen ]; then
    mkdir /to || exit 1
    xargs -0 -r sh -c '
        for path; do shift; if [ -f "$path" ] && [ ! -L "$path" ]; then set -- "$@" "$path"; fi; done
        [ $# = 0 ] || exec cp -a --parents -t /to -- "$@"' sh < /in/chosen
    exit
fi
most=$1; shift
for pattern; do
    find . -xdev -mindepth 1 -name '.*' -prune -o -type f -path "$pattern" -exec stat -c '%s %n//' {} + 2>/dev/null |
        head -c "$most"
    printf '\\0'
done
"""


@dataclass
class _Room:
    """How many bytes the artifacts of a run have taken."""

    taken: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, size: int) -> bool:
        """Take so much more, or nothing if it is too much."""
        with self.lock:
            fits = self.taken + size <= RUN_BYTES
            self.taken += size if fits else 0
            return fits


@dataclass
class _Choice:
    """The files that are kept, with the size that was reserved for each; and the notes on those that are not."""

    room: _Room
    sizes: dict[bytes, int] = field(default_factory=dict)
    too_large: list[bytes] = field(default_factory=list)
    too_much: list[bytes] = field(default_factory=list)

    def offer(self, path: bytes, size: int) -> bool:
        """Say whether a file is kept; one that was offered before may have grown."""
        if size > FILE_BYTES:
            self.too_large.append(path)
        elif not self.room.take(max(0, size - self.sizes.get(path, 0))):
            self.too_much.append(path)
        else:
            self.sizes[path] = size
            return True
        return False

    def notes(self) -> tuple[str, ...]:
        """Say what was left out."""
        return (
            *_told(self.too_large, f"it has more than {FILE_BYTES // 1_000_000} MB"),
            *_told(self.too_much, f"the artifacts of a run may have {RUN_BYTES // 1_000_000} MB in all"),
        )


class Artifacts:
    """Collects the artifacts of runs. What a run has taken of its limit is forgotten with the process."""

    def __init__(self, helpers: Helpers) -> None:
        self._helpers = helpers
        self._rooms: defaultdict[str, _Room] = defaultdict(_Room)

    def collect(
        self, run: RunSpec, files: Mount, patterns: Sequence[str], target: Path, wanted: Wanted
    ) -> tuple[str, ...]:
        """Copy what matches out of the tree ``files``, mounted at ``FROM``, and return notes; see ``Backend.collect``.

        Raises:
            WorkspaceError: it cannot be read or written.
            UnwantedError: ``wanted`` has said no.
        """
        helpers = self._helpers.asking(wanted)
        expressions = [expression(pattern, run.workdir) for pattern in patterns]
        command = ("sh", "-c", _SCRIPT, "helper", str(LISTED_BYTES), *expressions)
        choice = _Choice(room=self._rooms[run.id])
        with helpers.container(run.id, (files,), command) as container:
            listed = parse(helpers.finish(container, COPYING_SECONDS))
            found = {path: size for part in listed for path, size in part.files.items()}
            chosen = [path for path, size in sorted(found.items()) if choice.offer(path, size)]
            if chosen:
                helpers.give(container, {"chosen": b"".join(b"./" + path + b"\0" for path in chosen)})
                helpers.finish(container, COPYING_SECONDS)
                with Target(target) as place, helpers.get(container, TO) as tar:
                    place.receive(tar, choice.offer)
        return (*_unmatched(dict(zip(patterns, listed, strict=True))), *choice.notes())

    def forget(self, run: str) -> None:
        """Forget what a run has taken of its limit."""
        self._rooms.pop(run, None)


@record
class Listed:
    """The files that match one pattern, with their sizes; ``cut`` says that there were more."""

    files: Mapping[bytes, int]
    cut: bool


def expression(pattern: str, workdir: str) -> str:
    """Return what ``find . -path`` takes for a pattern: it matches the end of a path, or an absolute one all of it."""
    root = workdir.rstrip("/") + "/"
    return f"./{pattern.removeprefix(root)}" if pattern.startswith(root) else f"*{pattern}"


def parse(text: bytes) -> list[Listed]:
    """Read what the script lists, a part for each pattern."""
    return [_listed(part) for part in text.split(b"\0")[:-1]]


def _listed(part: bytes) -> Listed:
    *records, rest = part.split(_END)
    pairs = (record.partition(b" ") for record in records)
    return Listed(files={path.removeprefix(b"./"): int(size) for size, _, path in pairs}, cut=bool(rest))


def _unmatched(listed: Mapping[str, Listed]) -> Iterable[str]:
    for pattern, part in listed.items():
        if part.cut:
            yield f"too many files match {pattern}: only {len(part.files)} of them were looked at"
        elif not part.files:
            yield f"no file matches {pattern}"


def _told(paths: Sequence[bytes], why: str) -> Iterable[str]:
    for path in paths[:_TOLD]:
        text = os.fsdecode(path)
        yield f"{text if text.isprintable() else repr(text)} was not kept: {why}"
    if len(paths) > _TOLD:
        yield f"{len(paths) - _TOLD} further files were not kept: {why}"
