"""What a fake ``Backend.collect`` copies out: each file of a workspace has its own path as its content."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath


def copied(files: Sequence[str], patterns: Sequence[str], target: Path, ask: Callable[[], None]) -> tuple[str, ...]:
    """Write the files that match below ``target``; ``ask`` is called before each. Returns what matched nothing."""
    notes: list[str] = []
    for pattern in patterns:
        found = [path for path in files if fnmatchcase(path, f"*{pattern}") and not _hidden(path)]
        for path in found:
            ask()
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_text(path, encoding="utf-8")
        if not found:
            notes.append(f"no file matches {pattern!r}")
    return tuple(notes)


def _hidden(path: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(path).parts)
