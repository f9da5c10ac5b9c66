"""What the steps of a run have returned, and what they ask for: the files of ``layout.RETURNS``, for the engine.

Steps can put anything there by hand. What means nothing is left out, and so is what nobody could use: more than
``LONGEST_VALUE`` bytes, text with NUL characters, JSON that is none or is nested deeper than ``DEEPEST``. The shim
refuses to write any of it, so that a step hears of it.
"""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import field
from enum import StrEnum
from itertools import count
from typing import Final, TypeVar

from runner.pipelinectl.layout import LONGEST_KEY, LONGEST_VALUE, Kind, decoded, encoded
from runner.records import record

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

DEEPEST: Final = 256
"""How many lists and maps may stand in one another, as for the shim."""
LONGEST_MESSAGE: Final = 4096
"""How many bytes the message of a wish has at most."""

_OF_ATTEMPTS: Final = frozenset({Kind.PRIMARY, Kind.WISH})
_OF_KEYS: Final = frozenset({Kind.NAMED, Kind.GLOBAL, Kind.LINK})

_T = TypeVar("_T")


class Asked(StrEnum):
    """What a step can ask for; ``STOP`` means something in an evaluation only."""

    SKIP = "skip"
    STOP = "stop"
    PAUSE = "pause"


@record
class Wish:
    """What a step asks for, and why; the message may have several lines."""

    asked: Asked
    message: str = ""


@record
class Returned:
    """What one attempt of a step has returned; ``primary`` is None also where it has returned nothing.

    Texts may hold bytes that are no UTF-8, as half surrogate pairs (``surrogateescape``). A number that no int or float
    can hold is its text.
    """

    primary: Json = None
    named: Mapping[str, str] = field(default_factory=dict)
    globals: Mapping[str, Json] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    wish: Wish | None = None


def returned(files: Mapping[str, bytes]) -> Mapping[str, Returned]:
    """Return what each attempt has returned, by its name (``naming.returns``), from the files of ``layout.RETURNS``.

    Attempts that have left nothing are not in it. An attempt is read when it is asked for, so that a run of many steps
    can call this after each of them.
    """
    return _Returns(files)


class _UnusableError(Exception):
    """A file, or the name of one, that means nothing."""


class _Returns(Mapping[str, Returned]):
    """The files by attempt, and those attempts that were asked for."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._read: dict[str, Returned] = {}
        self._names: defaultdict[str, list[str]] = defaultdict(list)
        for name in sorted(files):
            kind, _, place = name.partition(".")
            attempt, comma, _ = place.partition(",")
            if attempt and kind in (_OF_KEYS if comma else _OF_ATTEMPTS):
                self._names[attempt].append(name)

    def __getitem__(self, attempt: str) -> Returned:
        if attempt not in self._read:
            if attempt not in self._names:
                raise KeyError(attempt)
            self._read[attempt] = self._of(attempt)
        return self._read[attempt]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def _of(self, attempt: str) -> Returned:
        return Returned(
            primary=self._found(Kind.PRIMARY, attempt, _value),
            named=self._by_key(Kind.NAMED, attempt, _text),
            globals=self._by_key(Kind.GLOBAL, attempt, _value),
            links=self._by_key(Kind.LINK, attempt, _text),
            wish=self._found(Kind.WISH, attempt, _wish),
        )

    def _found(self, kind: Kind, attempt: str, read: Callable[[bytes], _T]) -> _T | None:
        content = self._files.get(f"{kind}.{attempt}")
        try:
            return None if content is None else read(content)
        except _UnusableError:
            return None

    def _by_key(self, kind: Kind, attempt: str, read: Callable[[bytes], _T]) -> dict[str, _T]:
        found: dict[str, _T] = {}
        beginning = f"{kind}.{attempt},"
        for name in self._names[attempt]:
            if name.startswith(beginning):
                with suppress(_UnusableError):
                    found[self._key(name.removeprefix(beginning))] = read(self._files[name])
        return found

    def _key(self, name: str) -> str:
        key = decoded(name, self._files)
        # Every key has one name: what another name leads to was put there by hand.
        if key is None or not 0 < len(key) <= LONGEST_KEY or b"\0" in key or encoded(key) != name:
            raise _UnusableError
        return key.decode("utf-8", "surrogateescape")


def _text(content: bytes) -> str:
    return _plain(content.removesuffix(b"\n"))


def _plain(content: bytes) -> str:
    if len(content) > LONGEST_VALUE or b"\0" in content:
        raise _UnusableError
    return content.decode("utf-8", "surrogateescape")


def _value(content: bytes) -> Json:
    kind, newline, value = content.partition(b"\n")
    if not newline or kind not in (b"text", b"json"):
        raise _UnusableError
    return _plain(value) if kind == b"text" else _json(_plain(value))


def _json(text: str) -> Json:
    try:
        found: Json = json.loads(text, parse_int=_integer, parse_float=_number, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise _UnusableError from error
    _check(found)
    return found if "\\ud" not in text.lower() else _whole(found)


def _whole(value: Json) -> Json:
    """Return a value in which half a character, as JSON can spell one, has become ``?`` (as ``layout.raw``)."""
    text = json.dumps(value, ensure_ascii=False)
    found: Json = json.loads(text.encode("utf-8", "replace").decode())
    return found


def _check(value: Json) -> None:
    level = [value]
    for depth in count():
        if any(isinstance(part, str) and "\0" in part for part in level):
            raise _UnusableError
        wholes = [part for part in level if isinstance(part, list | dict)]
        if not wholes:
            return
        if depth == DEEPEST:
            raise _UnusableError
        level = [part for whole in wholes for part in _parts(whole)]


def _parts(whole: list[Json] | dict[str, Json]) -> list[Json]:
    return [*whole, *whole.values()] if isinstance(whole, dict) else whole


def _integer(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


def _number(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _constant(text: str) -> Json:
    raise ValueError(f"{text} is no JSON")


def _wish(content: bytes) -> Wish:
    asked, _, message = content.partition(b"\n")
    if len(message) > LONGEST_MESSAGE:
        raise _UnusableError
    try:
        return Wish(asked=Asked(asked.decode("ascii", "replace")), message=_plain(message).strip())
    except ValueError as error:
        raise _UnusableError from error
