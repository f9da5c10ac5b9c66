"""Whether code gives back the files that it opens."""

from pathlib import Path


def open_files() -> int:
    """Return how many file descriptors this process holds."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
