"""Parser events to a tree, in one pass, within limits.

A few hundred bytes of YAML can stand for billions of nodes: anchors of anchors ("billion laughs"), or merges of
merges, which cost time even though the merged map stays small. So every anchored node remembers what it cost, and an
alias costs that again *before* anything is done with it: the bomb is refused at the alias that would set it off.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import yaml

from runner.dialects.findings import Findings, quoted
from runner.dialects.nodes import Entry, Mapping, Node, Scalar, Sequence
from runner.errors import Place
from runner.records import record

MIB: Final = 1024 * 1024

_CORE: Final = "tag:yaml.org,2002:"
_WORDS: Final = frozenset(_CORE + name for name in ("null", "bool", "int", "float", "timestamp", "merge"))
_SCALAR_TAGS: Final = _WORDS | {"!", _CORE + "str"}
_SEQUENCE_TAGS: Final = frozenset({"!", _CORE + "seq"})
_MAPPING_TAGS: Final = frozenset({"!", _CORE + "map"})
_MERGE: Final = "<<"


@record
class Limits:
    """How much one file may ask for.

    ``nodes`` (scalars, keys too, lists and maps) and ``characters`` (of all scalars) count what the file stands for
    once every alias is written out; ``depth`` is how many lists and maps may stand inside each other, aliases
    written out too.
    """

    size: int = MIB  # bytes of the file
    depth: int = 64
    nodes: int = 200_000
    characters: int = 16 * MIB
    aliases: int = 5_000
    merges: int = 5_000  # maps that are merged into others


DEFAULT_LIMITS: Final = Limits()


@dataclass(kw_only=True)
class _Anchor:
    """What an alias stands for; ``node`` is None as long as the anchored node is still being read."""

    node: Node | None = None
    nodes: int = 0
    characters: int = 0
    height: int = 0  # how many lists and maps stand inside each other in it


@dataclass(kw_only=True)
class _Draft:
    """A map that is being read."""

    entries: dict[str, Entry] = field(default_factory=dict)
    merged: dict[str, Entry] = field(default_factory=dict)
    merged_at: int | None = None

    def merge(self, source: Mapping) -> None:
        """Take from a map what none merged before it has (earlier wins: yaml.org/type/merge.html)."""
        for entry in source.entries:
            self.merged.setdefault(entry.key.text, entry)

    def finish(self) -> tuple[Entry, ...]:
        """Return all entries: the map's own win over merged ones, which stand where the first ``<<`` stood."""
        own = tuple(self.entries.values())
        merged = tuple(entry for name, entry in self.merged.items() if name not in self.entries)
        return own[: self.merged_at] + merged + own[self.merged_at :] if merged else own


