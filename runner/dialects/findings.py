"""What is wrong in a file, collected while it is read, so that a user hears of everything at once."""

import difflib
from collections.abc import Iterable
from typing import Final, NoReturn

from runner.errors import Finding, InvalidPipelineError, Place, Severity

MAX_ERRORS: Final = 100
_SHOWN: Final = 60


class Findings:
    """Collects the errors and warnings of one file, from the loader and then from the dialect.

    It is not endless: the 100th error ends the reading, since whoever has so many did not write a pipeline. What is
    wrong in a map that several aliases stand for is told once.
    """

    def __init__(self) -> None:
        self._items: list[Finding] = []
        self._seen: set[Finding] = set()
        self._errors = 0

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
            self.warning(place, f"{MAX_ERRORS} errors; the rest of the file was not read", "correct these first")
            self.raise_if_errors()

    def warning(self, place: Place, message: str, hint: str = "") -> None:
        """Record what is probably not meant."""
        self._append(Finding(place=place, message=message, hint=hint, severity=Severity.WARNING))

    def fail(self, place: Place, message: str, hint: str = "") -> NoReturn:
        """Record an error after which nothing more can be read, and raise InvalidPipelineError with all findings."""
        self._append_error(place, message, hint)
        raise InvalidPipelineError(self._items)

    def raise_if_errors(self) -> None:
        """Raise InvalidPipelineError with all findings, warnings too, if one of them is an error."""
        if self._errors:
            raise InvalidPipelineError(self._items)

    def _append_error(self, place: Place, message: str, hint: str) -> None:
        if self._append(Finding(place=place, message=message, hint=hint)):
            self._errors += 1

    def _append(self, finding: Finding) -> bool:
        """Add a finding, and return whether it is new."""
        if finding in self._seen:
            return False
        self._seen.add(finding)
        self._items.append(finding)
        return True


def quoted(text: str) -> str:
    """Return a user's text as messages show it: in quotes, on one line, without control characters, not endless."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


def nearest(name: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the known name that the given one is probably a slip of, whatever its case; None when none is near.

    ``likeness`` is from 0 to 1, where only the same will do.
    """
    if len(name) > _SHOWN:  # comparing costs the product of the lengths, and nobody mistypes that much
        return None
    originals = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), originals, n=1, cutoff=likeness)
    return originals[matches[0]] if matches else None
