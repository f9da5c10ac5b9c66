"""A clock that stands still while it is held."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from runner.clock import Clock


class Stopwatch:
    """A clock for the time limits of a stage, which do not count the time that a person takes. One thread holds it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held = 0.0

    def now(self) -> datetime:
        """Return the time of day, which nobody holds."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return seconds, less those for which it was held."""
        return self._clock.monotonic() - self._held

    @contextmanager
    def held(self) -> Iterator[None]:
        """Count nothing until the end of the block."""
        begun = self._clock.monotonic()
        try:
            yield
        finally:
            self._held += self._clock.monotonic() - begun
