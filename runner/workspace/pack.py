"""A directory of the host as a tar stream, for an engine that cannot see the directory."""

import os
import stat
import tarfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from runner.errors import WorkspaceError

_CHUNK = 1 << 20


def stream(root: Path, only: Iterable[bytes] | None = None) -> Iterator[bytes]:
    """Yield a tar of everything below ``root``, with modes, numeric owners, links and times to the nanosecond.

    ``only`` are the paths below ``root`` that are taken instead, a directory without what it holds and before it.
    Memory stays bounded: what is not taken is not read. Sockets are left out, and what vanishes meanwhile.

    Raises:
        WorkspaceError: a file cannot be read, or shrank while it was read.
    """
    reading, writing = os.pipe()
    paths = walk(root) if only is None else (root / os.fsdecode(path) for path in only)
    packer = _Packer(root, paths, writing)
    packer.start()
    try:
        while chunk := os.read(reading, _CHUNK):
            yield chunk
    finally:
        os.close(reading)
        packer.join()
    if packer.failure:
        raise WorkspaceError(f"{root}: cannot be sent to the engine: {packer.failure}") from packer.failure


def walk(directory: Path) -> Iterator[Path]:
    """Yield everything below a directory, a directory before what it holds; links are not followed.

    Directories that vanish meanwhile are left out, but not ``directory`` itself.

    Raises:
        OSError: a directory cannot be read.
    """
    for path in sorted(directory.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            with suppress(FileNotFoundError):
                yield from walk(path)


class _Packer(threading.Thread):
    def __init__(self, root: Path, paths: Iterable[Path], writing: int) -> None:
        super().__init__(name="pack", daemon=True)
        self._root = root
        self._paths = paths
        self._writing = writing
        self.failure: OSError | None = None

    def run(self) -> None:
        try:
            with (
                os.fdopen(self._writing, "wb") as pipe,
                tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT) as tar,
            ):
                for path in self._paths:
                    with suppress(FileNotFoundError):  # the locks of git come and go
                        _add(tar, path, str(path.relative_to(self._root)))
                    tar.getmembers().clear()  # or it remembers every member to its end
        except OSError as error:
            self.failure = error


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    status = path.lstat()
    if stat.S_ISSOCK(status.st_mode):
        return
    member = tar.gettarinfo(path, name)
    member.uname = member.gname = ""
    member.mtime = int(status.st_mtime)
    member.pax_headers = {"mtime": f"{status.st_mtime_ns // 10**9}.{status.st_mtime_ns % 10**9:09}"}
    if not member.isreg():
        tar.addfile(member)
        return
    with path.open("rb") as file:
        tar.addfile(member, file)
