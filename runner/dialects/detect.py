"""Which dialect a document is written in, from its content."""

from collections.abc import Sequence
from enum import StrEnum

from runner.dialects.ibm.keys import FINALLY, STAGE, TASKS
from runner.dialects.ibm.pipelines import known_names
from runner.dialects.source import Entry, Findings, Mapping, Node, nearest, quoted
from runner.errors import UsageError

_METALUS_KEYS = frozenset({"executions", "application"})
_IBM_STAGES = frozenset(known_names())
_IBM_STAGE_KEYS = frozenset(STAGE.names()) - {"image", "secret"}  # which other maps have, too
_IBM_TASKS = frozenset({TASKS, FINALLY})
_VELA_KEYS = frozenset({"steps", "stages", "templates"})


class Dialect(StrEnum):
    """The languages that a pipeline can be written in."""

    VELA = "vela"
    IBM = "ibm"
    METALUS = "metalus"


_READABLE: Sequence[Dialect] = (Dialect.VELA, Dialect.IBM)


def detect(root: Node, findings: Findings, asked: str = "") -> Dialect:
    """Return the dialect of a loaded document: the one asked for, else the one that its content shows.

    A document that shows none is taken for Vela's, whose compiler says best what is missing.

    Raises:
        UsageError: the dialect asked for does not exist.
        InvalidPipelineError: the dialect is one that cannot be read yet.
    """
    dialect = named(asked) if asked else _shown(root)
    if dialect not in _READABLE:
        how = "was asked for" if asked else "is what this document looks like"
        hint = f"supported: {', '.join(_READABLE)}" + ("" if asked else "; another can be asked for by name")
        findings.fail(root.place, f"the dialect {dialect.value!r} {how}, and is not supported yet", hint)
    return dialect


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
    if keys & _METALUS_KEYS:
        return Dialect.METALUS
    if keys & _IBM_TASKS or any(_is_ibm_stage(entry) for entry in root.entries):
        return Dialect.IBM
    return Dialect.VELA


def _is_ibm_stage(entry: Entry) -> bool:
    named = entry.key.text in _IBM_STAGES
    return isinstance(entry.value, Mapping) and (named or not _IBM_STAGE_KEYS.isdisjoint(entry.value.keys()))
