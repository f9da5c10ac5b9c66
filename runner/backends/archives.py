"""The large files of a fake store, as the archives that ``Backend.save_files`` writes and ``RunSpec.files`` names."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from runner.pipelinectl.layout import LARGE


def large(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return those files of a store whose contents are not read with the rest."""
    return {name: data for name, data in files.items() if name.partition(".")[0] in LARGE}


def packed(files: Mapping[str, bytes], target: Path) -> None:
    """Write files to a new archive."""
    with tarfile.open(target, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def unpacked(path: Path | None) -> dict[str, bytes]:
    """Return the files of an archive; none without one."""
    if path is None:
        return {}
    with tarfile.open(path) as archive:
        return {member.name: file.read() for member in archive if (file := archive.extractfile(member)) is not None}
