"""The executions of an application: what each runs, when, and what it knows."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final

from runner.dialects.data import data_of, texts_of
from runner.dialects.metalus.fields import Fields
from runner.dialects.metalus.keys import ALWAYS, FORK, JOIN, PIPELINE_TYPE, SUCCESS
from runner.dialects.metalus.pipelines import WrittenPipeline, beginning_with, chosen, read_pipelines
from runner.dialects.metalus.texts import check_text
from runner.dialects.metalus.values import Presets, Values, read_presets, read_values
from runner.dialects.nodes import Node, Scalar
from runner.dialects.nodes import Sequence as List
from runner.plan import mapping, quantities
from runner.plan.forks import MOST_BRANCHES
from runner.plan.graph import Named
from runner.plan.model import Fork, Json
from runner.records import record

_FORK_KEYS: Final = ("forkByValue", "forkByValues")
_EVALUATION_KEYS: Final = ("evaluationPipelineIds", "evaluationPipelines")


@record
class Defaults:
    """What executions have that say nothing else: what stands in the application, and ``root`` globals.

    ``given`` are the names of variables that come from outside.
    """

    root: Values
    values: Values
    presets: Presets
    pipelines: Mapping[str, WrittenPipeline]
    given: Collection[str]


@record
class WrittenExecution:
    """An execution as it was written. ``fork`` has no stages yet; ``own_texts`` are those of its globals and fork."""

    named: Named
    parents: tuple[Named, ...]
    evaluation: tuple[WrittenPipeline, ...]
    pipelines: tuple[WrittenPipeline, ...]
    values: Values
    presets: Presets
    fork: Fork | None = None
    joins: bool = False
    always: bool = False
    own_texts: tuple[Scalar, ...] = ()

    @property
    def texts(self) -> Iterator[Scalar]:
        """All texts that can be references, but those of globals that it has from the application."""
        yield from self.own_texts
        for pipeline in (*self.evaluation, *self.pipelines):
            for step in pipeline.steps:
                yield from step.texts

    @property
    def weight(self) -> int:
        """What it counts (``weights``)."""
        pipelines = sum(pipeline.weight for pipeline in (*self.evaluation, *self.pipelines))
        return pipelines + self.values.weight + self.presets.weight


def read_execution(fields: Fields, defaults: Defaults) -> WrittenExecution:
    """Return an execution; what it lacks it has from the application."""
    named, kind = fields.id(), fields.word("executionType", PIPELINE_TYPE)
    own = read_values(fields)
    fork = _read_fork(fields) if kind == FORK else None
    _check_type(fields, kind)
    evaluation = _evaluation(fields, defaults)
    pipelines = _pipelines(fields, defaults)
    presets = read_presets(fields)
    return WrittenExecution(
        named=named,
        parents=fields.names("parents"),
        evaluation=() if kind == JOIN else evaluation,
        pipelines=pipelines,
        values=_values(fields, own, defaults),
        presets=defaults.presets if presets is None else presets,
        fork=fork,
        joins=kind == JOIN,
        always=fields.word("joinOn", SUCCESS) == ALWAYS,
        own_texts=(*(own.texts if own else ()), *(_fork_texts(fields) if fork else ())),
    )


def _values(fields: Fields, own: Values | None, defaults: Defaults) -> Values:
    """Return the globals and links of an execution (``applications/ApplicationUtils.scala``)."""
    merge = fields.flag("mergeGlobals")
    if own is None:
        return defaults.values
    return own.over(defaults.values if merge else defaults.root)


def _pipelines(fields: Fields, defaults: Defaults) -> tuple[WrittenPipeline, ...]:
    inline = read_pipelines(fields, "pipelines", defaults.given)
    found = chosen(fields, inline, defaults.pipelines, "pipelineIds")
    if not found and not fields.names("pipelineIds"):
        found = tuple(defaults.pipelines.values())
        if not found and fields.lacks("pipelines"):
            message = f"{fields.what} has no pipelines, and neither has the application"
            fields.findings.error(fields.node.place, message, "write them under 'pipelines' of the application")
    return beginning_with(fields, found)


def _evaluation(fields: Fields, defaults: Defaults) -> tuple[WrittenPipeline, ...]:
    ids, own = _EVALUATION_KEYS
    inline = read_pipelines(fields, own, defaults.given)
    return chosen(fields, inline, defaults.pipelines, ids)


def _check_type(fields: Fields, kind: str) -> None:
    """Warn of keys that mean something to executions of another type only."""
    other = {
        FORK: ("joinOn",),
        JOIN: (*_FORK_KEYS, "forkLimit", *_EVALUATION_KEYS),
        PIPELINE_TYPE: (*_FORK_KEYS, "forkLimit", "joinOn"),
    }[kind]
    for key in other:
        if fields.value(key) is not None:
            hint = "it is ignored, as in Metalus" if key in _EVALUATION_KEYS else "it is ignored: see 'executionType'"
            fields.findings.warning(fields.key_place(key), f"{key!r} means nothing in {fields.what}, a {kind}", hint)


def _read_fork(fields: Fields) -> Fork:
    limit = fields.parsed("forkLimit", quantities.count, 0)
    written = {key: value for key in _FORK_KEYS if (value := _fork_value(fields, key)) is not None}
    if not written:
        key = next((key for key in _FORK_KEYS if fields.node.get(key)), _FORK_KEYS[0])
        hint = f"name the list that it forks over{fields.hint_at_comment(key)}"
        fields.findings.error(fields.place(key), f"{fields.what} is a fork, and has no 'forkByValue'", hint)
        return Fork(values=[], limit=limit)
    (key, value), *others = written.items()
    for other, second in others:
        if data_of(second) != data_of(value):
            message = f"{key!r} and {other!r} of {fields.what} differ"
            fields.findings.error(second.place, message, "they mean the same: keep one of them")
    return Fork(values=_read_values(fields, key, value), limit=limit)


def _fork_value(fields: Fields, key: str) -> Node | None:
    """Return what stands there to fork over; None for nothing."""
    value = fields.value(key)
    return None if isinstance(value, Scalar) and not value.text else value


def _read_values(fields: Fields, key: str, node: Node) -> Json:
    """Return what to fork over: a list, or a reference, which needs no mark here."""
    where = f"{key!r} of {fields.what}"
    match node:
        case Scalar():
            check_text(node, where, fields.findings, path=True)
            return node.text
        case List():
            for text in texts_of(node):
                check_text(text, where, fields.findings)
            if len(node.items) > MOST_BRANCHES:
                message = f"{where} has {len(node.items):,} values"
                fields.findings.error(node.place, message, f"a fork has {MOST_BRANCHES:,} branches at most")
            return data_of(node)
        case _:
            fields.wrong_kind(key, node, "a list, or a reference to one")
            return []


def _fork_texts(fields: Fields) -> Iterator[Scalar]:
    """Yield the references in what an execution forks over, each with its mark."""
    for value in (_fork_value(fields, key) for key in _FORK_KEYS):
        if isinstance(value, Scalar):
            yield value if mapping.is_mapped(value.text) else replace(value, text=f"!{value.text.strip()}")
        elif value is not None:
            yield from texts_of(value)
