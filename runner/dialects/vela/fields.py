"""The values of a map, read one key at a time; whatever is wrong becomes a finding, and reading goes on.

The forms are those of go-vela/server ``compiler/types/raw``: every value is its source text, and a list of one value
may be written as that value.
"""

from collections.abc import Callable
from collections.abc import Sequence as Series
from typing import TypeVar

from runner.dialects.source import Findings, Mapping, Node, Scalar, Sequence, nearest, quoted
from runner.errors import Place
from runner.plan import durations
from runner.plan.model import PullPolicy

_T = TypeVar("_T")
_KINDS = {Scalar: "a single value", Sequence: "a list", Mapping: "a map"}
_PULL_WORDS = {"true": PullPolicy.ALWAYS, "false": PullPolicy.NOT_PRESENT, **{word.value: word for word in PullPolicy}}


def title(node: Mapping, kind: str) -> str:
    """Return how messages name a map that has a name of its own: ``step 'build'``, or ``a step``."""
    name = node.get("name")
    return f"{kind} {quoted(name.text)}" if isinstance(name, Scalar) and name.text else f"a {kind}"


class Fields:
    """One map of a file. ``what`` names it in messages: ``step 'build'``."""

    def __init__(self, node: Mapping, what: str, findings: Findings) -> None:
        self.node = node
        self.what = what
        self.findings = findings

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
        value = self.value(key)
        if value is None or isinstance(value, Scalar):
            return self._checked(key, value) if value else None
        self.wrong_kind(key, value, "a single value")
        return None

    def text(self, key: str) -> str:
        """Return a single value; the empty string when there is none."""
        value = self.scalar(key)
        return value.text if value else ""

    def required(self, key: str, why: str) -> str:
        """Return a single value that must be there and not empty."""
        before = len(self.findings.items)
        text = self.text(key)
        if not text and len(self.findings.items) == before:
            self.findings.error(self.place(key), f"{self.what} has no {key!r}", why)
        return text

    def flag(self, key: str) -> bool:
        """Return a boolean; False when there is none. A quoted word is an error, as in Vela."""
        value = self.scalar(key)
        if value is None:
            return False
        if value.boolean is None:
            message = f"{key!r} of {self.what} is {quoted(value.text)}, and not a boolean"
            self.findings.error(value.place, message, "write true or false, without quotes")
        return bool(value.boolean)

    def word(self, key: str, words: Series[str], default: str) -> str:
        """Return one of some words; the default when there is none."""
        value = self.scalar(key)
        if value is None or value.text in words:
            return value.text if value else default
        self.unknown_word(key, value, words)
        return default

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
        return self._parsed("timeout", durations.timeout, None)

    def retry(self) -> int:
        """Return our own key ``retry``."""
        return self._parsed("retry", durations.retry, 0)

    def scalars(self, key: str, *, variables: bool = False) -> tuple[Scalar, ...]:
        """Return a list of single values, or a single value as a list of one; nulls are dropped.

        With ``variables`` a ``${`` may stand in them.
        """
        value = self.value(key)
        if isinstance(value, Mapping):
            self.wrong_kind(key, value, "a list, or a single value")
            return ()
        items = value.items if isinstance(value, Sequence) else (value,) if value else ()
        found = (self.item(key, item, variables=variables) for item in items)
        return tuple(item for item in found if item and not item.is_null)

    def item(self, key: str, item: Node, *, variables: bool = False) -> Scalar | None:
        """Return a value inside a list or map, which must be a single one; None when it is not (an error)."""
        if isinstance(item, Scalar):
            return self._checked(key, item, variables=variables)
        message = f"{key!r} of {self.what} holds {_KINDS[type(item)]}"
        self.findings.error(item.place, message, "it must be a single value; quote one that holds ': ' or brackets")
        return None

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the texts of ``scalars``."""
        return tuple(item.text for item in self.scalars(key))

    def mapping(self, key: str) -> Mapping | None:
        """Return a map; None when it is absent, null, or something else (an error)."""
        value = self.value(key)
        if value is None or isinstance(value, Mapping):
            return value
        self.wrong_kind(key, value, "a map")
        return None

    def items(self, key: str) -> tuple[Node, ...]:
        """Return the items of a list; anything else is an error."""
        value = self.value(key)
        if value is None or isinstance(value, Sequence):
            return value.items if value else ()
        self.wrong_kind(key, value, "a list")
        return ()

    def wrong_kind(self, key: str, value: Node, right: str) -> None:
        """Record that a value has another kind than it should."""
        message = f"{key!r} of {self.what} is {_KINDS[type(value)]}"
        self.findings.error(value.place, message, f"it must be {right}")

    def unknown_word(self, key: str, value: Scalar, words: Series[str]) -> None:
        """Record that a value is none of the words that it may be."""
        near = nearest(value.text, words)
        hint = f"did you mean {near!r}? " if near else ""
        message = f"{key!r} of {self.what} is {quoted(value.text)}"
        self.findings.error(value.place, message, f"{hint}it must be one of {', '.join(words)}")

    def _parsed(self, key: str, parse: Callable[[str], _T], default: _T) -> _T:
        value = self.scalar(key)
        if value is None:
            return default
        try:
            return parse(value.text)
        except durations.BadValueError as error:
            self.findings.error(value.place, f"{key!r} of {self.what}: {error}", error.hint)
            return default

    def _checked(self, key: str, item: Scalar, *, variables: bool = False) -> Scalar:
        """Record what Vela would substitute, which would run something else if it were taken as it is."""
        if "${" in item.text and not variables:
            message = f"{key!r} of {self.what} holds '${{', and variables in a pipeline are not supported yet"
            self.findings.error(item.place, message, "write the value itself; in commands the shell sees variables")
        return item