class Composer:
    """Composes the one document of a file. ``here`` is where the last event began."""

    def __init__(self, events: Iterator[yaml.Event], *, file: str, findings: Findings, limits: Limits) -> None:
        self.here = Place(file=file)
        self._events = events
        self._file = file
        self._findings = findings
        self._limits = limits
        self._anchors: dict[str, _Anchor] = {}
        self._nodes = 0
        self._characters = 0
        self._aliases = 0
        self._merges = 0
        self._deepest = 0

    def document(self) -> Node:
        """Return the root of the only document.

        Raises:
            InvalidPipelineError: the stream is empty, has a second document, or passes a limit. What else is wrong
                goes to the findings only, and the tree is then not to be used.
            yaml.YAMLError: it is not YAML.
        """
        self._next()  # the start of the stream
        if isinstance(self._next(), yaml.StreamEndEvent):
            self._empty()
        root = self._node(self._next(), 0)
        if isinstance(root, Scalar) and root.plain and not root.text:
            self._empty()
        self._next()  # the end of the document
        if not isinstance(self._next(), yaml.StreamEndEvent):
            message = "a second document begins here, and is not read"
            self._findings.warning(self.here, message, "a file holds one pipeline: remove the '---' between them")
        return root

    def _empty(self) -> None:
        self._findings.fail(Place(file=self._file), "the file is empty", "write a pipeline into it")

    def _next(self) -> yaml.Event:
        event = next(self._events)
        mark = event.start_mark
        if mark is not None:
            self.here = Place(file=self._file, line=mark.line + 1, column=mark.column + 1)
        return event

    def _node(self, event: yaml.Event, depth: int) -> Node:
        """Compose the node that begins with the event, inside of ``depth`` lists and maps."""
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor or "", depth)
        if not isinstance(event, yaml.NodeEvent) or event.anchor is None:
            return self._content(event, depth)
        anchor = self._anchors[event.anchor] = _Anchor()
        nodes, characters, deepest, self._deepest = self._nodes, self._characters, self._deepest, depth
        anchor.node = self._content(event, depth)
        anchor.nodes, anchor.characters = self._nodes - nodes, self._characters - characters
        anchor.height = self._deepest - depth
        self._deepest = max(self._deepest, deepest)
        return anchor.node

    def _content(self, event: yaml.Event, depth: int) -> Node:
        self._spend(nodes=1)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        self._reach(depth + 1)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, depth + 1)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, depth + 1)
        raise yaml.YAMLError(f"the parser gave {type(event).__name__} where a value begins")

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        local = _local(event) if event.tag else None
        if local is None:
            self._check_tag(event.tag, _SCALAR_TAGS)
        else:
            self._findings.warning(self.here, f"this is read as the text {quoted(local)}", "put it in quotes")
        text = event.value if local is None else local
        self._spend(characters=len(text))
        if not text.isascii() or "\0" in text:
            self._check_characters(text)
        plain = event.tag in _WORDS or (event.tag is None and not event.style)
        return Scalar(text=text, place=self.here, plain=plain)

    def _sequence(self, event: yaml.SequenceStartEvent, depth: int) -> Sequence:
        self._check_tag(event.tag, _SEQUENCE_TAGS)
        place = self.here
        items: list[Node] = []
        while not isinstance(item := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(item, depth))
        return Sequence(items=tuple(items), place=place)

    def _mapping(self, event: yaml.MappingStartEvent, depth: int) -> Mapping:
        self._check_tag(event.tag, _MAPPING_TAGS)
        place = self.here
        draft = _Draft()
        while not isinstance(item := self._next(), yaml.MappingEndEvent):
            at = self.here
            key = self._node(item, depth)
            value_event = self._next()
            value_at = self.here
            value = self._node(value_event, depth)
            if not isinstance(key, Scalar):
                hint = "quote the key; a value that begins with '{' or '[' needs quotes too"
                self._findings.error(at, "a list or a map cannot be a key", hint)
            elif key.plain and key.text == _MERGE:
                self._merge(draft, at, value, value_at)
            else:
                self._add(draft, Entry(key=key, value=value), at)
        return Mapping(entries=draft.finish(), place=place)

    def _add(self, draft: _Draft, entry: Entry, at: Place) -> None:
        first = draft.entries.setdefault(entry.key.text, entry)
        if first is not entry:
            where = f"it stands at {first.key.place} already; keep one of them"
            self._findings.error(at, f"duplicate key {quoted(entry.key.text)}", where)

    def _merge(self, draft: _Draft, at: Place, value: Node, value_at: Place) -> None:
        if draft.merged_at is not None:
            self._findings.warning(at, "duplicate '<<' in one map", "write one: '<<: [*first, *second]'")
        else:
            draft.merged_at = len(draft.entries)
        for source in value.items if isinstance(value, Sequence) else (value,):
            self._merges += 1
            if self._merges > self._limits.merges:
                self._findings.fail(
                    at, f"more than {self._limits.merges} maps merged by '<<' in this file", "use fewer"
                )
            if isinstance(source, Mapping):
                draft.merge(source)
            else:
                hint = "write '<<: *anchor' or '<<: [*first, *second]', anchors of maps"
                self._findings.error(value_at, "'<<' merges maps only", hint)

    def _alias(self, name: str, depth: int) -> Node:
        self._aliases += 1
        if self._aliases > self._limits.aliases:
            self._findings.fail(self.here, f"more than {self._limits.aliases} aliases in this file", "use fewer")
        anchor = self._anchors.get(name)
        if anchor is not None and anchor.node is not None:
            self._spend(nodes=anchor.nodes, characters=anchor.characters)
            self._reach(depth + anchor.height)
            return anchor.node
        if anchor is None:
            near = self._findings.nearest(name, self._anchors)
            hint = f"did you mean '*{near}'?" if near else "an anchor ('&name') must stand above its aliases"
            self._findings.error(self.here, f"unknown anchor {quoted(name)}", hint)
        else:
            message = f"the alias '*{name}' stands inside of what it stands for"
            self._findings.error(self.here, message, "move the anchor to a part of it")
        return Mapping(entries=(), place=self.here)  # of all kinds the one that is wrong in the fewest places

    def _spend(self, *, nodes: int = 0, characters: int = 0) -> None:
        self._nodes += nodes
        self._characters += characters
        if self._nodes > self._limits.nodes:
            message = f"more than {self._limits.nodes} values up to here, aliases written out"
            self._findings.fail(self.here, message, "split the file, or use fewer aliases")
        if self._characters > self._limits.characters:
            message = f"more than {self._limits.characters} characters of text up to here, aliases written out"
            self._findings.fail(self.here, message, "split the file, or use fewer aliases")

    def _reach(self, depth: int) -> None:
        self._deepest = max(self._deepest, depth)
        if depth > self._limits.depth:
            message = f"more than {self._limits.depth} lists and maps stand inside each other"
            self._findings.fail(self.here, message, "is a bracket not closed?")

    def _check_tag(self, tag: str | None, allowed: frozenset[str]) -> None:
        if tag is None or tag in allowed:
            return
        shown = quoted(tag.replace(_CORE, "!!", 1))
        self._findings.error(self.here, f"the tag {shown} is not known here", "quote a value that begins with '!'")

    def _check_characters(self, text: str) -> None:
        if "\0" in text:
            self._findings.error(self.here, "a NUL character in a text", "no variable, path or argument can hold it")
        if any("\ud800" <= character <= "\udfff" for character in text):
            message = "half of a surrogate pair in a text"
            self._findings.error(self.here, message, r"write the character itself, or all of it as '\U0001F600'")


def _local(event: yaml.ScalarEvent) -> str | None:
    """Return ``!A.b`` or ``!A.b text`` as the text that it looks like; None for any other value.

    YAML takes an unquoted ``!A.b`` for a tag. Nobody has tags here, but references begin so (``plan.references``).
    """
    if not event.tag or event.tag == "!" or not event.tag.startswith("!") or event.style:
        return None
    return f"{event.tag} {event.value}" if event.value else event.tag
