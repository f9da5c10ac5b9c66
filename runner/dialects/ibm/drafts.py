"""What becomes of a file for one kind of pipeline, in either version."""

from collections.abc import Iterable
from collections.abc import Mapping as Map
from dataclasses import replace
from typing import Final

from runner.dialects.findings import Findings, quoted
from runner.dialects.nodes import Mapping, Node, Scalar
from runner.naming import ORIGINS, SERVICES
from runner.pipelinectl.payload import is_stage_name
from runner.plan import graph
from runner.plan.graph import Named
from runner.plan.model import BlockedBy, Pruned, Service, Stage
from runner.plan.trigger import Trigger
from runner.records import record

ONLY_STEP: Final = "run-stage"
"""What IBM calls the step that runs the script of a stage."""

NOT_OURS: Final = "IBM's default implementation is not part of this runner"


@record
class Context:
    """For what a file is read: the kind of pipeline, and why it runs, if it is to run."""

    kind: str
    trigger: Trigger | None
    findings: Findings
    file: str


@record
class Draft:
    """What a plan is made from; all is as there."""

    stages: tuple[Stage, ...]
    undefined: tuple[Stage, ...] = ()
    async_stages: tuple[Stage, ...] = ()
    services: tuple[Service, ...] = ()
    pruned: tuple[Pruned, ...] = ()


def arrange(whole: Map[str, tuple[str, ...]], found: Map[str, Stage], last: str) -> tuple[Stage, ...]:
    """Return stages in order, each with what it waits for; those that the file lacks are waited through.

    ``whole`` says what every stage of the pipeline waits for, ``found`` has stages by their names in there. The
    ``last`` one begins when all others have ended, however they did; no other does once one has failed.
    """
    order = graph.order(whole)
    contracted = graph.contract(whole, found.keys())
    needs = _after_skipped({name: contracted[name] for name in order if name in found and name != last}, found)
    stages = [
        replace(found[name], needs=tuple(found[need].name for need in waits), blocked_by=BlockedBy.RUN)
        for name, waits in needs.items()
    ]
    if last in found:
        others = tuple(stage.name for stage in stages)
        stages.append(replace(found[last], needs=others, independent=True))
    return tuple(stages)


def _after_skipped(needs: Map[str, tuple[str, ...]], found: Map[str, Stage]) -> dict[str, tuple[str, ...]]:
    """Let stages wait for those before them that are passed over, so that scripts can ask what became of these.

    That takes no time where they wait for all that such a stage waits for. ``needs`` are in order.
    """
    waits: dict[str, tuple[str, ...]] = {}
    passed: list[str] = []
    for name, own in needs.items():
        before = {*own, *(earlier for need in own for earlier in graph.transitive_needs(waits, need))}
        free = (each for each in passed if each not in before and before.issuperset(waits[each]))
        waits[name] = (*own, *free)
        steps = found[name].steps
        passed += [name] if steps and all(step.skip for step in steps) else []
    return waits


def with_edge(
    whole: Map[str, tuple[str, ...]], stage: str, need: Named, findings: Findings
) -> dict[str, tuple[str, ...]]:
    """Return what stages wait for when one waits for a further one; a circle is an error, and is not closed."""
    if stage == need.name or stage in graph.transitive_needs(whole, need.name):
        message = f"'runAfter' names {quoted(need.name)}, which itself waits for it"
        findings.error(need.place, message, "name one that does not")
        return dict(whole)
    return {**whole, stage: tuple(dict.fromkeys((*whole[stage], need.name)))}


def no_script(name: str, file: str) -> str:
    """Return the fault of a stage for which its file gives no script."""
    return f"Stage '{name}' has no script in '{file}'"


def map_of(node: Node) -> Mapping | None:
    """Return a node as a map, an empty one where nothing is written; None for anything else."""
    if isinstance(node, Scalar) and node.is_null:
        return Mapping(entries=(), place=node.place)
    return node if isinstance(node, Mapping) else None


def check_name(named: Named, findings: Findings) -> None:
    """Record a name that would break the lines of a log, or that nothing can have."""
    if not named.name.isprintable() or not named.name:
        hint = "keep to one line of text"
        findings.error(named.place, f"the name {quoted(named.name)} is empty, or holds a control character", hint)
    if named.name in (SERVICES, ORIGINS):
        findings.error(named.place, f"nothing can be named {quoted(named.name)}", "choose another name")


def check_triggered(names: Iterable[Named], findings: Findings) -> None:
    """Warn of async stages that no step can start."""
    for named in names:
        if not is_stage_name(named.name):
            message = f"no step can trigger the async stage {quoted(named.name)}"
            findings.warning(named.place, message, "name it with 1 to 63 of a-z, 0-9 and -, and no - at either end")
