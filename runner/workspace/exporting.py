"""Changes of a run, applied to a directory of the host.

What arrives is hostile: names, links and kinds of files are the choice of whatever ran in the steps. So no path leads
out of the directory, nothing is written through a link, and devices are left out.
"""

import os
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Self

from runner.errors import WorkspaceError
from runner.workspace.changes import Changes, parents
from runner.workspace.places import Place, opened
from runner.workspace.streams import Pieces


class Target:
    """A directory that is written to, made if it is not there. A context manager.

    Files belong to the caller; if that is root, to the owner of the directory.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise WorkspaceError(f"{path}: cannot be written to: {error.strerror}") from error
        status = os.fstat(self._root)
        self._path = path
        self._owner = (status.st_uid, status.st_gid) if os.geteuid() == 0 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def apply(self, changes: Changes, archive: Iterable[bytes]) -> tuple[str, ...]:
        """Delete, then write what the tar holds, then set the modes of directories.

        The members of the tar stand below one directory, whose name does not matter. Returns the paths that were left
        out because they are devices.

        Raises:
            WorkspaceError: a path leads out of the directory or through a link, or cannot be written.
        """
        for path in changes.deleted:
            self._delete(path)
        left_out = tuple(self._unpack(archive, frozenset(path for path, _ in changes.directories)))
        for path, entry in reversed(changes.directories):
            with self._place(path) as place:
                place.set_mode(entry.mode)
        return left_out

    def receive(self, archive: Iterable[bytes], wanted: Callable[[bytes, int], bool]) -> None:
        """Write the regular files of a tar, and make the directories around them; nothing else of it.

        ``wanted`` is asked for each, by its path and its size in bytes.

        Raises:
            WorkspaceError: a path leads out of the directory or through a link, or cannot be written.
        """
        written: set[bytes] = set()
        with self._members(archive) as tar:
            for member in tar:
                path = _below(member.name)
                known = member.islnk() and _below(member.linkname) in written
                if known or (member.isreg() and wanted(path, member.size)):
                    self._make_around(path)
                    self._write(tar, member, path, replace=False)
                    written.add(path)

    def _make_around(self, path: bytes) -> None:
        for parent in reversed(tuple(parents(path))):
            with self._place(parent) as place:
                place.make_directory(replace=False)

    def _delete(self, path: bytes) -> None:
        try:
            with opened(self._root, self._parts(path)) as place:
                place.clear()
        except (FileNotFoundError, NotADirectoryError):
            return  # what is not there, or stands behind a link that leads elsewhere, needs no removal
        except OSError as error:
            raise self._failed(path, error) from error

    def _unpack(self, archive: Iterable[bytes], made: frozenset[bytes]) -> Iterator[str]:
        with self._members(archive) as tar:
            for member in tar:
                path = _below(member.name)
                if path and not self._write(tar, member, path, replace=path in made):
                    yield os.fsdecode(path)

    @contextmanager
    def _members(self, archive: Iterable[bytes]) -> Iterator[tarfile.TarFile]:
        try:
            with tarfile.open(fileobj=BufferedReader(Pieces(archive)), mode="r|") as tar:
                yield tar
        except tarfile.TarError as error:
            raise WorkspaceError(f"{self._path}: the engine sent a damaged archive: {error}") from error

    def _write(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: bytes, *, replace: bool) -> bool:
        with self._place(path) as place:
            if member.isdir():
                place.make_directory(replace=replace)
            elif member.issym():
                place.make_link(os.fsencode(member.linkname))
            elif member.islnk():
                with self._place(_below(member.linkname)) as other:
                    place.make_hard_link(other)
            elif member.isfifo():
                place.make_fifo(member.mode)
            elif content := tar.extractfile(member):
                place.make_file(content, member.mode, member.mtime)
            else:
                return False
        return True

    @contextmanager
    def _place(self, path: bytes) -> Iterator[Place]:
        try:
            with opened(self._root, self._parts(path), self._owner) as place:
                yield place
        except OSError as error:
            raise self._failed(path, error) from error

    def _parts(self, path: bytes) -> tuple[bytes, ...]:
        parts = tuple(path.split(b"/"))
        if not {b"", b".", b".."}.isdisjoint(parts):
            raise WorkspaceError(f"{self._path}: refusing a path that leads out of it: {os.fsdecode(path)}")
        return parts

    def _failed(self, path: bytes, error: OSError) -> WorkspaceError:
        return WorkspaceError(f"{self._path / os.fsdecode(path)}: cannot be written: {error.strerror}")


def _below(name: str) -> bytes:
    """Return what follows the one directory that the archive consists of."""
    return os.fsencode(name).partition(b"/")[2].rstrip(b"/")
