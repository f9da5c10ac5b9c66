"""Small tars of plain files: written for what unpacks them, and read with suspicion, since steps have made them."""

import tarfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import TypeVar

from runner.errors import InfrastructureError
from runner.records import record
from runner.workspace.streams import Pieces

_Read = TypeVar("_Read")

_TRIES, _PAUSE_SECONDS = 5, 0.05
_END = bytes(1024)
_ANYONES = 0o666


@record
class Limits:
    """How much of a directory is read: files and whatever else lies there, however deep.

    ``directory`` and ``entry`` say in messages what these are, ``hint`` what belongs there. ``file`` is the most bytes
    of one file.
    """

    directory: str
    entry: str
    hint: str
    all_bytes: int
    members: int
    file: int | None = None


@record
class Directory:
    """The regular files directly in a directory; ``sizes`` has those whose content was skipped, too."""

    files: Mapping[str, bytes]
    sizes: Mapping[str, int]


def packed(files: Mapping[str, bytes], mode: int) -> bytes:
    """Return a tar of root's files by their paths, in the form that both busybox and the engine understand."""
    buffer = BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape"
    ) as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), mode
            tar.addfile(member, BytesIO(content))
    return buffer.getvalue()


def unpacked(
    archive: Generator[bytes, None, None], limits: Limits, *, skipped: Callable[[str], bool] = lambda _: False
) -> Directory:
    """Return the files that stand directly in the one directory that the tar holds.

    Links, and whatever else there is, are passed over; but for a second name of such a file. Files that are ``skipped``
    by their names have a size only, and do not count.

    Raises:
        InfrastructureError: it is more than the limits allow.
        tarfile.TarError: the tar is damaged.
    """
    files: dict[str, bytes] = {}
    sizes: dict[str, int] = {}
    with closing(archive), tarfile.open(fileobj=BufferedReader(Pieces(_whole(archive))), mode="r|") as tar:
        size = 0
        for number, member in enumerate(tar):
            name, first = _below(member.name), _below(member.linkname)
            direct, wanted = bool(name) and "/" not in name, not skipped(name)
            size += member.size if wanted else 0
            if number > limits.members or size > limits.all_bytes or _too_large(direct, member, limits):
                raise too_much(limits, name if _too_large(direct, member, limits) else "")
            if direct and member.islnk() and first in sizes:
                sizes[name] = sizes[first]
                files.update({name: files[first]} if first in files else {})
            elif direct and member.isreg():
                sizes[name] = member.size
                content = tar.extractfile(member) if wanted else None
                files.update({name: content.read()} if content else {})
    return Directory(files=files, sizes=sizes)


def persistent(what: str, read: Callable[[], _Read]) -> _Read:
    """Read; a file that shrinks meanwhile breaks the archive, which is then asked for again.

    Raises:
        InfrastructureError: it is broken each time.
    """
    tries = 0
    while True:
        try:
            return read()
        except tarfile.TarError as error:
            tries += 1
            if tries == _TRIES:
                raise InfrastructureError(f"reading {what}: the archive is damaged: {error}") from error
        time.sleep(_PAUSE_SECONDS)


def kept(archive: Iterator[bytes], target: Path, wanted: Callable[[str], bool], most: int) -> None:
    """Write the regular files that stand directly in the one directory of a tar, by their names, to a tar of their own.

    Only those that are ``wanted``. They become root's, and anyone's to write. The new tar appears whole or not at all.

    Raises:
        InfrastructureError: they have more than ``most`` bytes.
        OSError: it cannot be written.
        tarfile.TarError: the tar is damaged.
    """
    aside = target.with_name(f".{target.name}")
    size = 0
    with (
        tarfile.open(fileobj=BufferedReader(Pieces(_whole(archive))), mode="r|") as tar,
        tarfile.open(aside, "w", format=tarfile.GNU_FORMAT) as out,
    ):
        for member in tar:
            name = _below(member.name)
            if "/" in name or not (member.isreg() or member.islnk()) or not wanted(name):
                continue
            size += member.size
            if size > most:
                raise InfrastructureError(f"the files that the run has saved have more than {most:,} bytes")
            copied = tarfile.TarInfo(name)
            copied.size, copied.mode = member.size, _ANYONES
            if member.islnk():
                copied.type, copied.linkname = tarfile.LNKTYPE, _below(member.linkname)
            out.addfile(copied, tar.extractfile(member) if member.isreg() else None)
    aside.rename(target)


def too_much(limits: Limits, file: str = "") -> InfrastructureError:
    """Return the error that says that a directory, or one file in it, is larger than the limits allow."""
    message = f"{limits.directory} holds more than {limits.members} files or {limits.all_bytes >> 20} MiB"
    if file:
        message = f"{limits.entry} {file} has more than {(limits.file or 0) >> 20} MiB"
    return InfrastructureError(message, hint=limits.hint)


def _too_large(direct: bool, member: tarfile.TarInfo, limits: Limits) -> bool:  # noqa: FBT001 - said by its name
    return direct and limits.file is not None and member.isreg() and member.size > limits.file


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
