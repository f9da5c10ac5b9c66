"""Names in directories of the host, opened one below the other and never through a link."""

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PERMISSIONS = 0o777  # set-user-id bits do not leave the containers

Owner = tuple[int, int] | None
"""User and group that new files are given to; None leaves them to the caller."""


@contextmanager
def opened(root: int, parts: tuple[bytes, ...], owner: Owner = None) -> Iterator["Place"]:
    """Open the directory around a path below the directory ``root``, a descriptor.

    Raises:
        FileNotFoundError, NotADirectoryError: a directory on the way is not there, or is a link.
    """
    current = os.dup(root)
    try:
        for name in parts[:-1]:
            below = os.open(name, _DIRECTORY, dir_fd=current)
            os.close(current)
            current = below
        yield Place(current, parts[-1], owner)
    finally:
        os.close(current)


@dataclass(frozen=True)
class Place:
    """A name in an open directory; what is made there replaces what was there. Methods raise OSError."""

    parent: int
    name: bytes
    owner: Owner = None

    @property
    def kind(self) -> int:
        """The file type bits of what is there; 0 for nothing."""
        try:
            return stat.S_IFMT(os.stat(self.name, dir_fd=self.parent, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return 0

    def clear(self) -> None:
        """Remove what is there, a directory with all it holds; links are removed, not followed."""
        kind = self.kind
        if stat.S_ISDIR(kind):
            shutil.rmtree(os.fsdecode(self.name), dir_fd=self.parent)
        elif kind:
            os.unlink(self.name, dir_fd=self.parent)

    def make_directory(self, *, replace: bool) -> None:
        """Make a directory unless one is there; anything else is removed for it only if ``replace``."""
        kind = self.kind
        if stat.S_ISDIR(kind):
            return
        if kind and not replace:
            raise NotADirectoryError(0, "there is a file or a link here where the run had a directory")
        self.clear()
        os.mkdir(self.name, 0o755, dir_fd=self.parent)
        self._give()

    def set_mode(self, mode: int) -> None:
        """Set the permissions of the directory."""
        descriptor = os.open(self.name, _DIRECTORY, dir_fd=self.parent)
        try:
            os.fchmod(descriptor, mode & _PERMISSIONS)
        finally:
            os.close(descriptor)

    def make_link(self, destination: bytes) -> None:
        """Make a symbolic link, wherever it leads."""
        self.clear()
        os.symlink(destination, self.name, dir_fd=self.parent)
        self._give()

    def make_hard_link(self, other: "Place") -> None:
        """Make another name of a file, or of a link itself."""
        self.clear()
        os.link(other.name, self.name, src_dir_fd=other.parent, dst_dir_fd=self.parent, follow_symlinks=False)

    def make_fifo(self, mode: int) -> None:
        """Make a FIFO."""
        self.clear()
        os.mkfifo(self.name, mode & _PERMISSIONS, dir_fd=self.parent)
        self._give()

    def make_file(self, content: IO[bytes], mode: int, modified: float) -> None:
        """Make a file, beside the old one until it is whole. ``modified`` is in seconds."""
        beside = b".runner-" + secrets.token_hex(8).encode()
        descriptor = os.open(beside, _NEW_FILE, 0o600, dir_fd=self.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
                file.flush()
                if self.owner:
                    os.fchown(file.fileno(), *self.owner)
                os.fchmod(file.fileno(), mode & _PERMISSIONS)
                os.utime(file.fileno(), (modified, modified))
            if stat.S_ISDIR(self.kind):
                self.clear()
            os.rename(beside, self.name, src_dir_fd=self.parent, dst_dir_fd=self.parent)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(beside, dir_fd=self.parent)
            raise

    def _give(self) -> None:
        if self.owner:
            os.chown(self.name, *self.owner, dir_fd=self.parent, follow_symlinks=False)
