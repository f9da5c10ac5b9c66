"""Lists of things for people."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

_GAP: Final = "  "
_MINUTE: Final = 60.0
_UNITS: Final = ((86_400.0, "d"), (3_600.0, "h"), (_MINUTE, "min"))


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as lines in columns, each as wide as it needs to be."""
    cells = [[cell.replace("\n", " ") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (_GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def span(seconds: float) -> str:
    """Return a duration in one unit: ``12.3 s``, ``4 min``, ``5 h`` or ``6 d``."""
    for length, unit in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.1f} s"


def between(begin: str | None, end: str | None, now: datetime) -> str:
    """Return how long it was between times (RFC 3339), or has been up to ``now``; empty if it never began."""
    if begin is None:
        return ""
    return span(((datetime.fromisoformat(end) if end else now) - datetime.fromisoformat(begin)).total_seconds())


def moment(time: str) -> str:
    """Return a time, RFC 3339, as ``2026-01-31 12:00:00 UTC``."""
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def descent(child: str, parent: str) -> str:
    """Return what the run of an async stage is, in words; empty for other runs. Not all have a ``parent``."""
    return f"async stage {child}{f' of run {parent}' if parent else ''}" if child else ""
