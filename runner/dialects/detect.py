"""Which dialect a document is written in, from its content."""

from collections.abc import Sequence
from enum import StrEnum

from runner.dialects.source import Findings, Mapping, Node, nearest, quoted
from runner.errors import UsageError

_METALUS_KEYS = frozenset({"executions", "application"})
_IBM_STAGE_KEYS = frozenset(
    ("script", "dind", "dind_image", "abort_on_failure", "image_pull_policy", "configmap", "secret", "runAfter", "skip")
)
_VELA_KEYS = frozenset({"steps", "stages", "templates"})


class Dialect(StrEnum):
    """The languages that a pipeline can be written in."""

    VELA = "vela"
    IBM = "ibm"
    METALUS = "metalus"


_READABLE: Sequence[Dialect] = (Dialect.VELA,)


def detect(root: Node, findings: Findings, asked: str = "") -> Dialect:
    """Return the dialect of a loaded document: the one asked for, else the one that its content shows.

    A document that shows none is taken for Vela's, whose compiler says best what is missing.

    Raises:
        UsageError: the dialect asked for does not exist.
        InvalidPipelineError: the dialect is one that cannot be read yet.
    """
    dialect = _named(asked) if asked else _shown(root)
    if dialect not in _READABLE:
        how = "was asked for" if asked else "is what this document looks like"
        hint = f"supported: {', '.join(_READABLE)}" + ("" if asked else "; another can be asked for by name")
        findings.fail(root.place, f"the dialect {dialect.value!r} {how}, and is not supported yet", hint)
    return dialect


def _named(asked: str) -> Dialect:
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
    if "tasks" in keys or any(_is_ibm_stage(entry.value) for entry in root.entries):
        return Dialect.IBM
    return Dialect.VELA


def _is_ibm_stage(value: Node) -> bool:
    return isinstance(value, Mapping) and not _IBM_STAGE_KEYS.isdisjoint(value.keys())
