"""The tree that a file is read into: scalars as source text, lists, maps, each with its place."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from runner.errors import Place
from runner.records import record

NULL_WORDS: Final = frozenset({"", "~", "null", "Null", "NULL"})


def _spellings(*words: str) -> frozenset[str]:
    return frozenset(spelling for word in words for spelling in (word, word.title(), word.upper()))


# YAML 1.1's words, which go-yaml still takes for a boolean field (yaml.org/type/bool.html).
TRUE_WORDS: Final = _spellings("true", "yes", "on", "y")
FALSE_WORDS: Final = _spellings("false", "no", "off", "n")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scalar:
    """A single value as it is written: ``1.20`` stays ``1.20``, ``0755`` stays ``0755``.

    The text of a quoted or block scalar is what its quotes or its block mean. ``plain`` says that it stands without
    quotes, so that the words for null, booleans and numbers mean something; ``!!str`` takes that away, and the tags
    of the other core types (``!!int "3"``) give it.
    """

    text: str
    place: Place
    plain: bool

    @property
    def is_null(self) -> bool:
        """Whether this is YAML's null; a quoted ``"null"`` or ``""`` is not."""
        return self.plain and self.text in NULL_WORDS

    @property
    def boolean(self) -> bool | None:
        """The truth that an unquoted YAML 1.1 word (true/yes/on/y, false/no/off/n) means; None for all else."""
        if not self.plain or self.text not in TRUE_WORDS | FALSE_WORDS:
            return None
        return self.text in TRUE_WORDS


@dataclass(frozen=True, kw_only=True, slots=True)
class Sequence:
    """A list, in the order of the file."""

    items: "tuple[Node, ...]"
    place: Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A key and its value; the key's place is the entry's."""

    key: Scalar
    value: "Node"


@record
class Mapping:
    """A map, in the order of the file, each key once; what ``<<`` merged in stands where the ``<<`` stood."""

    entries: tuple[Entry, ...]
    place: Place

    @cached_property
    def _values(self) -> "dict[str, Node]":
        return {entry.key.text: entry.value for entry in self.entries}

    def get(self, key: str) -> "Node | None":
        """Return the value of that key, None when the map does not have it."""
        return self._values.get(key)

    def keys(self) -> tuple[str, ...]:
        """Return the texts of all keys, in order."""
        return tuple(entry.key.text for entry in self.entries)


Node: TypeAlias = Scalar | Sequence | Mapping
