"""Whether the user edited the source while a run stood on it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SKIPPED = ".git"  # a shell prompt that asks for the status rewrites its index


@dataclass(frozen=True)
class Fingerprint:
    """Size and mtime (nanoseconds) of every file below a directory, links not followed and ``.git`` left out.

    50,000 files take about a quarter of a second.
    """

    files: dict[str, tuple[int, int]]

    @classmethod
    def take(cls, root: Path) -> "Fingerprint":
        """Look at every file. What cannot be read, or vanishes meanwhile, is not part of it."""
        return cls(dict(_files(os.fspath(root), "")))

    def changed(self, since: "Fingerprint") -> list[str]:
        """Return the paths, below the directory, that were added, removed or written since then."""
        old, new = since.files, self.files
        return sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))


def _files(root: str, below: str) -> Iterator[tuple[str, tuple[int, int]]]:
    pending = [(root, below)]
    while pending:
        directory, prefix = pending.pop()
        try:
            entries = list(os.scandir(directory))
        except OSError:
            continue
        for entry in entries:
            if entry.name == _SKIPPED:
                continue
            path = prefix + entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    pending.append((entry.path, path + "/"))
                    continue
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            yield path, (status.st_size, status.st_mtime_ns)
