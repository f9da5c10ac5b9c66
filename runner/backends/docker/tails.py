"""The output of attempts that is still on its way when their stages have gone on.

The kernel tells of an exit 20 ms before the engine ends the stream, and these are most of the time between two steps.
So the next step of a stage is released as soon as the kernel has told of a success. Nothing is read of the next one
until everything has been read of the one before: lines keep their order, and what that announces is masked in time.
"""

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

from runner.backends.docker.attempt import Attempt
from runner.backends.docker.reader import Reader
from runner.backends.docker.verdicts import Verdicts
from runner.clock import Deadline
from runner.engine.backend import TRAILING
from runner.errors import InfrastructureError
from runner.naming import Address

_DRAIN_SECONDS = 15.0
"""Longer than ``Verdicts`` waits for a stream that does not end."""
_LOOK_SECONDS, _PAUSE_SECONDS = 0.5, 0.02


@dataclass(kw_only=True)
class _Tail:
    """An attempt that has ended, and those of its stage of which nothing is read until its output has."""

    attempt: Attempt
    waiting: set[Attempt] = field(default_factory=set)


@dataclass(kw_only=True)
class _Stage:
    """The tails of one stage, the oldest first: each but that waits for the one before. The lock is for their end."""

    tails: list[_Tail] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Tails:
    """Those of all stages; for use from any thread."""

    def __init__(self, verdicts: Verdicts, reader: Reader) -> None:
        self._verdicts = verdicts
        self._reader = reader
        self._lock = threading.Lock()
        self._stages: defaultdict[Address, _Stage] = defaultdict(_Stage)

    def begin(self, attempt: Attempt) -> None:
        """Note that the stage of an attempt goes on, which has ended and whose output has not."""
        with self._lock:
            self._stages[attempt.address.of_stage()].tails.append(_Tail(attempt=attempt))

    def holds(self, address: Address) -> bool:
        """Say whether output of an attempt is still to come that has ended."""
        return any(tail.attempt.address == address for tail in self._of(address.of_stage()))

    def full(self, stage: Address) -> bool:
        """Say whether a stage has as many attempts whose output is still to come as it may have."""
        return len(self._of(stage)) >= TRAILING

    def waits(self, address: Address) -> bool:
        """Say whether nothing of an attempt is read yet, as output is still to come of one before."""
        tails = self._of(address.of_stage())
        return any(each.address == address for tail in tails for each in tail.waiting)

    def listen(self, attempt: Attempt) -> None:
        """Read an attempt's stream: now, or as soon as nothing comes before it any more."""
        stage = attempt.address.of_stage()
        with self._lock:
            if stage in self._stages and self._stages[stage].tails:
                self._stages[stage].tails[-1].waiting.add(attempt)
                return
        self._read(attempt)

    def over(self, stage: Address) -> tuple[Address, ...]:
        """Return the attempts of a stage of which all output has come by now; then read what has waited for that."""
        with self._lock:
            if stage not in self._stages:
                return ()
            lock = self._stages[stage].lock
        found = []
        with lock:
            while (tails := self._of(stage)) and self._is_over(tails[0]):
                self._end(tails[0])
                found.append(tails[0].attempt.address)
        return tuple(found)

    def drain(self, stage: Address) -> tuple[Address, ...]:
        """Wait until all output has come, but not for ever; return whose that was."""
        patience, found = Deadline(_DRAIN_SECONDS), self.over(stage)
        while tails := self._of(stage):
            if patience.passed:
                self._cut(tails[0], "it did not come to an end")
                self._end(tails[0])
                patience, found = Deadline(_DRAIN_SECONDS), (*found, tails[0].attempt.address)
            elif tails[0].attempt.tap.over.wait(_LOOK_SECONDS):
                time.sleep(_PAUSE_SECONDS)  # the engine is about to tell
            found += self.over(stage)
        return found

    def forget(self, run: str) -> None:
        """Know nothing of the stages of a run any more."""
        with self._lock:
            for stage in [stage for stage in self._stages if stage.run == run]:
                del self._stages[stage]

    def _of(self, stage: Address) -> tuple[_Tail, ...]:
        with self._lock:
            return tuple(self._stages[stage].tails) if stage in self._stages else ()

    def _is_over(self, tail: _Tail) -> bool:
        try:
            return self._verdicts.conclude(tail.attempt) is not None
        except InfrastructureError as error:
            self._cut(tail, error.message)
            return True

    @staticmethod
    def _cut(tail: _Tail, why: str) -> None:
        tail.attempt.tap.gap(f"the end of the output could not be read: {why}")
        tail.attempt.tap.close()

    def _end(self, tail: _Tail) -> None:
        with self._lock:
            stage = self._stages.get(tail.attempt.address.of_stage())
            if stage is None:  # its run was forgotten meanwhile
                return
            stage.tails = [each for each in stage.tails if each is not tail]
            waiting, tail.waiting = tail.waiting, set()
        for attempt in waiting:
            attempt.tap.last_sign = time.monotonic()  # that there was none is not its fault
            self._read(attempt)

    def _read(self, attempt: Attempt) -> None:
        connection = attempt.connection
        if connection is not None:
            self._reader.register(connection, attempt.tap)
