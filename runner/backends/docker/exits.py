"""The exit of a container's process, as this machine's kernel tells of it: 20 ms before the engine does.

The engine tells of it, and ends the streams, only when it has cleaned up. Before a process 1 is told to have exited,
the kernel has killed all others of its process namespace (``zap_pid_ns_processes``): nothing of the container writes
any more. Where this cannot be had there is just no news.
"""

import fcntl
import os
import select
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from runner.backends.docker.address import local_socket
from runner.backends.docker.client import Engine
from runner.backends.docker.inspection import inspect
from runner.backends.docker.reader import Reader
from runner.errors import InfrastructureError

_GET_INFO: Final = 0xC040FF0B
"""``PIDFD_GET_INFO`` of linux/pidfd.h; of its ``struct pidfd_info`` come the first 64 bytes."""
_INFO: Final = struct.Struct("=Q52xi")
"""What the kernel has filled in, and the status as ``wait`` gives it."""
_INFO_EXIT: Final = 1 << 3
"""``PIDFD_INFO_EXIT``: the status is there. Since Linux 6.15, once the process has been reaped."""
_REAPED_MILLISECONDS: Final = 20
"""How long its parent has for that: it takes 0.6 ms, and then the engine is about to tell."""


class Exits:
    """The exits of an engine's containers, for use from any thread."""

    def __init__(self, engine: Engine, reader: Reader) -> None:
        self._engine = engine
        self._reader = reader

    def watch(self, container: str, gone: Callable[[int], None]) -> None:
        """Have ``gone`` called when a container that runs has exited, if its process is one of this machine.

        ``container`` is its full id. This asks the engine, 1.5 ms. ``gone`` is called from the reader's thread, once,
        and must not block. It is given a descriptor of the process, for ``exit_code``, which it has to close.
        """
        if not local_socket(self._engine.address):
            return
        with suppress(InfrastructureError):  # whoever waits for the end of the container hears of that
            state = inspect(self._engine, container)
            process = None if state is None else opened(state.pid, container)
            if process is not None:
                self._reader.watch(process, gone)


def opened(pid: int, container: str) -> int | None:
    """Return a descriptor of a process (``pidfd_open``), readable when it has exited; to be closed.

    None if it has gone, or is none of the container's: the engine may count the processes of another namespace. That is
    looked at when it is open, since the number may have become another process's before.
    """
    try:
        process = os.pidfd_open(pid)
    except (AttributeError, OSError):  # a kernel, or a sandbox around this process, that does not have it
        return None
    if _is_in(pid, container):
        return process
    os.close(process)
    return None


def exit_code(process: int) -> int | None:
    """Return how a process has ended of which there is a descriptor: negative for a signal, None if it is not told.

    It is the kernel that says so. This waits a moment for it to be reaped.
    """
    poll = select.poll()
    poll.register(process, 0)  # only the hang-up: it is reaped
    info = bytearray(_INFO.size)
    _INFO.pack_into(info, 0, _INFO_EXIT, 0)
    try:
        fcntl.ioctl(process, _GET_INFO, info)  # a kernel that does not have it says so at once
        if not _INFO.unpack(info)[0] & _INFO_EXIT and poll.poll(_REAPED_MILLISECONDS):
            _INFO.pack_into(info, 0, _INFO_EXIT, 0)
            fcntl.ioctl(process, _GET_INFO, info)
    except OSError:
        return None
    filled, status = _INFO.unpack(info)
    return os.waitstatus_to_exitcode(status) if filled & _INFO_EXIT else None


def _is_in(pid: int, container: str) -> bool:
    """Whether a process is in the control group of a container; one that has exited may be in none."""
    try:
        return container.encode() in Path(f"/proc/{pid}/cgroup").read_bytes()
    except OSError:
        return False
