"""Helper containers that only note what they are asked to do."""

import io
import stat
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

from docker.types import Mount

from runner.backends.docker.helper import Helpers
from runner.workspace.changes import Entry

DIRECTORY = Entry(
    mode=stat.S_IFDIR | 0o750, size=4096, changed=b"2026-01-01 00:00:00.5 +0000", uid=7, gid=8, modified=1234
)


@dataclass
class FakeHelpers:
    """Notes what would be run and put; ``output`` is what the script would write."""

    output: bytes = b""
    scripts: list[str] = field(default_factory=list)
    arguments: list[tuple[str, ...]] = field(default_factory=list)
    mounted: list[dict[str, str]] = field(default_factory=list)
    read_only: set[str] = field(default_factory=set)
    inputs: dict[str, bytes] = field(default_factory=dict)
    put_archives: list[bytes] = field(default_factory=list)

    def run(
        self,
        run: str,
        script: str,
        arguments: Sequence[str] = (),
        *,
        mounts: Sequence[Mount],
        inputs: Mapping[str, bytes] | None = None,
        **_: float,
    ) -> bytes:
        """Note it, and return the output."""
        self.scripts.append(script)
        self.arguments.append(tuple(arguments))
        self.inputs.update(inputs or {})
        self._note(mounts)
        return self.output

    @contextmanager
    def container(self, run: str, mounts: Sequence[Mount], command: Sequence[str] = ()) -> Iterator[str]:
        """Note what it would mount and run; its first arguments are those of the shell."""
        self.scripts += command[2:3]
        self.arguments.append(tuple(command[4:]))
        self._note(mounts)
        yield "container"

    def give(self, container: str, inputs: Mapping[str, bytes]) -> None:
        """Note what it is given."""
        self.inputs.update(inputs)

    def finish(self, container: str, seconds: float) -> bytes:
        """Return the output."""
        return self.output

    def put(self, container: str, path: str, archive: bytes) -> None:
        """Note what is put."""
        self.put_archives.append(archive)

    def members(self) -> list[list[tarfile.TarInfo]]:
        """Return what each archive that was put holds."""
        return [tarfile.open(fileobj=io.BytesIO(data)).getmembers() for data in self.put_archives]

    def _note(self, mounts: Sequence[Mount]) -> None:
        self.mounted.append({str(mount["Target"]): str(mount["Source"]) for mount in mounts})
        self.read_only |= {str(mount["Source"]) for mount in mounts if mount["ReadOnly"]}


def as_helpers(fake: FakeHelpers) -> Helpers:
    """Return them as what takes their place."""
    return cast("Helpers", fake)


def record(path: bytes, entry: Entry) -> bytes:
    """Return a line of a listing."""
    fields = (entry.mode, entry.size, entry.changed, entry.uid, entry.gid, entry.modified, path)
    return b"%x %d %s %d %d %d ./%s//\n" % fields
