"""What an unquoted word is to go-yaml v3: a text, or a value of another type, which is then written in Go's form.

As ``resolve.go`` of go.yaml.in/yaml v3.0.4: only ``true`` and ``false`` are booleans (``yes`` is a text), ``0755`` and
``0o755`` are octal, underscores in a number mean nothing, and a number too large for its type is the next larger type.
"""

import math
import re
from dataclasses import dataclass
from datetime import date, time
from typing import Final, TypeAlias

from runner.dialects.nodes import Scalar


@dataclass(frozen=True, kw_only=True, slots=True)
class Timestamp:
    """A date or time; ``text`` is in RFC 3339, with the fraction and the time zone that were written."""

    text: str


Value: TypeAlias = bool | int | float | Timestamp | str | None

_WORDS: Final[dict[str, bool | float]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((sign + word for sign in ("", "+") for word in (".inf", ".Inf", ".INF")), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_NUMERIC_START: Final = frozenset("+-0123456789")
# A decimal is bounded, since Python refuses to read a very long one.
_INTEGERS: Final = (
    (10, re.compile("[-+]?[1-9][0-9]{0,19}")),
    (8, re.compile("[-+]?0(?:[oO]?[0-7]+)?")),
    (16, re.compile("[-+]?0[xX][0-9a-fA-F]+")),
    (2, re.compile("[-+]?0[bB][01]+")),
)
_DIGITS: Final = "[0-9]+(?:_[0-9]+)*"
_FLOAT: Final = re.compile(rf"[-+]?(?:\.{_DIGITS}|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?{_DIGITS})?")
_TIMESTAMP: Final = re.compile(
    "([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?:[Tt]|(?P<blank> +))([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,](?P<fraction>[0-9]+))?"
    "(?(blank)|(?P<zone>Z|[-+][0-9]{2}:[0-9]{2})))?"
)
_MAX_ZONE: Final = (24, 60)  # in hours and minutes, as Go's time package has it


def typed(scalar: Scalar) -> Value:
    """Return the value of a scalar; of one with quotes, and of any word that means nothing else, its text."""
    text = scalar.text
    if not scalar.plain:
        return text
    if scalar.is_null:
        return None
    if text in _WORDS:
        return _WORDS[text]
    timestamp = _timestamp(text)
    if timestamp is not None:
        return timestamp
    number = _number(text.replace("_", "") if text[0] in _NUMERIC_START else text)
    return text if number is None else number


def _number(text: str) -> int | float | None:
    integer = _integer(text)
    if integer is not None:
        return integer
    value = float(text) if _FLOAT.fullmatch(text) else math.inf
    return None if math.isinf(value) else value


def _integer(text: str) -> int | None:
    """Return a number of 64 bits, of which one without a sign uses all for itself."""
    base = next((base for base, pattern in _INTEGERS if pattern.fullmatch(text)), None)
    if base is None:
        return None
    value, limit = int(text, base), 2**64 if text[0].isdigit() else 2**63
    return value if -limit <= value < limit else None


def _timestamp(text: str) -> Timestamp | None:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.group(1, 2, 3, 5, 6, 7))
    try:
        date(2000 + year % 400, month, day)  # the calendar repeats itself, and has a year 0 only in Go
        time(hour, minute, second)
    except ValueError:
        return None
    zone = _zone(match["zone"] or "Z")
    fraction = (match["fraction"] or "")[:9].rstrip("0")
    clock = f"{hour:02}:{minute:02}:{second:02}{'.' if fraction else ''}{fraction}"
    return None if zone is None else Timestamp(text=f"{year:04}-{month:02}-{day:02}T{clock}{zone}")


def _zone(text: str) -> str | None:
    """Return a time zone as RFC 3339 writes it; None when it is none."""
    if text == "Z":
        return text
    hours, minutes = int(text[1:3]), int(text[4:])
    if hours > _MAX_ZONE[0] or minutes > _MAX_ZONE[1]:
        return None
    hours, minutes = divmod(hours * 60 + minutes, 60)
    return f"{text[0]}{hours:02}:{minutes:02}" if hours or minutes else "Z"
