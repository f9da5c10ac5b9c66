"""What a store holds, told to people and programs: the ``values`` of a run's document."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from runner.pipelinectl.layout import decoded

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, kw_only=True)
class Store:
    """A store (``layout``) as it was read: the content of its files by name, and the bytes of those not read.

    These are of the kinds ``f`` and ``t``, which can be as large as a disk.
    """

    contents: Mapping[str, bytes] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)


class Values(TypedDict):
    """The document. Programs rely on its names; what is no UTF-8 is shown as U+FFFD.

    ``env`` holds what ``set_env`` and ``set_envc`` have left, ``constants`` the keys of the latter, ``exported`` those
    that ``export_env`` has marked. Of files there are only the sizes, in bytes.
    """

    env: dict[str, str]
    constants: list[str]
    exported: list[str]
    repos: dict[str, dict[str, str]]
    artifacts: dict[str, dict[str, str]]
    data: dict[str, dict[str, str]]
    files: dict[str, int]
    results: dict[str, dict[str, int]]
    assets: list[Json]
    evidence: list[Json]
    collected: list[Json]


def values_of(store: Store, redact: Callable[[str], str] = str) -> Values:
    """Return what a store holds; whatever steps have put there that means nothing is left out.

    Every text goes through ``redact``, names too.
    """
    found = _Reading(store, redact)
    constants = found.texts("c")
    return {
        "env": found.texts("e") | constants,
        "constants": list(constants),
        "exported": found.keys("x"),
        "repos": found.properties("r"),
        "artifacts": found.properties("a"),
        "data": found.properties("d"),
        "files": {key: size for (key, _), size in found.sizes("f")},
        "results": found.results(),
        "assets": found.entries("j", _entry),
        "evidence": found.entries("v", _entry),
        "collected": found.entries("n", _document),
    }


class _Reading:
    """A store while it is read."""

    def __init__(self, store: Store, redact: Callable[[str], str]) -> None:
        self._store = store
        self._redact = redact

    def texts(self, kind: str) -> dict[str, str]:
        return {key: self._text(content) for (key, part), content in self._of(kind) if part is None}

    def keys(self, kind: str) -> list[str]:
        return [key for (key, part), _ in self._of(kind) if part is None]

    def properties(self, kind: str) -> dict[str, dict[str, str]]:
        found: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for (key, part), content in self._of(kind):
            found[key] |= {} if part is None else {part: self._text(content)}
        return dict(found)

    def sizes(self, kind: str) -> Iterator[tuple[tuple[str, str | None], int]]:
        for name, size in sorted(self._store.sizes.items()):
            if (parts := self._parts(kind, name)) is not None:
                yield parts, size

    def results(self) -> dict[str, dict[str, int]]:
        found: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for (stage, file), size in self.sizes("t"):
            if file is not None:
                found[stage][file] = size
        return dict(found)

    def entries(self, kind: str, read: Callable[[str], Json]) -> list[Json]:
        found: list[Json] = []
        for name, content in sorted(self._store.contents.items()):
            if name.startswith(f"{kind}."):
                try:
                    found.append(self._clean(read(content.decode("utf-8", "replace"))))
                except (ValueError, RecursionError):
                    continue
        return found

    def _of(self, kind: str) -> Iterator[tuple[tuple[str, str | None], bytes]]:
        for name, content in sorted(self._store.contents.items()):
            if (parts := self._parts(kind, name)) is not None:
                yield parts, content

    def _parts(self, kind: str, name: str) -> tuple[str, str | None] | None:
        """Return key and property of a file of this kind; None for others, and for names that mean nothing."""
        if not name.startswith(f"{kind}."):
            return None
        first, comma, second = name[2:].partition(",")
        key = decoded(first, self._store.contents)
        part = decoded(second, self._store.contents) if comma else b""
        if key is None or part is None:
            return None
        return self._shown(key), self._shown(part) if comma else None

    def _text(self, content: bytes) -> str:
        return self._shown(content.removesuffix(b"\n"))

    def _shown(self, data: bytes) -> str:
        return self._redact(data.decode("utf-8", "replace"))

    def _clean(self, value: Json) -> Json:
        match value:
            case str():
                return self._redact(value)
            case list():
                return [self._clean(item) for item in value]
            case dict():
                return {self._redact(name): self._clean(item) for name, item in value.items()}
            case _:
                return value


def _entry(content: str) -> Json:
    """Return the JSON object of an asset or an evidence."""
    _, _, document = content.partition("\n")
    return _document(document + "}")


def _document(content: str) -> Json:
    found: Json = json.loads(content)
    return found
