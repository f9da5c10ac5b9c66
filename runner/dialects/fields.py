"""The values of a map, read one key at a time; whatever is wrong becomes a finding, and reading goes on."""

from collections.abc import Callable
from collections.abc import Sequence as Series
from typing import Final, TypeVar

from runner.dialects.definitions import Form, Key, Kind
from runner.dialects.findings import Findings, nearest, quoted
from runner.dialects.nodes import FALSE_WORDS, TRUE_WORDS, Mapping, Node, Scalar, Sequence
from runner.errors import Place
from runner.plan.graph import Named
from runner.plan.quantities import BadValueError

_T = TypeVar("_T")
KINDS: Final = {Scalar: "a single value", Sequence: "a list", Mapping: "a map"}


class Fields:
    """One map of a file. ``what`` names it in messages: ``stage 'build'``; ``kind`` says what it may hold."""

    def __init__(self, node: Mapping, what: str, findings: Findings, kind: Kind) -> None:
        self.node = node
        self.what = what
        self.findings = findings
        self.kind = kind

    def checked(self) -> "Fields":
        """Warn of keys that nobody knows, with the nearest known one, and return these fields."""
        for entry in self.node.entries:
            name = entry.key.text
            if self.kind.get(name) is None and self.kind.others is None:
                near = self.findings.nearest(name, self.kind.names())
                hint = f"did you mean {near!r}?" if near else "it is ignored"
                self.findings.warning(entry.key.place, f"{self.what} has no key {quoted(name)}", hint)
        return self

    def beneath(self, node: Mapping, what: str, kind: Kind) -> "Fields":
        """Return the fields of some map inside."""
        return Fields(node, what, self.findings, kind).checked()

    def place(self, key: str) -> Place:
        """Return where the value of a key stands, or the map where there is none."""
        value = self.node.get(key)
        return self.node.place if value is None else value.place

    def value(self, key: str) -> Node | None:
        """Return the value of a key; None when it is absent or null."""
        value = self.node.get(key)
        return None if isinstance(value, Scalar) and value.is_null else value

    def scalar(self, key: str) -> Scalar | None:
        """Return a single value; None when it is absent, null, or not a single value (an error)."""
        self._key(key, Form.TEXT, Form.FLAG)
        value = self.value(key)
        if value is None or isinstance(value, Scalar):
            return value
        self.wrong_kind(key, value, "a single value")
        return None

    def text(self, key: str) -> str:
        """Return a single value; the empty string when there is none."""
        value = self.scalar(key)
        return value.text if value else ""

    def named(self, key: str) -> Named | None:
        """Return a single value as a name with its place; None when there is none, or an empty one."""
        value = self.scalar(key)
        return Named(name=value.text, place=value.place) if value and value.text else None

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Return a boolean, whether or not it stands in quotes: files in use have both."""
        self._key(key, Form.FLAG)
        value = self.scalar(key)
        if value is None:
            return default
        if value.text not in TRUE_WORDS | FALSE_WORDS:
            message = f"{key!r} of {self.what} is {quoted(value.text)}, and not a boolean"
            self.findings.error(value.place, message, "write true or false")
            return default
        return value.text in TRUE_WORDS

    def word(self, key: str, default: str) -> str:
        """Return one of the words that the key can have; the default when there is none."""
        value, words = self.scalar(key), self._key(key).words
        if value is None or value.text in words:
            return value.text if value else default
        self.unknown_word(key, value, words)
        return default

    def names(self, key: str) -> tuple[Named, ...]:
        """Return a list of single values with their places; anything else is an error."""
        self._key(key, Form.NAMES)
        found: list[Named] = []
        for item in self._items(key):
            if isinstance(item, Scalar):
                found += () if item.is_null else (Named(name=item.text, place=item.place),)
            else:
                self.wrong_kind(key, item, "a list of single values")
        return tuple(found)

    def maps(self, key: str) -> tuple[Mapping, ...]:
        """Return a list of maps; anything else is an error."""
        self._key(key, Form.LIST)
        found: list[Mapping] = []
        for item in self._items(key):
            if isinstance(item, Mapping):
                found.append(item)
            else:
                self.wrong_kind(key, item, "a list of maps")
        return tuple(found)

    def mapping(self, key: str) -> Mapping | None:
        """Return a map; None when it is absent, null, or something else (an error)."""
        value = self.value(key)
        if value is None or isinstance(value, Mapping):
            return value
        self.wrong_kind(key, value, "a map")
        return None

    def parsed(self, key: str, parse: Callable[[str], _T], default: _T) -> _T:
        """Return what a function of ``plan.quantities`` makes of a single value; the default when there is none."""
        value = self.scalar(key)
        if value is None:
            return default
        try:
            return parse(value.text)
        except BadValueError as error:
            self.findings.error(value.place, f"{key!r} of {self.what}: {error}", error.hint)
            return default

    def wrong_kind(self, key: str, value: Node, right: str) -> None:
        """Record that a value has another kind than it should, or holds one that has."""
        message = f"{key!r} of {self.what} {'is' if value is self.node.get(key) else 'holds'} {KINDS[type(value)]}"
        self.findings.error(value.place, message, f"it must be {right}")

    def unknown_word(self, key: str, value: Scalar, words: Series[str]) -> None:
        """Record that a value is none of the words that it may be."""
        near = nearest(value.text, words)
        hint = f"did you mean {near!r}? " if near else ""
        message = f"{key!r} of {self.what} is {quoted(value.text)}"
        self.findings.error(value.place, message, f"{hint}it must be one of {', '.join(words)}")

    def _items(self, key: str) -> tuple[Node, ...]:
        value = self.value(key)
        if value is None or isinstance(value, Sequence):
            return value.items if value else ()
        self.wrong_kind(key, value, "a list")
        return ()

    def _key(self, name: str, *forms: Form) -> Key:
        """Return the definition of a key that is read here; one that has none, or another form, is our mistake."""
        key = self.kind.get(name)
        if key is None or (forms and key.form not in forms):
            raise LookupError(f"a {self.kind.name} has no key {name!r} of the form {' or '.join(forms)}")
        return key
