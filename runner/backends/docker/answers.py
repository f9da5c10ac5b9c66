"""What a sandbox answers over the stream that is attached to it: both sides of the protocol.

A request is a line ``verb token most size`` and ``size`` bytes. The answer is a line ``token:``, up to ``most`` bytes,
and a line ``token status``: steps cannot foresee the token, so nothing that they leave can look like the end. One
request at a time; each begins with an empty line, so that what a dead client left of its own does no harm, and what
comes before the first line of an answer was meant for that client.

The shell's side is busybox's, with nothing of a user's in it. It reads a body to its end whatever happens, and pins a
directory that steps can write to by going there and looking where it is, so that it follows no link of theirs.

``open`` fills the store of the values, once: it says ``begun`` of one that is filled. What it is filled with beside the
values of the request is brought to ``RESTORED`` before, where ``restore`` has said that the store is new; until then
``restore_returns`` fills the returns.

``leave`` ends the sandbox, and is not answered: to have it killed takes the engine 20 ms more.

``list_returns`` shows their files as lines, and ``read_returns`` those that it is asked for, some at a time: a listing,
a tar and a listing again, each after a line of the token. What is the same in both was not replaced in between.
"""

import secrets
import threading

from runner.backends.docker.attach import Connection, pieces
from runner.backends.docker.frames import Frames
from runner.clock import Deadline
from runner.engine.backend import STDOUT
from runner.errors import EngineTimeoutError, EngineUnavailableError, InfrastructureError
from runner.pipelinectl.layout import STATE

MARKS_FOLDER, SCRIPTS_FOLDER = "released", "scripts"
"""The directories of gates' marks, and of the scripts of steps, in the volume of a run's values."""

RESTORED = f"{STATE}/.restored"
"""What an earlier run has left for the store of this one."""

# Its arguments: where the values, the shim, the configuration and the outputs are mounted.
# Directories must be open to every user of every step before the first of them starts; by the next sandbox that of the
# outputs may belong to a user whom a step chose.
#
# What stands in its place is whole: values and programs are unpacked aside and renamed, and the configuration is
# closed (0700) until it is complete. `mv` into a directory is one rename of each, and fails on a directory that has
# been filled meanwhile.
SCRIPT = r"""
state=$1 shim=$2 config=$3 outputs=$4
[ -d "$state/released" ] || chmod 0777 "$outputs" || exit 1
mkdir -p "$state/released" "$state/requests" "$state/returns" "$state/scripts" || exit 1
chmod 0777 "$state/released" "$state/requests" "$state/returns" || exit 1
[ -e "$state/bell" ] || [ -L "$state/bell" ] || { true >"$state/bell" && chmod 0666 "$state/bell"; } || exit 1

enter() { cd "$1" && [ "$(pwd -P)" = "$1" ]; }

unpack() { head -c "$size" | { mkdir -p "$1" && tar -xof - -C "$1"; code=$?; cat >/dev/null; exit "$code"; }; }

open() {
    if [ -d "$state/values" ]; then
        head -c "$size" >/dev/null
        echo begun
    elif [ -d "$state/.restored" ]; then
        unpack "$state/.restored" && chmod 0777 "$state/.restored" && mv "$state/.restored" "$state/values" || return
    else
        unpack "$state/.$token" && chmod 0777 "$state/.$token" && mv "$state/.$token" "$state/values" || return
    fi
    [ -d "$shim/bin" ] || echo shim
    [ "$(stat -c %a "$config")" = 755 ] || echo config
}

restore() {
    if [ -d "$state/values" ]; then head -c "$size" >/dev/null; return; fi
    echo new
    mkdir -p "$state/.restored" && unpack "$outputs"
}

restore_returns() { if [ -d "$state/values" ]; then head -c "$size" >/dev/null; else unpack "$state/returns"; fi; }

mark() { name=$(head -c "$size") && enter "$state/released" && true >"$name"; }

fill_shim() {
    unpack "$shim/.$token" && enter "$shim/.$token" || return
    for part in *; do [ "$part" = bin ] || mv "$part" "$shim" || [ -d "$shim/$part" ] || return; done
    { mv bin "$shim" || [ -d "$shim/bin" ]; } && cd "$shim" && rm -rf ".$token"
}

fill_config() { unpack "$config" && chmod 0755 "$config"; }

put_into() {
    unpack "$state/.$token" && enter "$1" || return
    mv -f "$state/.$token"/* . && rmdir "$state/.$token"
}

put() { put_into "$state/values"; }

put_script() { put_into "$state/scripts"; }

read_outputs() { tar -cf - -C "${outputs%/*}" "${outputs##*/}"; }

read_values() {
    enter "$state/values" || { echo lost; return; }
    find . -maxdepth 1 -type f -name '[ft].*' ! -name '*[!A-Za-z0-9_.%~,-]*' -exec stat -c '%s %n' {} +
    pack -name '[!.]*' ! -name '[ft].*'
}

read_requests() {
    enter "$state/requests" || { echo lost; return; }
    pack -name '[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f].*' ! -name '*[!a-z0-9.-]*'
}

list_returns() {
    enter "$state/returns" || { echo lost; return; }
    find . -maxdepth 1 -type f -name '[a-z].*' ! -name '*[!A-Za-z0-9_.%~,-]*' -exec stat -c '%i %s %z %n' {} +
}

read_returns() {
    enter "$state/returns" || { head -c "$size" >/dev/null; echo lost; return; }
    head -c "$size" | xargs -0 sh -c '
        list() { printf "\n%s\n" "$token" && stat -c "%i %s %z %n" "$@"; }
        token=$0; list "$@"; printf "\n%s\n" "$token"; tar -cf - "$@"; list "$@"' "$token"
}

pack() { find . -maxdepth 1 -type f "$@" -exec sh -c 'printf "\n%s\n" "$0"; tar -cf - "$@"' "$token" {} +; }

while IFS=' ' read -r verb token most size; do
    [ -n "$size" ] || continue
    printf '\n%s:\n' "$token"
    case $verb in
        open | restore | restore_returns | put | put_script | mark | fill_shim | fill_config) $verb 2>&1 ;;
        read_outputs | read_values | read_requests | list_returns | read_returns) $verb 2>/dev/null | head -c "$most" ;;
        leave) exit ;;
        *) false ;;
    esac
    status=$?
    [ "$status" = 0 ] || rm -rf "$state/.$token" "$shim/.$token"
    printf '\n%s %s\n' "$token" "$status"
done
exec sleep 2147483647
"""

