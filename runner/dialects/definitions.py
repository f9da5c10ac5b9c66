"""What the maps of a dialect may hold, as data: the loader reads by it, and the schema for editors is made from it."""

from enum import StrEnum
from functools import cached_property

from runner.records import record


class Form(StrEnum):
    """The kinds of values that a key can have."""

    TEXT = "text"  # a single value, as it is written
    FLAG = "flag"  # an unquoted YAML boolean
    TEXTS = "texts"  # a list of single values, or one
    NAMES = "names"  # a list of single values
    VARIABLES = "variables"  # a map of single values, a list of NAME=VALUE, or one
    MAP = "map"  # one map of a kind
    LIST = "list"  # a list of maps of a kind
    ENTRIES = "entries"  # a list of single values or maps of a kind, or one single value
    NAMED = "named"  # a map of maps of a kind, by name
    VALUES = "values"  # a map of whatever
    DATA = "data"  # a list of whatever, or the name of one
    ANYTHING = "anything"


class Standing(StrEnum):
    """What a key does here."""

    WORKS = "works"
    SERVER = "server"  # means something to a Vela server only, and is let pass
    LATER = "later"  # cannot be used yet, and is refused by name: to ignore it would run something else


@record
class Key:
    """A key of a map. ``words`` are the only values of a text, ``pattern`` is a regular expression that it matches.

    ``kind`` is that of the maps in it. ``about`` is one line for people, ``instead`` says what to do about a key that
    cannot be used yet.
    """

    name: str
    form: Form
    about: str
    words: tuple[str, ...] = ()
    pattern: str = ""
    kind: "Kind | None" = None
    required: bool = False
    standing: Standing = Standing.WORKS
    instead: str = "remove it"


def text(name: str, about: str, *, words: tuple[str, ...] = (), pattern: str = "", required: bool = False) -> Key:
    """Return the key of a single value."""
    return Key(name=name, form=Form.TEXT, about=about, words=words, pattern=pattern, required=required)


def flag(name: str, about: str) -> Key:
    """Return the key of a boolean."""
    return Key(name=name, form=Form.FLAG, about=about)


@record
class Kind:
    """A kind of map: ``name`` is what it is called, as in "a step".

    One that is ``open`` may hold other keys as well; with ``others`` it may, too, and they are maps of that kind. Of
    those in ``one_of`` it must have exactly one.
    """

    name: str
    keys: tuple[Key, ...]
    open: bool = False
    others: "Kind | None" = None
    one_of: tuple[str, ...] = ()

    @cached_property
    def _by_name(self) -> dict[str, Key]:
        return {key.name: key for key in self.keys}

    def get(self, name: str) -> Key | None:
        """Return the key of that name, None when there is none."""
        return self._by_name.get(name)

    def names(self) -> tuple[str, ...]:
        """Return the names of all keys."""
        return tuple(self._by_name)
