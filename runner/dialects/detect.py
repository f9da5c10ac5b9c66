"""Which dialect a document is written in, from its content."""

from enum import StrEnum

from runner.dialects.source import Entry, Mapping, Node, nearest, quoted
from runner.errors import UsageError

_EXECUTIONS, _APPLICATION = "executions", "application"
_VELA_KEYS = frozenset({"steps", "stages", "templates"})


class Dialect(StrEnum):
    """The languages that a pipeline can be written in."""

    VELA = "vela"
    IBM = "ibm"
    METALUS = "metalus"


def detect(root: Node, asked: str = "") -> Dialect:
    """Return the dialect of a loaded document: the one asked for, else the one that its content shows.

    A document that shows none is taken for Vela's, whose compiler says best what is missing.

    Raises:
        UsageError: the dialect asked for does not exist.
    """
    return named(asked) if asked else _shown(root)


def named(asked: str) -> Dialect:
    """Return the dialect of that name.

    Raises:
        UsageError: there is none; the hint has the nearest name.
    """
    if asked not in list(Dialect):
        near = nearest(asked, [dialect.value for dialect in Dialect])
        hint = f"did you mean {near!r}?" if near else f"known: {', '.join(Dialect)}"
        raise UsageError(f"there is no dialect {quoted(asked)}", hint=hint)
    return Dialect(asked)


def _shown(root: Node) -> Dialect:
    if not isinstance(root, Mapping):
        return Dialect.VELA
    keys = frozenset(root.keys())
    if keys & _VELA_KEYS:
        return Dialect.VELA
    if _is_metalus(root):
        return Dialect.METALUS
    return Dialect.IBM if _is_ibm(root) else Dialect.VELA


def _is_metalus(root: Mapping) -> bool:
    """Whether a map is an application, or holds one, as answers of REST do."""
    inner = root.get(_APPLICATION)
    return any(isinstance(each, Mapping) and each.get(_EXECUTIONS) is not None for each in (root, inner))


def _is_ibm(root: Mapping) -> bool:
    """Whether a map has tasks, or stages: by their names or by their keys."""
    from runner.dialects.ibm.keys import FINALLY, STAGE, TASKS  # noqa: PLC0415 - files of Vela are told without them
    from runner.dialects.ibm.pipelines import known_names  # noqa: PLC0415 - as above

    names = frozenset(known_names())
    keys = frozenset(STAGE.names()) - {"image", "secret"}  # which other maps have, too

    def is_stage(entry: Entry) -> bool:
        named = entry.key.text in names
        return isinstance(entry.value, Mapping) and (named or not keys.isdisjoint(entry.value.keys()))

    return not {TASKS, FINALLY}.isdisjoint(root.keys()) or any(is_stage(entry) for entry in root.entries)
