"""What wakes the thread that drives a run."""

import queue
from dataclasses import dataclass

from runner.engine.cancel import Stop
from runner.naming import Address


@dataclass(frozen=True)
class StageEnded:
    """The thread of a stage has come to its end."""

    stage: str


@dataclass(frozen=True)
class Woken:
    """A container beside the steps may have ended."""

    address: Address


@dataclass(frozen=True)
class Prepared:
    """One of the things that a run needs before its first stage is there, or has failed."""


Messages = queue.SimpleQueue[Stop | StageEnded | Woken | Prepared]
"""Its ``put`` is safe even in a signal handler."""
