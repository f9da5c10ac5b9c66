"""How references are resolved."""

import json
from collections.abc import Callable
from functools import partial
from typing import Final

from runner.plan.mapping import lacks
from runner.plan.mapping.lacks import MissingError
from runner.plan.mapping.references import Choice, Embedded, MappingError, Part, Reference, Text, read, read_path, shown
from runner.plan.mapping.scope import Scope
from runner.plan.model import Json

_MOST_WORK: Final = 4 * 1024 * 1024  # characters of texts, and values of lists and maps, that are put together
_DEEPEST: Final = 32  # references on the way to a value
_NAMED: Final = "namedReturns"
_RESPONSE: Final = {"primaryReturn", _NAMED}
_PARTS: Final = {"@": ("primaryReturn",), "#": (_NAMED,)}
_LAST: Final = "laststepid"
TOO_DEEP: Final = "lists and maps stand too deep within each other"


class Resolution:
    """Finds out what references mean in one scope. It counts its work: hostile texts must not take the machine."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._known: dict[str | Reference, Json | MissingError] = {}
        self._way: list[str] = []
        self._work = 0

    def value(self, value: Json) -> Json:
        """Return texts, and lists and maps of such, with what they mean."""
        match value:
            case str():
                return self.text(value)
            case list():
                return [self._item(item) for item in value]
            case dict():
                return {name: self._item(item) for name, item in value.items()}
            case _:
                return value

    def text(self, text: str) -> Json:
        """Return what a text means: in one scope always the same."""
        return self._once(text, lambda: self._led(text))

    def path(self, text: str) -> Json:
        """Return what a text means in whose place a path may stand."""
        return self._first(text, read_path(text))

    def _once(self, what: str | Reference, find: Callable[[], Json]) -> Json:
        known = self._known.get(what)
        if known is None:  # as nothing that was found is
            try:
                known = find()
            except MissingError as missing:
                known = missing
            self._known[what] = known
        if isinstance(known, MissingError):
            raise known.with_traceback(None)
        return known

    def _led(self, text: str) -> Json:
        if text in self._way:
            way = " -> ".join(map(shown, [*self._way[self._way.index(text) :], text]))
            raise MappingError(f"references lead in a circle: {way}", hint="let one of them refer to something else")
        if len(self._way) == _DEEPEST:
            message = f"{shown(self._way[0])} leads over more than {_DEEPEST} other references"
            raise MappingError(message, hint="refer to what is meant at once")
        self._way.append(text)
        try:
            return self._first(text, read(text))
        finally:
            self._way.pop()

    def _first(self, source: str, choices: tuple[Choice, ...]) -> Json:
        """Return the first choice that there is."""
        if len(choices) == 1 and isinstance(choices[0], Text):
            return self._together(choices[0])
        missing: list[MissingError] = []
        for choice in choices:
            try:
                return self._together(choice) if isinstance(choice, Text) else self._reference(choice)
            except MissingError as error:
                missing.append(error)
        raise MissingError(partial(lacks.choices, source, missing))

    def _together(self, text: Text) -> Json:
        pieces = [piece for piece in text.pieces if piece]
        if len(pieces) == 1 and isinstance(pieces[0], Embedded):
            return self._first(pieces[0].source, pieces[0].choices)
        return "".join(piece if isinstance(piece, str) else self._written(piece) for piece in pieces)

    def _written(self, embedded: Embedded) -> str:
        found = self._first(embedded.source, embedded.choices)
        self._count(found)
        return text_of(found)

    def _item(self, value: Json) -> Json:
        found = self.value(value)
        if found is not value and isinstance(value, str):
            self._count(found)
        return found

    def _reference(self, reference: Reference) -> Json:
        mark, path = reference.mark, reference.path
        return self._once(reference, lambda: self._global(path) if mark == "!" else self._entry(mark, path))

    def _global(self, path: tuple[Part, ...]) -> Json:
        scope, name = self._scope, str(path[0])
        if name in scope.links:
            link = scope.links[name]
            return self._walk(path, self._behind("link", name, link) if isinstance(link, str) else link)
        if name in scope.globals:
            return self._walk(path, scope.globals[name])
        if name in scope.own:
            return self._walk(path, scope.own[name], raw=True)
        raise MissingError(lambda: lacks.unknown(name, [*scope.links, *scope.globals, *scope.own]))

    def _entry(self, mark: str, path: tuple[Part, ...]) -> Json:
        """Return what is in the returns of a step of the same execution."""
        pipeline, name, rest = self._named(path)
        entries = self._scope.responses.get(pipeline, {})
        if name not in entries:
            told = lacks.pipeline if rest and isinstance(rest[0], str) and path[0] == name else lacks.entry
            raise MissingError(partial(told, mark, pipeline, name, entries.keys()))
        part = _PARTS.get(mark, ())
        return self._walk(("", "pipelineParameters", pipeline, name, *part, *rest), entries[name], begin=4)

    def _named(self, path: tuple[Part, ...]) -> tuple[str, str, tuple[Part, ...]]:
        """Return pipeline and name of the entry that a path begins with, and the rest of the path."""
        first, rest = str(path[0]), path[1:]
        if first.lower() == _LAST:
            if self._scope.last is None:
                raise MissingError(lambda: "no step has run before")
            return (*self._scope.last, rest)
        if rest and isinstance(rest[0], str) and first in self._scope.responses:
            return first, rest[0], rest[1:]
        return self._scope.pipeline, first, rest

    def _walk(self, path: tuple[Part, ...], value: Json, *, begin: int = 1, raw: bool = False) -> Json:
        """Return what a path from there on leads to; with ``raw`` the texts that it meets may be references."""
        for depth in range(begin, len(path)):
            if raw and isinstance(value, str):
                value, raw = self._behind("global", path[0], value), False
            found = _at(value, path[depth])
            if found is None:
                raise MissingError(partial(lacks.part, path[: depth + 1], value))
            value = found
        if value is None:
            raise MissingError(partial(lacks.null, path))
        return self._behind("global", path[0], value) if raw else value

    def _behind(self, what: str, name: Part, value: Json) -> Json:
        """Return what a value means to which a link or a global leads."""
        try:
            return self.value(value)
        except MissingError as missing:
            raise MissingError(partial(lacks.behind, what, name, missing)) from None

    def _count(self, value: Json) -> None:
        """Count what is put together, since it may be put together again and again."""
        self._work += _weight(value, _MOST_WORK - self._work)
        if self._work > _MOST_WORK:
            raise _too_much()


def _at(value: Json, part: Part) -> Json:
    """Return a part of data; None where there is none, and for a part of a text."""
    if isinstance(value, dict) and isinstance(part, str):
        # Metalus documents the one word and reads the other.
        word = _NAMED if part == "namedReturn" and value.keys() <= _RESPONSE else part
        return value.get(word)
    if isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value):
        return value[part]
    return None


def _weight(value: Json, most: int) -> int:
    """Return how many characters and values data have; where these are more than ``most``, some number above that.

    Data that stand in several places count in each: written, what stages hand on doubles with each two that are joined.
    """
    waiting, found = [value], 0
    while waiting and found <= most:
        each = waiting.pop()
        found += 1
        match each:
            case str():
                found += len(each)
            case list():
                waiting += each
            case dict():
                waiting += [*each.keys(), *each.values()]
            case _:
                pass
    return found


def _too_much() -> MappingError:
    message = f"this comes to more than {_MOST_WORK:,} characters"
    return MappingError(message, hint="hand so much data on in a file")


def text_of(value: Json) -> str:
    """Return data as a text: ``true``, ``42``, a text as it is, lists and maps as JSON without blanks.

    Raises:
        MappingError: it is nested too deep, or is too much.
    """
    if isinstance(value, str):
        return value
    if _weight(value, _MOST_WORK) > _MOST_WORK:
        raise _too_much()
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError as error:
        raise MappingError(TOO_DEEP) from error
