"""The values of a map, read one key at a time; whatever is wrong becomes a finding, and reading goes on.

The forms are those of go-vela/server ``compiler/types/raw``: every value is its source text, and a list of one value
may be written as that value.
"""

from collections.abc import Callable
from dataclasses import replace

from runner.dialects import fields
from runner.dialects.definitions import Form, Kind
from runner.dialects.source import Findings, Mapping, Node, Scalar, Sequence, quoted
from runner.dialects.vela.unknown import check_keys
from runner.plan import quantities
from runner.plan.model import PullPolicy
from runner.plan.substitution import BadTemplateError

Substitute = Callable[[str], str]
"""Puts variables into a text; raises ``BadTemplateError``."""

_SINGLE = "it must be a single value; quote one that holds ': ' or brackets"
_PULL_WORDS = {"true": PullPolicy.ALWAYS, "false": PullPolicy.NOT_PRESENT, **{word.value: word for word in PullPolicy}}


def title(node: Mapping, kind: str) -> str:
    """Return how messages name a map that has a name of its own: ``step 'build'``, or ``a step``."""
    name = node.get("name")
    if isinstance(name, Scalar) and name.text and not name.is_null:
        return f"{kind} {quoted(name.text)}"
    return f"a {kind}"


class Fields(fields.Fields):
    """The same of a Vela file: with ``substitute`` every value is read with its variables put in."""

    def __init__(
        self, node: Mapping, what: str, findings: Findings, kind: Kind, substitute: Substitute | None = None
    ) -> None:
        super().__init__(node, what, findings, kind)
        self.substitute = substitute

    def checked(self) -> "Fields":
        """Record keys that cannot be used yet and keys that nobody knows, and return these fields."""
        check_keys(self.node, self.kind, self.what, self.findings)
        return self

    def substituting(self, substitute: Substitute) -> "Fields":
        """Return the same fields, to be read with variables put in."""
        return Fields(self.node, self.what, self.findings, self.kind, substitute)

    def inner(self, key: str, what: str) -> "Fields | None":
        """Return the fields of a map inside; None when it is absent, null, or something else (an error)."""
        node, kind = self.mapping(key), self._key(key, Form.MAP).kind
        return None if node is None or kind is None else self.beneath(node, what, kind)

    def beneath(self, node: Mapping, what: str, kind: Kind) -> "Fields":
        """Return the fields of some map inside, read as these are."""
        return Fields(node, what, self.findings, kind, self.substitute).checked()

    def kind_in(self, key: str) -> Kind:
        """Return the kind of the maps that stand under a key."""
        kind = self._key(key).kind
        if kind is None:
            raise LookupError(f"{key!r} holds no maps")
        return kind

    def scalar(self, key: str) -> Scalar | None:
        """Return a single value; None when it is absent, null, or not a single value (an error)."""
        value = super().scalar(key)
        return self._checked(key, value) if value else None

    def required(self, key: str, why: str) -> str:
        """Return a single value that must be there and not empty."""
        text = self.text(key)
        if not text and not isinstance(self.node.get(key), Sequence | Mapping):
            self.findings.error(self.place(key), f"{self.what} has no {key!r}", why)
        return text

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Return a boolean; the default when there is none. A quoted word is an error, as in Vela."""
        self._key(key, Form.FLAG)
        value = self.scalar(key)
        if value is None:
            return default
        if value.boolean is None:
            message = f"{key!r} of {self.what} is {quoted(value.text)}, and not a boolean"
            self.findings.error(value.place, message, "write true or false, without quotes")
        return bool(value.boolean)

    def pull(self) -> PullPolicy:
        """Return the pull policy; ``true`` and ``false`` are Vela's older words for two of them."""
        value = self.scalar("pull")
        if value is None or value.text == "":
            return PullPolicy.NOT_PRESENT
        policy = _PULL_WORDS.get(value.text.lower())
        if policy is None:
            self.unknown_word("pull", value, tuple(word.value for word in PullPolicy))
        return policy or PullPolicy.NOT_PRESENT

    def timeout(self) -> float | None:
        """Return our own key ``timeout`` in seconds; None for no timeout."""
        return self.parsed("timeout", quantities.timeout, None)

    def retry(self) -> int:
        """Return our own key ``retry``."""
        return self.parsed("retry", quantities.retry, 0)

    def scalars(self, key: str) -> tuple[Scalar, ...]:
        """Return a list of single values, or a single value as a list of one; nulls are dropped."""
        self._key(key, Form.TEXTS, Form.VARIABLES)
        value = self.value(key)
        if isinstance(value, Mapping):
            self.wrong_kind(key, value, "a list, or a single value")
            return ()
        items = value.items if isinstance(value, Sequence) else (value,) if value else ()
        found = (self.item(key, item) for item in items)
        return tuple(item for item in found if item and not item.is_null)

    def item(self, key: str, item: Node) -> Scalar | None:
        """Return a value inside a list or map, which must be a single one; None when it is not (an error)."""
        if isinstance(item, Scalar):
            return self._checked(key, item)
        message = f"{key!r} of {self.what} holds {fields.KINDS[type(item)]}"
        hint = "write NAME=VALUE, or a map without dashes" if self._key(key).form is Form.VARIABLES else _SINGLE
        self.findings.error(item.place, message, hint)
        return None

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the texts of ``scalars``."""
        return tuple(item.text for item in self.scalars(key))

    def items(self, key: str) -> tuple[Node, ...]:
        """Return the items of a list; anything else is an error."""
        self._key(key, Form.LIST, Form.ENTRIES)
        value = self.value(key)
        if value is None or isinstance(value, Sequence):
            return value.items if value else ()
        self.wrong_kind(key, value, "a list")
        return ()

    def entries(self, key: str) -> tuple[Node, ...]:
        """Return the items of a list, or a single value as a list of one; a map is an error."""
        value = self.value(key)
        return (value,) if isinstance(value, Scalar) else self.items(key)

    def _checked(self, key: str, item: Scalar) -> Scalar:
        """Return a value with its variables put in."""
        if self.substitute is None or "$" not in item.text:
            return item
        try:
            return replace(item, text=self.substitute(item.text))
        except BadTemplateError as error:
            self.findings.error(item.place, f"{key!r} of {self.what}: {error}", error.hint)
            return item
