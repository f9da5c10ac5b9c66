"""The definitions of pipelines, and which of them an execution runs."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from runner.dialects.findings import quoted
from runner.dialects.metalus.fields import Fields
from runner.dialects.metalus.steps import WrittenStep, read_step
from runner.dialects.metalus.weights import weight
from runner.plan import graph
from runner.plan.graph import Named
from runner.records import record


@record
class WrittenPipeline:
    """A pipeline as it was written; ``weight`` is what it counts (``weights``)."""

    named: Named
    steps: tuple[WrittenStep, ...]
    weight: int = 0


_Written = TypeVar("_Written", WrittenPipeline, WrittenStep)


def read_pipelines(fields: Fields, key: str, given: Collection[str]) -> tuple[WrittenPipeline, ...]:
    """Return the definitions under a key, each id once; ``given`` are variables that come from outside."""
    found = [_read_pipeline(each, given) for each in fields.all_beneath(key)]
    return tuple(_once(found, "pipeline", fields))


def chosen(
    fields: Fields, inline: Sequence[WrittenPipeline], others: Mapping[str, WrittenPipeline], key: str
) -> tuple[WrittenPipeline, ...]:
    """Return the pipelines that ``key`` names, in its order; without it those that stand in the execution itself.

    A definition of the execution counts before one of the application (``others``), as in Metalus
    (``applications/ApplicationUtils.scala``); there, but not in its documentation, it also runs before.
    """
    names = fields.names(key)
    own = {each.named.name: each for each in inline}
    found: dict[str, WrittenPipeline] = {}
    for named in names:
        if named.name in found:
            message = f"{key!r} of {fields.what} names the pipeline {quoted(named.name)} twice"
            fields.findings.error(named.place, message, "what both have returned could not be told apart")
        elif pipeline := own.get(named.name) or others.get(named.name):
            found[named.name] = pipeline
        else:
            _unknown(fields, named, key, (*own, *others), "define it under 'pipelines' of the application")
    listed = {named.name for named in names}
    for each in inline if names else ():
        if each.named.name not in listed:
            message = f"the pipeline {quoted(each.named.name)} of {fields.what} is not named in {key!r}"
            fields.findings.warning(each.named.place, message, "it does not run")
    return tuple(found.values()) if names else tuple(inline)


def beginning_with(fields: Fields, pipelines: Sequence[WrittenPipeline]) -> tuple[WrittenPipeline, ...]:
    """Return the pipelines from that of ``initialPipelineId`` on; all where there is no such key."""
    initial = fields.named("initialPipelineId")
    if initial is None:
        return tuple(pipelines)
    names = [each.named.name for each in pipelines]
    if initial.name not in names:
        _unknown(fields, initial, "initialPipelineId", names, "it must be one of those that the execution runs")
        return tuple(pipelines)
    return tuple(pipelines[names.index(initial.name) :])


def _read_pipeline(fields: Fields, given: Collection[str]) -> WrittenPipeline:
    named = fields.id()
    steps = [read_step(each, named.name, given) for each in fields.all_beneath("steps")]
    if fields.lacks("steps"):
        fields.findings.error(fields.place("steps"), f"{fields.what} has no steps", "write them under 'steps'")
    return WrittenPipeline(named=named, steps=_once(steps, "step", fields), weight=weight(fields.node))


def _once(written: Iterable[_Written], what: str, fields: Fields) -> tuple[_Written, ...]:
    """Return what has an id of its own, and record what has one that was there before."""
    named = [each for each in written if each.named.name]
    for finding in graph.duplicates([each.named for each in named], what=what):
        fields.findings.error(finding.place, finding.message, finding.hint)
    return tuple({each.named.name: each for each in reversed(named)}.values())[::-1]


def _unknown(fields: Fields, named: Named, key: str, known: Collection[str], right: str) -> None:
    near = fields.findings.nearest(named.name, known)
    hint = f"did you mean {near!r}?" if near else right
    message = f"{key!r} of {fields.what} names the pipeline {quoted(named.name)}, and there is no such pipeline"
    fields.findings.error(named.place, message, hint)
