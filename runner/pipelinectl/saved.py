"""The values of a run as they were when a stage began, on disk: what another run begins with that starts there.

So are those at the end of the run, since they must outlive whoever is about to remove the run when he dies.

A folder holds one archive for each round of a stage, ``<stage>-<round>.tar``: the files of the store (``layout``) under
``values/``, what steps had left in the directory of outputs under ``outputs/``, and what they had returned under
``returns/``. What the store holds of the large
kinds is in an archive of its own beside it, ``<stage>-<round>.files.tar``, under the names of the store, where there
is any of it. The first is written last and put in place by rename, so that what is there is whole. At the end of the
run only the sizes of large files are saved, under ``sizes/``.

Secrets of ``set_secret`` are not in the store, and outputs that are to be masked are left out: neither is written.
"""

import io
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import Final

from runner.errors import ConflictError, InfrastructureError
from runner.naming import Address, file_name
from runner.pipelinectl.values import Store
from runner.records import record

_VALUES, _OUTPUTS, _RETURNS, _SIZES = "values/", "outputs/", "returns/", "sizes/"
_REFUSED: Final = "refused"
"""The member that stands in place of all others where the values could not be saved, and says why."""


@record
class Saved:
    """What a run begins with: files of the store, the outputs and the returns, and the archive of large files."""

    values: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    left: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    returned: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    files: Path | None = None


class Saves:
    """The folder of one run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, stage: Address) -> bool:
        """Whether the values at the start of this round of a stage are there, or it is said why not."""
        return self._path(stage).exists()

    def write(self, stage: Address, saved: Saved, files: Callable[[Path], None] | None = None) -> None:
        """Save what there is, and what ``files`` writes to the new archive that it is given.

        Raises:
            InfrastructureError: they cannot be written.
        """
        members = {**_above(_VALUES, saved.values), **_above(_OUTPUTS, saved.left), **_above(_RETURNS, saved.returned)}
        with self._writing():
            if files is not None:
                aside = self._aside(stage)
                files(aside)
                _in_place(aside, self._files(stage))
            self._write(stage, members)

    def refuse(self, stage: Address, reason: str) -> None:
        """Note why the values at the start of a round are not there.

        Raises:
            InfrastructureError: it cannot be written.
        """
        with self._writing():
            self._aside(stage).unlink(missing_ok=True)
            self._write(stage, {_REFUSED: reason.encode("utf-8", "surrogateescape")})

    def read(self, stage: Address) -> Saved:
        """Return what has been saved; of the returns all that the run has come to.

        Raises:
            ConflictError: nothing was; the message says why.
            InfrastructureError: it cannot be read.
        """
        path = self._path(stage)
        try:
            members = _members(path)
        except FileNotFoundError as error:
            message = f"the values of run {stage.run} at the start of stage {stage.stage} were not kept"
            raise ConflictError(message, hint="rerun it from another stage, or as a whole") from error
        except (OSError, tarfile.TarError) as error:
            raise InfrastructureError(f"{path} cannot be read: {error}") from error
        if _REFUSED in members:
            reason = members[_REFUSED].decode("utf-8", "surrogateescape")
            message = f"the values of run {stage.run} at the start of stage {stage.stage} were not kept: {reason}"
            raise ConflictError(message, hint="rerun it from another stage, or as a whole")
        files = self._files(stage)
        ended = self.read_end(Address(stage.run)) or Store()
        return Saved(
            values=_below(_VALUES, members),
            left=_below(_OUTPUTS, members),
            returned={**_below(_RETURNS, members), **ended.returned},
            files=files if files.exists() else None,
        )

    def write_end(self, run: Address, store: Store) -> None:
        """Save what there is at the end of a run.

        Raises:
            InfrastructureError: it cannot be written.
        """
        sizes = {name: b"%d" % size for name, size in store.sizes.items()}
        members = {**_above(_VALUES, store.contents), **_above(_RETURNS, store.returned), **_above(_SIZES, sizes)}
        with self._writing():
            self._write(run, members)

    def read_end(self, run: Address) -> Store | None:
        """Return what was saved at the end of a run; None if nothing was.

        Raises:
            InfrastructureError: it cannot be read.
        """
        try:
            members = _members(self._path(run))
        except FileNotFoundError:
            return None
        except (OSError, tarfile.TarError) as error:
            raise InfrastructureError(f"{self._path(run)} cannot be read: {error}") from error
        sizes = {name: int(data) for name, data in _below(_SIZES, members).items()}
        return Store(contents=_below(_VALUES, members), sizes=sizes, returned=_below(_RETURNS, members))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            raise InfrastructureError(f"{self._folder}: {error.strerror}", hint="is the disk full?") from error

    def _write(self, stage: Address, members: Mapping[str, bytes]) -> None:
        aside = self._aside(stage)
        with tarfile.open(aside, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name, data in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        _in_place(aside, self._path(stage))

    def _path(self, stage: Address) -> Path:
        return self._folder / f"{file_name(stage.stage)}-{stage.round}.tar"

    def _files(self, stage: Address) -> Path:
        return self._path(stage).with_suffix(".files.tar")

    def _aside(self, stage: Address) -> Path:
        return self._path(stage).with_suffix(".part")


def _in_place(aside: Path, path: Path) -> None:
    """Give a file its name when it is whole, so that it is after the death of the machine, too."""
    _sync(aside)
    aside.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _members(path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                found[member.name] = content.read()
    return found


def _above(prefix: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {prefix + name: data for name, data in files.items()}


def _below(prefix: str, members: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name.removeprefix(prefix): data for name, data in members.items() if name.startswith(prefix)}
