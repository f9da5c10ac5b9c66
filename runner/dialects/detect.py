"""Which dialect a document is written in, from its content."""

from enum import StrEnum

from runner.dialects.ibm.keys import FINALLY, STAGE, TASKS
from runner.dialects.ibm.pipelines import known_names
from runner.dialects.source import Entry, Mapping, Node, nearest, quoted
from runner.errors import UsageError

_EXECUTIONS, _APPLICATION = "executions", "application"
_IBM_STAGES = frozenset(known_names())
_IBM_STAGE_KEYS = frozenset(STAGE.names()) - {"image", "secret"}  # which other maps have, too
_IBM_TASKS = frozenset({TASKS, FINALLY})
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
    if keys & _IBM_TASKS or any(_is_ibm_stage(entry) for entry in root.entries):
        return Dialect.IBM
    return Dialect.VELA


def _is_metalus(root: Mapping) -> bool:
    """Whether a map is an application, or holds one, as answers of REST do."""
    inner = root.get(_APPLICATION)
    return any(isinstance(each, Mapping) and each.get(_EXECUTIONS) is not None for each in (root, inner))


def _is_ibm_stage(entry: Entry) -> bool:
    named = entry.key.text in _IBM_STAGES
    return isinstance(entry.value, Mapping) and (named or not _IBM_STAGE_KEYS.isdisjoint(entry.value.keys()))
