"""What a store holds, told to people and programs: the ``values`` of a run's document."""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from typing import NotRequired, TypedDict

from runner.pipelinectl.layout import Kind, decoded
from runner.pipelinectl.returns import returned
from runner.records import record

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@record
class Store:
    """A store (``layout``) as it was read: the content of its files by name, and the bytes of those not read.

    These are of the kinds ``f`` and ``t``, which can be as large as a disk. ``returned`` are the files of the returns
    beside it.
    """

    contents: Mapping[str, bytes] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    returned: Mapping[str, bytes] = field(default_factory=dict)


class Returns(TypedDict):
    """What an attempt has returned: ``primary`` is None where it has not."""

    primary: Json
    named: dict[str, str]
    globals: dict[str, Json]
    links: dict[str, str]


class Values(TypedDict):
    """The document. Programs rely on its names.

    What is no UTF-8 is shown as U+FFFD, and a number that no float holds as text. ``env`` holds what ``set_env`` and
    ``set_envc`` have left, ``constants`` the keys of the latter, ``exported`` those that ``export_env`` has marked. Of
    files there are only the sizes, in bytes. ``returns`` are those of attempts by ``naming.returns``.
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
    returns: NotRequired[dict[str, Returns]]


def values_of(store: Store, redact: Callable[[str], str] = str) -> Values:
    """Return what a store holds; whatever steps have put there that means nothing is left out.

    Every text goes through ``redact``, names too.
    """
    found = _Reading(store, redact)
    constants = found.texts(Kind.CONSTANT)
    return {
        "env": found.texts(Kind.VALUE) | constants,
        "constants": list(constants),
        "exported": found.keys(Kind.EXPORTED),
        "repos": found.properties(Kind.REPOSITORY),
        "artifacts": found.properties(Kind.ARTIFACT),
        "data": found.properties(Kind.DATA),
        "files": {key: size for (key, _), size in found.sizes(Kind.FILE)},
        "results": found.results(),
        "assets": found.entries(Kind.ASSET, _entry),
        "evidence": found.entries(Kind.EVIDENCE, _entry),
        "collected": found.entries(Kind.CALL, _document),
        "returns": found.returns(),
    }


class _Reading:
    """A store while it is read."""

    def __init__(self, store: Store, redact: Callable[[str], str]) -> None:
        self._store = store
        self._redact = redact

    def texts(self, kind: Kind) -> dict[str, str]:
        return {key: self._text(content) for (key, part), content in self._of(kind) if part is None}

    def keys(self, kind: Kind) -> list[str]:
        return [key for (key, part), _ in self._of(kind) if part is None]

    def properties(self, kind: Kind) -> dict[str, dict[str, str]]:
        found: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for (key, part), content in self._of(kind):
            found[key] |= {} if part is None else {part: self._text(content)}
        return dict(found)

    def sizes(self, kind: Kind) -> Iterator[tuple[tuple[str, str | None], int]]:
        for name, size in sorted(self._store.sizes.items()):
            if (parts := self._parts(kind, name)) is not None:
                yield parts, size

    def results(self) -> dict[str, dict[str, int]]:
        found: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for (stage, file), size in self.sizes(Kind.RESULT):
            if file is not None:
                found[stage][file] = size
        return dict(found)

    def entries(self, kind: Kind, read: Callable[[str], Json]) -> list[Json]:
        found: list[Json] = []
        for name, content in sorted(self._store.contents.items()):
            if name.startswith(f"{kind}."):
                try:
                    found.append(self._clean(read(content.decode("utf-8", "surrogateescape"))))
                except (ValueError, RecursionError):
                    continue
        return found

    def returns(self) -> dict[str, Returns]:
        return {
            key: {
                "primary": self._clean(each.primary),
                "named": {self._clean_text(name): self._clean_text(text) for name, text in each.named.items()},
                "globals": {self._clean_text(name): self._clean(value) for name, value in each.globals.items()},
                "links": {self._clean_text(name): self._clean_text(text) for name, text in each.links.items()},
            }
            for key, each in returned(self._store.returned).items()
            if each.primary is not None or each.named or each.globals or each.links
        }

    def _of(self, kind: Kind) -> Iterator[tuple[tuple[str, str | None], bytes]]:
        for name, content in sorted(self._store.contents.items()):
            if (parts := self._parts(kind, name)) is not None:
                yield parts, content

    def _parts(self, kind: Kind, name: str) -> tuple[str, str | None] | None:
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
        return self._clean_text(data.decode("utf-8", "surrogateescape"))

    def _clean_text(self, text: str) -> str:
        """Redact, and only then replace what is no UTF-8: a secret may hold it."""
        return self._redact(text).encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    def _clean(self, value: Json) -> Json:
        match value:
            case str():
                return self._clean_text(value)
            case list():
                return [self._clean(item) for item in value]
            case dict():
                return {self._clean_text(name): self._clean(item) for name, item in value.items()}
            case int() | float() if (text := self._redact(json.dumps(value))) != json.dumps(value):
                return text
            case _:
                return value


def _entry(content: str) -> Json:
    """Return the JSON object of an asset or an evidence."""
    _, _, document = content.partition("\n")
    return _document(document + "}")


def _document(content: str) -> Json:
    found: Json = json.loads(content, parse_float=_number, parse_int=_number, parse_constant=str)
    return found


def _number(text: str) -> Json:
    """Return a number of JSON; as text what Python cannot read, or would print as what is no JSON."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
    return number if math.isfinite(number) and set("eE.") & set(text) else text