_STALL_SECONDS, _ALL_SECONDS, _LEAVE_SECONDS = 5.0, 30.0, 0.1
_LONGEST_STATUS = len("255\n")
_MOST_BYTES = 1 << 20
_TOLD = 500


class NoAnswerError(InfrastructureError):
    """A sandbox did not answer, or not in time, or with nonsense; it is not asked again."""


class LongAnswerError(InfrastructureError):
    """A sandbox has more to say than it was asked for; it may be asked something else."""


class Answers:
    """The stream of one sandbox, for use from any thread. ``name`` is the sandbox's, for messages."""

    def __init__(self, name: str, connection: Connection) -> None:
        self._name = name
        self._connection = connection
        self._frames = Frames()
        self._over = threading.Event()
        self._lock = threading.Lock()

    def ask(
        self,
        verb: str,
        body: bytes = b"",
        *,
        most: int = _MOST_BYTES,
        stall: float = _STALL_SECONDS,
        token: str = "",
    ) -> bytes:
        """Return the answer, of up to ``most`` bytes.

        ``stall`` is how many seconds may pass without a sign. ``token`` marks parts of the answer, where the verb has
        such; it must be one that steps cannot foresee.

        Raises:
            NoAnswerError: see there.
            LongAnswerError: the answer is longer.
            InfrastructureError: the sandbox could not do it; the message says why.
        """
        token = token or new_token()
        with self._lock:
            if self._over.is_set():
                raise NoAnswerError(f"{self._name} is not asked any more")
            try:
                request = f"\n{verb} {token} {most + 1} {len(body)}\n".encode() + body
                self._connection.send(request, _ALL_SECONDS, self._over)
                data, status = self._receive(token, most, stall)
            except InfrastructureError as error:
                self.cut()
                raise NoAnswerError(f"{self._name} does not answer: {error.message}") from error
        if len(data) > most:
            raise LongAnswerError(f"{self._name} has more to say than {most:,} bytes")
        if status:
            told = data[-_TOLD:].decode(errors="replace").strip()
            raise InfrastructureError(f"{self._name} cannot do {verb}: {told or f'status {status}'}")
        return data

    def leave(self) -> bool:
        """Have the sandbox end by itself, and ask nothing more; say whether it was told so."""
        if not self._lock.acquire(blocking=False):
            return False  # it is being asked something, and may take its time
        try:
            if self._over.is_set():
                return False
            self._connection.send(f"\nleave {new_token()} 0 0\n".encode(), _LEAVE_SECONDS, self._over)
        except InfrastructureError:
            return False
        finally:
            self._over.set()
            self._lock.release()
        return True

    @property
    def usable(self) -> bool:
        """Whether it may be asked."""
        return not self._over.is_set()

    def cut(self) -> None:
        """Ask nothing more, and end what is being asked; for any thread."""
        self._over.set()
        self._connection.shut()

    def close(self) -> None:
        """Give the connection back; the sandbox lives on."""
        self.cut()
        with self._lock:
            self._connection.close()

    def _receive(self, token: str, most: int, stall: float) -> tuple[bytes, int]:
        start, end = f"\n{token}:\n".encode(), f"\n{token} ".encode()
        data, begun = bytearray(), False
        deadline = Deadline(_ALL_SECONDS)

        def look() -> None:
            if self._over.is_set():
                raise EngineUnavailableError("its stream was cut")
            if deadline.passed:
                raise EngineTimeoutError(f"the answer takes more than {_ALL_SECONDS:g} seconds")

        for piece in pieces(self._connection, stall, look):
            for stream, part in self._frames.feed(piece):
                data += part if stream == STDOUT else b""
            if not begun:
                _, found, rest = data.partition(start)
                data, begun = (rest, True) if found else (data[-len(start) :], False)
            _, found, status = data[-len(end) - _LONGEST_STATUS :].rpartition(end)
            if found and status.endswith(b"\n"):
                return bytes(data[: -len(end) - len(status)]), int(status)
            if len(data) > most + len(end) + _LONGEST_STATUS + 1:
                raise InfrastructureError("it sends more than it was asked for")
        raise EngineUnavailableError("its stream has ended")


def new_token() -> str:
    """Return a token that nobody can foresee."""
    return secrets.token_hex(16)
