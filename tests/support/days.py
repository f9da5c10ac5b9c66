"""A clock for stores, which stands until a test sets it."""

from datetime import UTC, datetime

NOW = datetime(2026, 3, 4, 5, 6, 7, 891011, UTC)


class Day:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        """Return the time that was set."""
        return self.time

    def monotonic(self) -> float:
        """Return it in seconds."""
        return self.time.timestamp()
