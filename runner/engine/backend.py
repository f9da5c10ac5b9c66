"""The contract between the engine and whatever runs containers.

A *backend* makes the containers, networks and volumes of runs. The engine decides what and when; the backend knows
how. These rules hold for every implementation, and ``tests/contract/test_backend.py`` runs them against each:

*Addresses.* Everything is named by its ``Address``. A backend keeps no state that it could not find again by address,
so every verb may be called by a new process after a crash.

*Idempotence.* Every verb may be called again, also after it failed or was cut off half-way: ``open_*`` and
``prepare`` adopt what is there, ``discard``, ``signal`` and ``close_*`` of something that is gone do nothing.

*Deadlines.* Every verb ends by itself: none waits for a step, and each call to an engine has a deadline of its own.
What moves a user's data may take minutes (``fetch``; sources, layers and exports that must be copied), but never long
without progress.

*Errors.* What goes wrong is an ``InfrastructureError`` of ``runner.errors``, never an exception of a library. How a
step ends is no error but an ``Ending``.

*Threads.* Verbs of different addresses may be called at the same time from different threads. Callbacks come from
threads of the backend; they must not block and may call no verb.

The life of an attempt::

    prepare ──> follow ──> release ──> (wake) ──> conclude ──> discard
       │                                  ^            │
       └──> discard (never released)      └── None: it goes on
"""

from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from runner.engine.specs import Release, RunSpec, StageSpec, StepSpec
from runner.naming import Address
from runner.pipelinectl.values import Store
from runner.plan.model import Ready
from runner.records import record

STDOUT, STDERR = 1, 2

TRAILING = 2
"""Of how many attempts of a stage at a time the last output may come when their success has been told."""

Wanted = Callable[[], bool]
"""Whether somebody still wants what is under way. It is asked often, in the thread of the verb, and does not block."""


class Output(Protocol):
    """Where the bytes of one attempt go. No method blocks or raises: a stalled reader wedges the container."""

    def write(self, stream: int, data: bytes) -> None:
        """Take a piece of the stream ``STDOUT`` or ``STDERR``."""

    def anew(self) -> None:
        """Note that what follows is the output from its first byte on, also what an earlier process has kept of it."""

    def gap(self, reason: str) -> None:
        """Note that output is missing at this point and cannot be had again."""

    def close(self) -> None:
        """Note that nothing more comes; may be called twice."""


class Phase(StrEnum):
    """How far an attempt has come when ``prepare`` returns."""

    READY = "ready"  # it stands at the gate and may be released
    UNDERWAY = "underway"  # it had been released before, in an earlier life of the engine; it may have ended
    GONE = "gone"  # it had been released before, and its container is not there any more; nothing was made


class Signal(StrEnum):
    """How an attempt is asked to end."""

    TERM = "TERM"
    KILL = "KILL"


@record
class Ending:
    """How an attempt ended: with an exit code, or lost to sight (``exit_code`` is None, ``reason`` says how).

    ``started`` is false when it ended without having been released: nothing of the user's ran.
    """

    exit_code: int | None
    reason: str = ""
    started: bool = True


@record
class PullProgress:
    """How far the download of an image has come, in bytes; ``total`` is 0 while unknown."""

    image: str
    text: str
    current: int = 0
    total: int = 0


@record
class Conflict:
    """A path that two stages changed, neither of which needs the other; the later one's version is seen."""

    path: str
    earlier: str
    later: str


@record
class Readiness:
    """Whether a service can be used; a ``reason`` says that it never will, or what was last seen.

    ``hopeless`` is one that never will, ``ended`` the one of these that has ended.
    """

    ready: bool
    hopeless: bool = False
    ended: bool = False
    reason: str = ""


class Terminal(Protocol):
    """Where a person sits, in raw mode: bytes pass as they are."""

    def fileno(self) -> int:
        """Return the descriptor to read keys from."""

    def write(self, data: bytes) -> None:
        """Show bytes."""

    def size(self) -> tuple[int, int]:
        """Return rows and columns as they are now; zeros when they are not known."""

    def closed(self) -> bool:
        """Whether nobody wants it any more."""


