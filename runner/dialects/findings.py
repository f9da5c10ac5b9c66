"""What is wrong in a file, collected while it is read, so that a user hears of everything at once."""

import difflib
from collections.abc import Collection, Iterable
from typing import Final, NoReturn

from runner.errors import Finding, InvalidPipelineError, Place, Severity, quoted

__all__ = ["Findings", "nearest", "quoted"]

MAX_ERRORS: Final = 100
MAX_WARNINGS: Final = 1000
_MOST_COMPARED: Final = 20_000
_MOST_WORK: Final = 4_000_000
LIKENESS: Final = 0.6
_LONGEST: Final = 60


class Findings:
    """Collects the errors and warnings of one file, from the loader and then from the dialect.

    It is not endless: the 100th error ends the reading, since whoever has so many did not write a pipeline, and after
    1000 warnings there are no more. What is wrong in a map that several aliases stand for is told once.
    """

    def __init__(self) -> None:
        self._items: list[Finding] = []
        self._seen: set[Finding] = set()
        self._errors = 0
        self._warnings = 0
        self._compared = 0
        self._work = 0

    @property
    def items(self) -> tuple[Finding, ...]:
        """All findings so far, in the order in which they were made."""
        return tuple(self._items)

    def error(self, place: Place, message: str, hint: str = "") -> None:
        """Record what makes the file invalid, and what would be right.

        Raises:
            InvalidPipelineError: with all findings, when there are too many errors to go on.
        """
        self._append_error(place, message, hint)
        if self._errors == MAX_ERRORS:
            self._append_warning(
                place, f"{MAX_ERRORS} errors; the rest of the file was not read", "correct these first"
            )
            self.raise_if_errors()

    def warning(self, place: Place, message: str, hint: str = "") -> None:
        """Record what is probably not meant."""
        if self._warnings < MAX_WARNINGS:
            self._append_warning(place, message, hint)
        elif self._warnings == MAX_WARNINGS:
            self._append_warning(place, f"{MAX_WARNINGS} warnings; there are more", "correct these first")

    def fail(self, place: Place, message: str, hint: str = "") -> NoReturn:
        """Record an error after which nothing more can be read, and raise InvalidPipelineError with all findings."""
        self._append_error(place, message, hint)
        raise InvalidPipelineError(self._items)

    def nearest(self, name: str, known: Collection[str], likeness: float = LIKENESS) -> str | None:
        """Return what ``nearest`` does, as long as the names of the file do not take too long to compare."""
        self._compared += len(known)
        return None if self._compared > _MOST_COMPARED else nearest(name, known, likeness)

    def work(self, place: Place, units: int) -> None:
        """Count work that reading the file takes, about 0.5 us a unit, and end the reading where it is too much.

        Raises:
            InvalidPipelineError: with all findings.
        """
        self._work += units
        if self._work > _MOST_WORK:
            self.fail(place, "the patterns up to here are too much work", "write fewer, or simpler ones")

    def raise_if_errors(self) -> None:
        """Raise InvalidPipelineError with all findings, warnings too, if one of them is an error."""
        if self._errors:
            raise InvalidPipelineError(self._items)

    def _append_error(self, place: Place, message: str, hint: str) -> None:
        if self._append(Finding(place=place, message=message, hint=hint)):
            self._errors += 1

    def _append_warning(self, place: Place, message: str, hint: str) -> None:
        if self._append(Finding(place=place, message=message, hint=hint, severity=Severity.WARNING)):
            self._warnings += 1

    def _append(self, finding: Finding) -> bool:
        """Add a finding, and return whether it is new."""
        if finding in self._seen:
            return False
        self._seen.add(finding)
        self._items.append(finding)
        return True


def nearest(name: str, known: Iterable[str], likeness: float = LIKENESS) -> str | None:
    """Return the known name that the given one is probably a slip of, whatever its case; None when none is near.

    ``likeness`` is from 0 to 1, where only the same will do.
    """
    if len(name) > _LONGEST:  # comparing costs the product of the lengths, and nobody mistypes that much
        return None
    originals = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), originals, n=1, cutoff=likeness)
    return originals[matches[0]] if matches else None
