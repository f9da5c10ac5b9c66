"""The values of our own keys ``timeout`` and ``retry``."""

import re

_UNITS = {"h": 3600, "m": 60, "s": 1}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_SECONDS = re.compile(_NUMBER)
_WITH_UNITS = re.compile(rf"(?:({_NUMBER})h)?(?:({_NUMBER})m)?(?:({_NUMBER})s)?")
_LONGEST = 366 * 24 * 3600
_MOST_ATTEMPTS = 10
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
        raise BadValueError(f"{text!r} is not a duration", _RIGHT)
    if seconds > _LONGEST:
        raise BadValueError(f"{text!r} is longer than a year", _RIGHT)
    return seconds or None


def retry(text: str) -> int:
    """Return how many further attempts there are after the first: 0 to 10.

    Raises BadValueError for anything else.
    """
    if not re.fullmatch(r"[0-9]{1,3}", text) or int(text) > _MOST_ATTEMPTS:
        hint = f"write how often to try again: 0 to {_MOST_ATTEMPTS}"
        raise BadValueError(f"{text!r} is not a number of further attempts", hint)
    return int(text)
