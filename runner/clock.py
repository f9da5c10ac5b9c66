"""Time: one clock for people, one for deadlines."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the engine needs to know of time; tests inject their own."""

    def now(self) -> datetime:
        """Return the time of day in UTC, for people to read; it may jump."""

    def monotonic(self) -> float:
        """Return seconds that only ever grow, for every deadline and duration."""


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> datetime:
        """Return the time of day in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()


@dataclass(frozen=True)
class Deadline:
    """A point in monotonic time; without seconds it never comes."""

    seconds: float | None
    clock: Clock = field(default_factory=SystemClock)
    begun: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "begun", self.clock.monotonic())

    @property
    def remaining(self) -> float | None:
        """Seconds left, never below zero; None when there is no limit."""
        if self.seconds is None:
            return None
        return max(0.0, self.begun + self.seconds - self.clock.monotonic())

    @property
    def passed(self) -> bool:
        """Whether the point has come."""
        return self.remaining == 0.0
