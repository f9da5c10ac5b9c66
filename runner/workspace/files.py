"""Reading what a command is given, which may be endless."""

import errno
import os
from pathlib import Path
from typing import BinaryIO, Final

_LARGEST: Final = 32 * 1024 * 1024


def read(file: Path) -> bytes:
    """Return the content of a file. Raises OSError as ``read_all``, and where it cannot be read."""
    with file.open("rb") as stream:
        return read_all(stream)


def read_all(stream: BinaryIO) -> bytes:
    """Return the rest of a stream.

    Raises:
        OSError: it is more than 32 MiB, which is none of the files that a command takes.
    """
    content = stream.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return content