class Backend(Protocol):
    """Makes containers. See the module for the rules that hold for every method."""

    def reserve(self, run: str) -> None:
        """Begin to make what any run needs, for one that nobody has opened yet; ``close_run`` removes it.

        It may be left out, and tells nothing: what is in the way is told when the run is opened.
        """

    def reserved(self) -> Collection[str]:
        """Return the runs for which something was reserved and that nobody has opened, or closed, since."""

    def open_run(self, run: RunSpec) -> tuple[str, ...]:
        """Make what the whole run shares: its source, and a network if it needs one.

        Returns what a person should know of how.

        Some of it may still be under way then; those who need it wait for it.
        """

    def fetch(self, image: str, *, always: bool, report: Callable[[PullProgress], None]) -> None:
        """Make an image present: pull it when it is absent, or in any case when ``always``.

        Raises:
            ImageError: the registry does not have it or does not give it, or it does not arrive in time.
        """

    def open_stage(self, stage: StageSpec, lost: Callable[[str], None]) -> None:
        """Make the workspace of a stage and the sandbox its steps join.

        ``lost(reason)`` is called once if the sandbox dies before ``close_stage``; the stage's steps are then cut off
        from the network, and the engine ends the stage as an error.

        Raises:
            WorkspaceError: it cannot be made, or one of the layers is not there any more.
        """

    def prepare(self, step: StepSpec) -> Phase:
        """Create the attempt's container and bring it to the gate; nothing of the user's runs.

        The image must be present, unless there is nothing to be made. Adopts a container of this address that an
        earlier life left: one that was never released is replaced, one that was is ``UNDERWAY``. A container without a
        gate (no commands, no shell) is created and not yet started.

        A step that was released is never made again: where its container has vanished since, it is ``GONE``. So
        ``release`` leaves a mark, which outlives the container, before anything of the user's runs. A service (no
        ``workspace``) is made again instead.

        Raises:
            ImageError: the image is not there.
            InfrastructureError: the engine cannot make or start it.
        """

    def follow(self, address: Address, output: Output, wake: Callable[[], None]) -> None:
        """Send the attempt's output to ``output``, and call ``wake`` whenever ``conclude`` may have something to say.

        Called after ``prepare`` and before ``release``, so that no byte is missed; also without ``prepare``, for an
        attempt that an earlier life has released in a stage that is closed since. ``wake`` may come more than once, and
        at once when the attempt has ended already.

        Raises:
            InfrastructureError: there is no such container.
        """

    def release(self, address: Address, release: Release) -> None:
        """Open the gate: the script starts with this environment. At most once; a second call does nothing.

        Raises:
            InfrastructureError: the attempt did not take it; it has not run and will not.
        """

    def signal(self, address: Address, signal: Signal) -> None:
        """Ask an attempt to end, or end it. A gone one is left in peace."""

    def conclude(self, address: Address) -> Ending | None:
        """Say how the attempt ended, or None while it goes on.

        An ending is believed when the streams are at their end, all output has been written, *and* the engine has
        told the exit code. A broken stream alone is no end: it is attached again, and what cannot be had again
        becomes a gap in the output.

        While the next attempt of its stage is being made ready, a success may be told before the last output is
        written. That is then written before anything of the next one, and the container stays until then, whatever
        ``discard`` says. At most ``TRAILING`` attempts of a stage are like that at a time.
        """

    def discard(self, address: Address) -> None:
        """Close the attempt's output and have its container removed, whatever its state; ``close_run`` sees it gone."""

    def probe(self, service: Address, ready: Ready | None) -> Readiness:
        """Say whether a service that was released can be used: by ``ready``, else by its image's HEALTHCHECK.

        One look, which takes at most a few seconds. A service that has ended is hopeless, and so is a sick one.
        """

    def outputs(self, stage: Address) -> Mapping[str, bytes]:
        """Return the files, by name, that steps of the run have left in ``RunSpec.outputs`` up to now.

        Called between two steps of an open stage. Cheap while nothing has changed.

        Raises:
            InfrastructureError: a file has more than 10 MiB, or they cannot be read.
        """

    def values(self, run: str, *, wanted: Wanted) -> Store:
        """Return the store of an open run's values (``pipelinectl.layout``) as it is now.

        Raises:
            InfrastructureError: it is too large, or cannot be read in time.
            UnwantedError: ``wanted`` has said no.
        """

    def put_values(self, run: str, files: Mapping[str, bytes]) -> None:
        """Put files into the store of an open run's values, over those of the same name; steps never see half of one.

        Raises:
            InfrastructureError: they cannot be written.
        """

    def returns(self, run: str) -> Mapping[str, bytes]:
        """Return what the steps of an open run have returned (``layout.RETURNS``) up to now: files by name.

        Cheap while nothing has changed (~1 ms), so that it may be asked before and after each step, from any thread.

        Raises:
            InfrastructureError: they are too large, or cannot be read.
        """

    def requests(self, run: str, *, anew: bool = False) -> Mapping[str, bytes]:
        """Return what steps of an open run have asked for through ``trigger-task``: the files of ``REQUESTS``, by name.

        Empty while there is nothing that an earlier call has not returned, which is cheap to know (~1 ms), so that it
        may be asked every half second. With ``anew`` they are all read, whatever the bell of the steps says.

        Raises:
            InfrastructureError: they are too large, or cannot be read.
        """

    def save_files(self, run: str, target: Path, *, most: int, wanted: Wanted) -> None:
        """Write the files of an open run's store, of which ``values`` tells only the size, to a new tar, by name.

        Raises:
            InfrastructureError: they have more than ``most`` bytes, or cannot be read or written.
            UnwantedError: ``wanted`` has said no.
        """

    def collect(self, attempt: Address, patterns: tuple[str, ...], target: Path, *, wanted: Wanted) -> tuple[str, ...]:
        """Copy files of the attempt's workspace out to ``target``, each under its path from the workdir.

        Called when the attempt has ended and its stage is still open. A pattern is that of Vela's artifacts: it
        matches the end of a path, its ``*`` crosses ``/``; what lies under a name that begins with a dot is left out
        (``executor/linux/outputs.go`` of go-vela/worker). Returns what a person should know: what was too large, what
        matched nothing.

        Raises:
            InfrastructureError: they cannot be read or written.
            UnwantedError: ``wanted`` has said no; the files that were copied by then stay, each of them whole.
        """

    def shell(self, step: StepSpec, release: Release, terminal: Terminal) -> None:
        """Let a person look around where an attempt ran; returns when the shell ends.

        In a new container like the attempt's, in its open stage: same image, user, mounts, network, directory and
        environment. It is gone afterwards.

        Raises:
            InfrastructureError: there is no shell, or it cannot be started.
        """

    def close_stage(self, stage: Address, *, needed: bool) -> tuple[Conflict, ...]:
        """Give back the sandbox; the workspace stays for the stages that stand on it.

        ``needed`` says that there will be any: then what the stage has left is set down as it is now, even if
        something of it goes on writing. Returns the paths that the stages below this one changed side by side.
        """

    def export(self, run: RunSpec, layers: tuple[Address, ...], target: Path, *, wanted: Wanted) -> tuple[str, ...]:
        """Apply to ``target`` what these stages changed in the source: files written, and files deleted.

        Returns the paths that were left out, because a directory of a user cannot hold them (devices).

        Raises:
            WorkspaceError: it cannot be read or written.
            UnwantedError: ``wanted`` has said no; what was applied by then stays.
        """

    def close_run(self, run: RunSpec, *, keep: bool) -> None:
        """Remove every container and network of the run, and its volumes unless ``keep``: then it can be opened again.

        Raises:
            InfrastructureError: something is left, named in the message; may be called again.
        """
