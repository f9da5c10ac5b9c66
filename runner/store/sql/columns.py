"""How values of ours stand in columns, the same in every database.

SQLite does not hold a column to its type: a flipped bit can make bytes of a text. So what is read is looked at, and
what it cannot be is damage that is told as such.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

from sqlalchemy import Dialect, Double, Integer, LargeBinary, Text
from sqlalchemy.types import TypeDecorator

from runner.errors import StoreError

T = TypeVar("T")

_MARK = "\x1a"
_FOREIGN = re.compile("[\0\x1a\ud800-\udfff]")
_ENCODED = re.compile("\x1a([0-9a-f]{4})")


def encoded(text: str) -> str:
    """Return text that every database takes; ordinary text stays as it is, and different texts stay different.

    PostgreSQL takes no NUL, and neither it nor SQLite half a surrogate pair. Each of these, and the control character
    SUB itself, becomes SUB and four hexadecimal digits.
    """
    return _FOREIGN.sub(lambda found: f"{_MARK}{ord(found[0]):04x}", text)


def decoded(text: str) -> str:
    """Return the text that ``encoded`` was given."""
    return _ENCODED.sub(lambda found: chr(int(found[1], 16)), text) if _MARK in text else text


class _Value(TypeDecorator[T]):
    """A value that the database holds as ``stored``, written by ``write`` and read by ``read``."""

    stored: ClassVar[type | tuple[type, ...]]

    def write(self, value: T) -> Any:  # noqa: ANN401 - whatever the database takes
        """Return what is stored."""
        return value

    def read(self, value: Any) -> T:  # noqa: ANN401 - whatever the database gives
        """Return what was written; raises ValueError where it cannot have been."""
        found: T = value
        return found

    def process_bind_param(self, value: T | None, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002 - as SQLAlchemy has it
        """Write it."""
        return None if value is None else self.write(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any | None], T | None]:  # noqa: ARG002 - as above
        """Return what reads it: in the place of the type's own, which trusts the database."""
        return self._checked

    def _checked(self, value: Any | None) -> T | None:  # noqa: ANN401 - as above
        if value is None:
            return None
        try:
            if isinstance(value, self.stored):
                return self.read(value)
            reason = f"a {type(value).__name__} stands where none can be"
        except (ValueError, OverflowError, OSError) as error:
            reason = str(error)
        raise StoreError(
            f"the database is damaged: {reason}", hint="move it aside and start again; it cannot be trusted"
        )


class Words(_Value[str]):
    """Any text that Python can hold."""

    impl = Text
    cache_ok = True
    stored = str

    def write(self, value: str) -> str:
        """Encode what is written, and what is compared."""
        return encoded(value)

    def read(self, value: str) -> str:
        """Decode what is read."""
        return decoded(value)


class Texts(_Value[Mapping[str, str]]):
    """Texts by name, as a JSON object."""

    impl = Text
    cache_ok = True
    stored = str

    def write(self, value: Mapping[str, str]) -> str:
        """Write the object, in ASCII."""
        return json.dumps(dict(value))

    def read(self, value: str) -> dict[str, str]:
        """Read the object."""
        found = json.loads(value)
        if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
            raise ValueError("texts by name are to stand where something else does")
        return found


class Choice(_Value[StrEnum]):
    """A word of a vocabulary."""

    impl = Text
    cache_ok = True
    stored = str

    def __init__(self, vocabulary: type[StrEnum]) -> None:
        super().__init__()
        self.vocabulary = vocabulary

    def write(self, value: StrEnum) -> str:
        """Write the word."""
        return value.value

    def read(self, value: str) -> StrEnum:
        """Read the word, if there is such."""
        return self.vocabulary(value)


class Moment(_Value[datetime]):
    """A point in time, as seconds since 1970 in UTC."""

    impl = Double
    cache_ok = True
    stored = (float, int)

    def write(self, value: datetime) -> float:
        """Write the seconds."""
        return value.timestamp()

    def read(self, value: float) -> datetime:
        """Read the time, in UTC."""
        return datetime.fromtimestamp(value, UTC)


class Seconds(_Value[float]):
    """A number of seconds."""

    impl = Double
    cache_ok = True
    stored = (float, int)


class Count(_Value[int]):
    """A whole number."""

    impl = Integer
    cache_ok = True
    stored = int


class Sealed(_Value[bytes]):
    """Bytes."""

    impl = LargeBinary
    cache_ok = True
    stored = bytes
