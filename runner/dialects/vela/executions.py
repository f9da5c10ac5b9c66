"""The words of executions on a stage: what it runs over, what it joins, and the data that references in it find."""

import json
from collections.abc import Mapping as Variables
from dataclasses import field
from functools import cached_property
from typing import Final

from runner.dialects.data import data_of
from runner.dialects.source import Entry, Mapping, Scalar, Sequence, quoted
from runner.dialects.vela.fields import Fields
from runner.dialects.vela.references import check_data, data
from runner.dialects.vela.steps import EVALUATE
from runner.plan import mapping, quantities
from runner.plan.forks import MOST_BRANCHES
from runner.plan.graph import Named
from runner.plan.model import Fork, Json
from runner.records import record

_FORK, _LIMIT, _JOIN, _GLOBALS, _LINKS = "fork", "fork_limit", "join", "globals", "links"
_WORDS: Final = (_FORK, _LIMIT, _JOIN, EVALUATE, _GLOBALS, _LINKS)


@record
class Data:
    """What ``globals`` and ``links`` hold."""

    globals: Variables[str, Json] = field(default_factory=dict)
    links: Variables[str, Json] = field(default_factory=dict)

    @cached_property
    def size(self) -> int:
        """How many characters they have in a plan."""
        return len(json.dumps([self.globals, self.links]))


@record
class Execution:
    """What a stage says of its executions: ``join`` names the fork whose branches it waits for."""

    fork: Fork | None = None
    join: Named | None = None
    data: Data = field(default_factory=Data)


_NO_DATA: Final = Data()


def is_mapped(pipeline: Fields) -> bool:
    """Whether a file has any word of executions; in one that has none nothing is a reference."""
    stages = pipeline.value("stages")
    entries = stages.entries if isinstance(stages, Mapping) else ()
    within = (entry.value for entry in entries if isinstance(entry.value, Mapping))
    return any(_says(pipeline.node, word) for word in (_GLOBALS, _LINKS)) or any(
        _says(stage, word) for stage in within for word in _WORDS
    )


def read_data(fields: Fields, around: Data = _NO_DATA) -> Data:
    """Return the globals and links of a pipeline or stage, over those ``around`` it.

    Links that lead in a circle are an error.
    """
    values, links = _read_map(fields, _GLOBALS), _read_map(fields, _LINKS)
    if not values and not links:
        return around
    own = {name: data(value) for name, value in values.items()}
    found = Data(globals={**around.globals, **own}, links={**around.links, **links})
    circle = mapping.circle(found.links) if links else ()
    if not links.keys().isdisjoint(circle):
        message = f"the links of {fields.what} lead in a circle: {' -> '.join(circle)}"
        place = next(entry.key.place for entry in _entries(fields, _LINKS) if entry.key.text in circle)
        fields.findings.error(place, message, "let one of them refer to something else")
    return found


def read_execution(fields: Fields, around: Data, *, apart: bool) -> Execution:
    """Return what a stage says of its executions; ``around`` are the data of the pipeline.

    One that is ``apart``, an async stage, can neither fork nor join, and nothing decides about it but who starts it.
    """
    if apart:
        _refuse_async(fields)
    fork, join = _read_fork(fields), fields.named(_JOIN)
    if fork and join:
        message = f"{fields.what} is a fork and a join"
        fields.findings.error(join.place, message, "let one stage join, and another, which needs it, fork")
    return Execution(fork=fork, join=join, data=read_data(fields, around))


def _says(node: Mapping, word: str) -> bool:
    value = node.get(word)
    return value is not None and not (isinstance(value, Scalar) and value.is_null)


def _refuse_async(fields: Fields) -> None:
    for word in (_FORK, _LIMIT, _JOIN, EVALUATE):
        if fields.value(word) is not None:
            message = f"{fields.what} is async, and has {word!r}"
            hint = "a step starts it, as a run of one stage: put this into a stage of the graph"
            fields.findings.error(fields.place(word), message, hint)


def _read_fork(fields: Fields) -> Fork | None:
    node, limit = fields.value(_FORK), fields.parsed(_LIMIT, quantities.count, 0)
    if node is None:
        if limit:
            message = f"{fields.what} has a {_LIMIT!r} and no {_FORK!r}"
            fields.findings.error(fields.place(_LIMIT), message, "say what it forks over, or remove it")
        return None
    values = data_of(node)
    if not (isinstance(values, list) or (isinstance(values, str) and values)):
        message = f"{_FORK!r} of {fields.what} is neither a list nor a reference to one"
        fields.findings.error(node.place, message, "write values as [a, b], or '!stage.pipelineParameters...'")
        return None
    what = f"{_FORK!r} of {fields.what}"
    if isinstance(node, Sequence) and len(node.items) > MOST_BRANCHES:
        message = f"{what} has {len(node.items)} values, more than {MOST_BRANCHES}"
        fields.findings.error(node.place, message, "let each branch do more")
    check_data(node, what, fields.findings, path=isinstance(node, Scalar))
    return Fork(values=values, limit=limit)


def _read_map(fields: Fields, key: str) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for entry in _entries(fields, key):
        check_data(entry.value, f"{key[:-1]} {quoted(entry.key.text)}", fields.findings)
        if any(mark in entry.key.text for mark in ".[]{}"):
            message = f"{key} of {fields.what} have {quoted(entry.key.text)}, to which nothing can refer"
            fields.findings.warning(entry.key.place, message, "a name in references ends at a '.' or a bracket")
        found[entry.key.text] = data_of(entry.value)
    return found


def _entries(fields: Fields, key: str) -> tuple[Entry, ...]:
    node = fields.mapping(key)
    return node.entries if node else ()
