"""Which processes live: each holds a lock on a file of its own, and the kernel lets go when it dies.

A process of ``exec`` is an instance of its own; a daemon is one for as long as its data directory exists.
"""

import fcntl
import os
import re
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runner.errors import DaemonRunningError, InfrastructureError
from runner.naming import Instance

KIND_EXEC, KIND_DAEMON = "exec", "daemon"

_KEPT = b"kept\n"

_DATA_HINT = "RUNNER_DATA_DIR names another place"
_NAME = re.compile(r"[0-9a-f]{12}")
_UMASK = 0o077

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


@contextmanager
def daemon(data: Path, *, make: bool = True) -> Iterator[Instance]:
    """Be the daemon of a data directory, until the end of the block or of the process.

    It is the same instance each time, so that it finds again what it has left on an engine. The directory is made,
    unless ``make`` forbids it. From here on this process makes files that are nobody else's business (umask 077).

    Raises:
        DaemonRunningError: there is one already; the message names its process.
        InfrastructureError: the directory is missing, another user's or open to others, or cannot be written.
    """
    data = data.absolute()
    os.umask(_UMASK)
    lock = -1
    try:
        if make:
            data.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check_ours(data)
        lock = os.open(data / "lock", os.O_RDWR | (os.O_CREAT if make else 0) | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        _hold(lock, data)
        name = _name_in(data, make=make)
    except OSError as error:
        _close(lock)
        raise InfrastructureError(f"{data} cannot be a data directory: {error.strerror}", hint=_DATA_HINT) from error
    except BaseException:
        _close(lock)
        raise
    try:
        yield Instance(
            id=name,
            kind=KIND_DAEMON,
            host=socket.gethostname(),
            owner=str(os.getuid()),
            lock=str(data / "lock"),
        )
    finally:
        os.close(lock)


def _check_ours(data: Path) -> None:
    status = data.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise InfrastructureError(f"{data} cannot be a data directory: it is none", hint=_DATA_HINT)
    if status.st_uid != os.getuid():
        raise InfrastructureError(f"{data} belongs to another user (id {status.st_uid})", hint=_DATA_HINT)
    if status.st_mode & 0o022:
        raise InfrastructureError(f"{data} can be written by other users", hint=f"chmod go-w {data}")


def _hold(lock: int, data: Path) -> None:
    """Take the lock, and write down who has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
        raise DaemonRunningError(
            f"a daemon works in {data} already (process {holder or 'unknown'})",
            hint="stop it first, or give this one another directory by RUNNER_DATA_DIR",
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


def _name_in(data: Path, *, make: bool) -> str:
    """Return the name of the daemon of this directory; a new one gets it by rename, so that none is read in halves."""
    path = data / "instance"
    try:
        name = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        if not make:
            raise
        name = secrets.token_hex(6)
        aside = data / ".instance"
        with aside.open("w", encoding="utf-8") as file:
            file.write(f"{name}\n")
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
    if _NAME.fullmatch(name) is None:
        raise InfrastructureError(f"{path} does not hold the name of a daemon", hint="restore it from a backup")
    return name


def _close(file: int) -> None:
    if file >= 0:
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
