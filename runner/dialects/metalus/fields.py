"""The values of a map of an application, read one key at a time."""

from typing import Final

from runner.dialects import fields
from runner.dialects.definitions import Form, Kind, Standing
from runner.dialects.findings import quoted
from runner.dialects.nodes import Mapping, Node, Scalar, Sequence
from runner.errors import Place
from runner.plan.graph import Named

_FREE: Final = ("x-", ".")  # keys that only hold anchors, as in Vela's files
_UNUSABLE: Final = frozenset("/[]")
_UNREACHABLE: Final = (".", "||")


class Fields(fields.Fields):
    """The same, of an application."""

    def checked(self) -> "Fields":
        """Refuse keys that would change what runs, warn of those that mean nothing, and return these fields."""
        for entry in self.node.entries:
            name, place = entry.key.text, entry.key.place
            key = self.kind.get(name)
            if key is None and not name.startswith(_FREE):
                near = self.findings.nearest(name, self.kind.names())
                hint = f"did you mean {near!r}?" if near else "it is ignored"
                self.findings.warning(place, f"{self.what} has no key {quoted(name)}", hint)
            elif key is not None and key.standing is Standing.SERVER:
                message = f"{name!r} of {self.what} means something to Metalus only"
                self.findings.warning(place, message, "it is ignored")
            elif key is not None and key.standing is Standing.LATER and self.value(name) is not None:
                self.findings.error(place, f"{self.what} cannot have {name!r}", key.instead)
        return self

    def beneath(self, node: Mapping, what: str, kind: Kind) -> "Fields":
        """Return the fields of some map inside."""
        return Fields(node, what, self.findings, kind).checked()

    def inner(self, key: str) -> "Fields | None":
        """Return the fields of a map inside; None when it is absent, null, or something else (an error)."""
        node, kind = self.mapping(key), self.kind_in(key)
        return None if node is None else self.beneath(node, f"{key!r} of {self.what}", kind)

    def all_beneath(self, key: str) -> "tuple[Fields, ...]":
        """Return the fields of the maps of a list, each called by its id."""
        kind = self.kind_in(key)
        return tuple(self.beneath(node, _title(node, kind.name), kind) for node in self.maps(key))

    def kind_in(self, key: str) -> Kind:
        """Return the kind of the maps that stand under a key."""
        kind = self._key(key).kind
        if kind is None:
            raise LookupError(f"{key!r} holds no maps")
        return kind

    def id(self) -> Named:
        """Return the id, which must be there; one that logs or references cannot show is told of."""
        named = self.named("id")
        if named is None:
            if not isinstance(self.node.get("id"), Sequence | Mapping):
                self.findings.error(self.place("id"), f"{self.what} has no 'id'", "each needs an id of its own")
            return Named(name="", place=self.place("id"))
        if not named.name.isprintable() or not _UNUSABLE.isdisjoint(named.name):
            message = f"the id {quoted(named.name)} holds a control character, or one of / [ ]"
            self.findings.error(named.place, message, "keep to letters, digits, '-' and '_'")
        elif any(part in named.name for part in _UNREACHABLE):
            message = f"no reference can name the id {quoted(named.name)}"
            self.findings.warning(named.place, message, "keep to letters, digits, '-' and '_'")
        return named

    def required(self, key: str, why: str) -> str:
        """Return a single value that must be there and not empty."""
        value = self.text(key)
        if not value and not isinstance(self.node.get(key), Sequence | Mapping):
            self.findings.error(self.place(key), f"{self.what} has no {key!r}", f"{why}{self.hint_at_comment(key)}")
        return value

    def hint_at_comment(self, key: str) -> str:
        """Return what a hint adds where a key stands with no value: what begins with ``#`` is none."""
        written = self.node.get(key)
        empty = isinstance(written, Scalar) and written.plain and not written.text
        return "; put one that begins with '#' in quotes" if empty else ""

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of single values, or a single value as a list of one; nulls are dropped."""
        self._key(key, Form.TEXTS)
        return tuple(item.text for item in self.singles(key))

    def entries(self, key: str) -> tuple[Node, ...]:
        """Return the items of a list, or a single value as a list of one."""
        self._key(key, Form.ENTRIES)
        value = self.value(key)
        return (value,) if isinstance(value, Scalar) else self._items(key)

    def lacks(self, key: str) -> bool:
        """Whether a list is not there, or empty."""
        value = self.value(key)
        return value is None or (isinstance(value, Sequence) and not value.items)

    def key_place(self, key: str) -> Place:
        """Return where a key stands, or the map where it does not."""
        return next((entry.key.place for entry in self.node.entries if entry.key.text == key), self.node.place)

    def singles(self, key: str) -> list[Scalar]:
        """Return the single values that a key holds, each with its place."""
        value = self.value(key)
        found: list[Scalar] = []
        for item in (value,) if isinstance(value, Scalar) else self._items(key):
            if not isinstance(item, Scalar):
                self.wrong_kind(key, item, "a list of single values; quote one that holds ': ' or brackets")
            elif not item.is_null:
                found.append(item)
        return found


def _title(node: Mapping, kind: str) -> str:
    """Return how messages name a map that has an id: ``execution 'A'``, or ``an execution``."""
    name = node.get("id")
    if isinstance(name, Scalar) and name.text and not name.is_null:
        return f"{kind} {quoted(name.text)}"
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
