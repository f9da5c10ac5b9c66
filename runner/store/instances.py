"""Which processes live: each holds a lock on a file of its own, and the kernel lets go when it dies."""

import fcntl
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runner.errors import InfrastructureError
from runner.naming import Instance

KIND_EXEC = "exec"

_KEPT = b"kept\n"

_LOCK = re.compile(r"/instances/[^/]+\.lock$")
"""What a lock file of ours is called: the name comes from a label, which anybody can give to an object."""


@contextmanager
def live(state: Path, kind: str) -> Iterator[Instance]:
    """Be an instance of that kind, until the end of the block or of the process.

    Raises:
        InfrastructureError: the lock cannot be written.
    """
    name = secrets.token_hex(6)
    path = state.absolute() / "instances" / f"{name}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise InfrastructureError(
            f"cannot lock {path}: {error.strerror}", hint="RUNNER_STATE_DIR names another place"
        ) from error
    try:
        yield Instance(id=name, kind=kind, host=socket.gethostname(), owner=str(os.getuid()), lock=str(path))
    finally:
        if not keeps(str(path)):
            path.unlink(missing_ok=True)
        os.close(file)


def dead(lock: str) -> bool:
    """Whether the instance of this host and user that holds, or held, this lock lives no more.

    One without a lock file is dead, too: it removed the file when it ended. An instance makes nothing on an engine
    before it has its lock. Where nothing can be known, without a path or with one that cannot be opened, it counts as
    alive.
    """
    if _LOCK.search(lock) is None:
        return False
    try:
        file = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:  # the label names something that is no lock file of ours
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True


def keep(instance: Instance) -> None:
    """Note that the volumes that this instance leaves on the engine are left on purpose.

    Raises:
        InfrastructureError: it cannot be noted.
    """
    try:
        Path(instance.lock).write_bytes(_KEPT)
    except OSError as error:
        raise InfrastructureError(
            f"cannot write {instance.lock}: {error.strerror}", hint="is the disk full?"
        ) from error


def keeps(lock: str) -> bool:
    """Whether the instance of this lock has left its volumes on purpose."""
    try:
        return Path(lock).read_bytes() == _KEPT
    except FileNotFoundError:
        return False


def forget(lock: str) -> None:
    """Remove the lock file of a dead instance, when all that it left is removed."""
    with suppress(FileNotFoundError):
        Path(lock).unlink()
