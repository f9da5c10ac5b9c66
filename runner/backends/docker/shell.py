"""A shell for a person, where an attempt ran."""

import os
import select
import time
from contextlib import closing
from copy import copy
from dataclasses import replace

from docker.types import Mount

from runner.backends.docker import configs
from runner.backends.docker.attach import Connection, start_exec
from runner.backends.docker.client import Engine, translated
from runner.backends.docker.creation import Creation
from runner.backends.docker.gate import SHELL
from runner.backends.docker.hostconfig import Placement, variables, with_path
from runner.engine.backend import Terminal
from runner.engine.specs import Release, StepSpec
from runner.errors import EngineUnavailableError, InfrastructureError
from runner.pipelinectl.layout import SECRETS

# The step's own shell, else bash, else the one that every image with a shell has.
_BEST = f'command -v "$1" >/dev/null 2>&1 && exec "$1"; exec {SHELL}'
_LIKED = "bash"

# An engine takes the first key of these away until it has seen the next one, and none cannot be asked for. Its default,
# Ctrl-P, is one that shells know.
_DETACH_KEYS = "ctrl-@,ctrl-^,ctrl-@"

# What only the gate's container needs; a name alone takes a variable away.
_UNSET = "TINI_KILL_PROCESS_GROUP"

_NO_ATTEMPT = 0
_NEVER_RUN = (":",)
_LOOK_SECONDS = 0.2
_PIECE_BYTES = 1 << 16
_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


class Shells:
    """Opens shells in containers like those of attempts."""

    def __init__(self, engine: Engine, creation: Creation) -> None:
        self._engine = engine
        self._creation = creation

    def open(self, spec: StepSpec, placement: Placement, release: Release, terminal: Terminal) -> None:
        """Bring a container to a gate that nobody opens, and a shell beside it; see ``Backend.shell``.

        The gate ends with us, and the container with it. The environment is that of an exec, which an engine does not
        show.

        Raises:
            InfrastructureError: the image has no shell, or it cannot be started.
        """
        given = with_path(spec, placement, variables(spec, placement, release.environment))
        environment = [_UNSET, *(f"{name}={value}" for name, value in given.items())]
        standing = replace(spec, address=replace(spec.address, attempt=_NO_ATTEMPT), commands=_NEVER_RUN, script="")
        attempt = self._creation.new(standing, placement)
        self._creation.bring_up(attempt, standing, _insisting(placement), {})
        try:
            configs.fill(self._engine, attempt.container, standing, placement, release.config)
            with translated(f"{spec.address}: opening a shell"):
                made = self._engine.api.exec_create(
                    attempt.container,
                    [SHELL, "-c", _BEST, "sh", spec.shell or _LIKED],
                    stdin=True,
                    tty=True,
                    environment=environment,
                    detach_keys=_DETACH_KEYS,
                )
            with closing(start_exec(self._engine.api, made["Id"], tty=True)) as connection:
                try:
                    _pump(connection, terminal, _Window(self._engine, made["Id"]))
                except EngineUnavailableError:
                    if self._goes_on(made["Id"]):
                        raise
        finally:
            self._creation.take_down(attempt)

    def _goes_on(self, exec_id: str) -> bool:
        """Whether a shell runs still: a connection breaks at its end when keys were typed that it did not take."""
        with translated("asking how a shell stands"):
            return bool(self._engine.api.exec_inspect(exec_id)["Running"])


def _insisting(placement: Placement) -> Placement:
    """Return a placement that says what the lack of a shell means here."""

    def has_shell(container: str) -> bool:
        if not placement.has_shell(container):
            raise InfrastructureError(f"image {placement.image} has no {SHELL}")
        return True

    return replace(placement, has_shell=has_shell, mounts=tuple(map(_read_only_secrets, placement.mounts)))


def _read_only_secrets(mount: Mount) -> Mount:
    """Let a person read the secrets of the run, but set none: nobody reads what a shell prints, to mask it later."""
    if mount["Target"] != SECRETS:
        return mount
    read_only = copy(mount)
    read_only["ReadOnly"] = True
    return read_only


class _Window:
    """The size of the terminal that an exec has."""

    def __init__(self, engine: Engine, exec_id: str) -> None:
        self._engine = engine
        self._exec_id = exec_id
        self._size = (0, 0)
        self._next = 0.0

    def follow(self, terminal: Terminal) -> None:
        """Give it the size of a terminal; not at every call, for a person sees no difference."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _LOOK_SECONDS
        size = terminal.size()
        if size == self._size:
            return
        try:
            with translated("resizing a shell's terminal"):
                self._engine.api.exec_resize(self._exec_id, height=size[0], width=size[1])
        except InfrastructureError:
            return  # it is not there yet, or has just ended: it is tried again at the next look
        self._size = size


def _pump(connection: Connection, terminal: Terminal, window: _Window) -> None:
    """Pass keys and output until the shell ends, or nobody wants it any more.

    Keys wait while the shell does not take them; its output passes all the same.
    """
    keys = terminal.fileno()
    typed, buffer = memoryview(b""), memoryview(bytearray(_PIECE_BYTES))
    poll = select.poll()
    while not terminal.closed():
        window.follow(terminal)
        poll.register(keys, 0 if typed else select.POLLIN)
        poll.register(connection, select.POLLIN | (select.POLLOUT if typed else 0))
        ready = dict(poll.poll(0 if connection.pending else _LOOK_SECONDS * 1000))
        if not _show(connection, terminal, buffer):
            return
        if ready.get(connection.fileno(), 0) & select.POLLOUT:
            typed = typed[connection.send_some(typed) :]
        if keys in ready:
            typed = memoryview(b"" if ready[keys] & _GONE else _read(keys))
            if not typed:
                return  # nobody sits there any more


def _read(keys: int) -> bytes:
    try:
        return os.read(keys, _PIECE_BYTES)
    except OSError:
        return b""  # the terminal has gone


def _show(connection: Connection, terminal: Terminal, buffer: memoryview) -> bool:
    """Show what has come, if anything has; return whether more may come."""
    try:
        shown = connection.receive(buffer)
    except OSError as error:
        raise EngineUnavailableError(f"the connection to the shell broke ({error})") from error
    if shown:
        terminal.write(bytes(shown))
    return shown is None or bool(shown)
