"""The values of our own keys: durations, attempts, amounts of memory and of processors."""

import re

from runner.errors import quoted

_UNITS = {"h": 3600, "m": 60, "s": 1}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_SECONDS = re.compile(_NUMBER)
_WITH_UNITS = re.compile(rf"(?:({_NUMBER})h)?(?:({_NUMBER})m)?(?:({_NUMBER})s)?")
_LONGEST = 366 * 24 * 3600
_MOST_ATTEMPTS = 10
_MEMORY = re.compile(r"([0-9]{1,15})(?:([kmg]?)i?b?)?", re.IGNORECASE)
_SCALES = {"": 0, "k": 10, "m": 20, "g": 30}
_LEAST_MEMORY = 6 * 1024**2  # below, no engine starts a container
_LEAST_PIDS = 3  # init, the shell, and what it starts
_LEAST_CPUS, _MOST_CPUS = 0.01, 4096
_RIGHT = "write seconds, or a duration such as 90s, 5m or 1h30m; 0 means no timeout"


class BadValueError(ValueError):
    """A value that cannot be; ``hint`` says what would be right."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def timeout(text: str) -> float | None:
    """Return the seconds of ``30``, ``90s``, ``5m``, ``1h30m`` or ``1.5s``; None for 0, which means no timeout.

    Raises BadValueError for anything else, and for more than a year.
    """
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    elif text and (parts := _WITH_UNITS.fullmatch(text)):
        seconds = sum(float(part) * unit for part, unit in zip(parts.groups("0"), _UNITS.values(), strict=True))
    else:
        raise BadValueError(f"{quoted(text)} is not a duration", _RIGHT)
    if seconds > _LONGEST:
        raise BadValueError(f"{quoted(text)} is longer than a year", _RIGHT)
    return seconds or None


def retry(text: str) -> int:
    """Return how many further attempts there are after the first: 0 to 10.

    Raises BadValueError for anything else.
    """
    if not re.fullmatch(r"[0-9]{1,3}", text) or int(text) > _MOST_ATTEMPTS:
        hint = f"write how often to try again: 0 to {_MOST_ATTEMPTS}"
        raise BadValueError(f"{quoted(text)} is not a number of further attempts", hint)
    return int(text)


def memory(text: str) -> int:
    """Return the bytes of ``1048576``, ``512k``, ``64m`` or ``2GiB``; every unit counts in steps of 1024, as Docker's.

    Raises BadValueError for anything else, and for less than 6 MiB, with which no container starts.
    """
    found = _MEMORY.fullmatch(text)
    if found is None:
        raise BadValueError(
            f"{quoted(text)} is not an amount of memory", "write bytes, or an amount such as 512m or 2g"
        )
    size = int(found[1]) << _SCALES[(found[2] or "").lower()]
    if size < _LEAST_MEMORY:
        raise BadValueError(f"{quoted(text)} is less than any container needs", "write at least 6m")
    return size


def cpus(text: str) -> float:
    """Return a number of processors, such as 1.5. Raises BadValueError for anything else, and for none at all."""
    if not _SECONDS.fullmatch(text) or not _LEAST_CPUS <= float(text) <= _MOST_CPUS:
        raise BadValueError(f"{quoted(text)} is not a number of processors", "write a number such as 2 or 0.5")
    return float(text)


def count(text: str) -> int:
    """Return a number that is at least 1. Raises BadValueError for anything else."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise BadValueError(f"{quoted(text)} is not a number above 0", "write a whole number")
    return int(text)


def pids(text: str) -> int:
    """Return a number of processes. Raises BadValueError for one with which no container starts."""
    number = count(text)
    if number < _LEAST_PIDS:
        raise BadValueError(f"{quoted(text)} is less than any container needs", f"write at least {_LEAST_PIDS}")
    return number


def port(text: str) -> int:
    """Return the number of a TCP port. Raises BadValueError for anything else."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:  # noqa: PLR2004 - ports have 16 bits
        raise BadValueError(f"{quoted(text)} is not a port", "write a number from 1 to 65535")
    return int(text)
