"""What this process knows of one attempt while it lives."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from runner.backends.docker.attach import Connection
from runner.backends.docker.hostconfig import LOG_FILES, Placement
from runner.backends.docker.replay import Position, Replay, logged_size
from runner.engine.backend import Ending, Output
from runner.engine.specs import StepSpec
from runner.naming import Address


class Tap:
    """Where what is heard of an attempt comes together: its output, the end of its stream, its exit code.

    Written to by the reader's and the events' threads, so nothing here blocks. ``keeps_log`` says that the engine can
    tell the output again; only then is it counted. ``suspect`` says that the container may not have ended by itself,
    ``left`` that the kernel has told that it has ended with 0, ahead of the engine.
    ``over_at`` and ``last_sign`` are monotonic, ``over_time`` is the time of day, to be compared with the engine's.
    """

    def __init__(self, *, keeps_log: bool, log_bytes: int = 0) -> None:
        self.keeps_log = keeps_log
        # What an engine tells again is complete as long as it is less than what it keeps at least.
        self._complete_bytes = log_bytes * (LOG_FILES - 1) // LOG_FILES
        self._told_again: int | None = None
        self.over = threading.Event()
        self.error: Exception | None = None
        self.dead = threading.Event()
        self.exit_code: int | None = None
        self.doubtful = self.suspect = self.left = False
        self.last_sign = time.monotonic()
        self.over_at = self.over_time = 0.0
        self._output: Output | None = None
        self._wake: Callable[[], None] | None = None
        self._positions: dict[int, Position] = defaultdict(Position)
        self._replay: Replay | None = None

    @property
    def followed(self) -> bool:
        """Whether somebody wants the output."""
        return self._output is not None

    def follow(self, output: Output, wake: Callable[[], None]) -> None:
        """Send output and news there from now on."""
        self._output, self._wake = output, wake
        if self.over.is_set() or self.dead.is_set():
            wake()

    def write(self, stream: int, data: bytes) -> None:
        """Take a piece of output; of a replay, what is new."""
        self.last_sign = time.monotonic()
        if self._told_again is not None:
            self._count(self._told_again + logged_size(data))
        if self._replay is not None:
            data = self._replay.fresh(stream, data)
        if not data or self._output is None:
            return
        if self.keeps_log:
            self._positions[stream].advance(data)
        self._output.write(stream, data)

    def ended(self, error: Exception | None) -> None:
        """Note the end of the stream."""
        self.error = error
        self.over_at, self.over_time = time.monotonic(), time.time()
        self.over.set()
        self.wake()

    def died(self, exit_code: int) -> None:
        """Note the exit code."""
        self.last_sign = time.monotonic()
        self.exit_code = exit_code
        self.dead.set()
        self.wake()

    def succeeded(self) -> None:
        """Note that the kernel has told of an end with 0."""
        self.left = True
        self.wake()

    def doubt(self) -> None:
        """Note that news may have been missed."""
        self.doubtful = self.suspect = True
        self.wake()

    def renew(self) -> None:
        """Be ready for another container, since the one before has ended without having run anything."""
        self.expect_more(replay=False)
        self.dead.clear()
        self.exit_code, self.doubtful, self.suspect, self.left = None, False, False, False

    def wake(self) -> None:
        """Say that there may be news."""
        if self._wake is not None:
            self._wake()

    def expect_more(self, *, replay: bool) -> None:
        """Be ready for another stream: one that begins anew, or one that goes on live."""
        self._replay = Replay(self._positions) if replay else None
        self._told_again = 0 if replay and self._complete_bytes else None
        self.error = None
        self.over.clear()

    def anew(self) -> None:
        """Note that the output begins again at its first byte, for somebody who has kept some of it."""
        if self._output is not None:
            self._output.anew()

    def _count(self, told_again: int) -> None:
        """Say so where an engine may have thrown away the beginning of what it tells again."""
        self._told_again = told_again
        if told_again > self._complete_bytes:
            self._told_again = None
            self.gap(f"the engine keeps little more than {self._complete_bytes >> 20} MiB of a step's output")

    def gap(self, reason: str) -> None:
        """Note in the output that some of it is missing."""
        if self._output is not None:
            self._output.gap(reason)

    def close(self) -> None:
        """Note in the output that nothing more comes."""
        if self._output is not None:
            self._output.close()


@dataclass(kw_only=True, eq=False)
class Attempt:
    """One attempt. ``spec`` and ``placement`` are absent when it was found by its name alone.

    ``shown`` is the environment that its container was created with. ``released`` means: by this process, or by an
    earlier one as the mark proves. ``resumed`` says that its output was not read from a single stream, ``interrupted``
    that no engine answered at some time since, ``given_up`` that its stream was cut to get hold of the container,
    ``broken`` that its start was begun and not seen to its end, ``gapped`` that its output says what interrupted it.
    """

    address: Address
    tap: Tap
    mark: str = ""
    spec: StepSpec | None = None
    placement: Placement | None = None
    container: str = ""
    connection: Connection | None = None
    shown: Mapping[str, str] = field(default_factory=dict)
    released: bool = False
    broken: bool = False
    killed: bool = False
    resumed: bool = False
    resumed_at: float = 0.0
    interrupted: bool = False
    gapped: bool = False
    away_since: float | None = None
    given_up: bool = False
    ending: Ending | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the kernel has told of an end with 0, the engine has not, and nothing is in doubt."""
        tap = self.tap
        doubt = tap.suspect or tap.doubtful or self.killed or self.interrupted or self.resumed
        return tap.left and self.released and not (doubt or tap.over.is_set())
