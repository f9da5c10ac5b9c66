"""The graph of stages: what is wrong with it, its order, and what is left of it when stages go.

A graph is a mapping from each stage, in the order of the file, to the stages that it needs.
"""

import graphlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from runner.errors import Finding, Place, Severity

Graph = Mapping[str, Sequence[str]]
Suggest = Callable[[str, Iterable[str]], str | None]
"""The known name nearest to an unknown one, if any is near."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """A name and where it was written."""

    name: str
    place: Place


@dataclass(frozen=True, kw_only=True)
class Node:
    """A stage as it was written; ``needs`` are names, known or not."""

    name: str
    place: Place
    needs: tuple[Named, ...] = ()


def duplicates(names: Iterable[Named], *, what: str) -> tuple[Finding, ...]:
    """Return an error for each name that was there before; ``what`` is the word for what is named."""
    first: dict[str, Place] = {}
    findings: list[Finding] = []
    for named in names:
        before = first.get(named.name)
        if before is None:
            first[named.name] = named.place
        else:
            message = f"the {what} {named.name!r} is already defined at {before}"
            findings.append(Finding(place=named.place, message=message, hint="give each a name of its own"))
    return tuple(findings)


def check(nodes: Sequence[Node], suggest: Suggest) -> tuple[Finding, ...]:
    """Return all that is wrong with the needs: self references and cycles (errors), unknown names (warnings)."""
    known = {node.name for node in nodes}
    findings = [
        _unknown(node, need, suggest(need.name, known))
        for node in nodes
        for need in node.needs
        if need.name not in known
    ]
    findings += [
        Finding(
            place=need.place,
            message=f"the stage {node.name!r} needs itself",
            hint="remove it from its own needs",
        )
        for node in nodes
        for need in node.needs
        if need.name == node.name
    ]
    return (*findings, *_cycles(nodes))


def order(graph: Graph) -> tuple[str, ...]:
    """Return the stages so that each stands behind those it needs, else in the order of the file.

    Needs that the graph does not have are ignored. Raises ValueError when there is a cycle.
    """
    sorter = graphlib.TopologicalSorter(
        {name: [need for need in needs if need in graph] for name, needs in graph.items()}
    )
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        raise ValueError(f"there is a cycle: {' -> '.join(reversed(error.args[1]))}") from error
    rank = {name: index for index, name in enumerate(graph)}
    ready: list[str] = []
    ordered: list[str] = []
    while sorter.is_active():
        ready = sorted((*ready, *sorter.get_ready()), key=rank.__getitem__)
        ordered.append(ready.pop(0))
        sorter.done(ordered[-1])
    return tuple(ordered)


def transitive_needs(graph: Graph, name: str) -> tuple[str, ...]:
    """Return every stage that a stage needs, directly or through others, in the order of the file.

    Raises KeyError when the graph does not have the stage. A cycle does no harm.
    """
    found: set[str] = set()
    open_ends = list(graph[name])
    while open_ends:
        need = open_ends.pop()
        if need in graph and need not in found:
            found.add(need)
            open_ends += graph[need]
    return tuple(stage for stage in graph if stage in found)


def prune(graph: Graph, kept: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the graph of the stages that are kept.

    A stage that went frees those that need it: they do not come to wait for what it needed.
    """
    return {
        name: tuple(dict.fromkeys(need for need in needs if need in kept))
        for name, needs in graph.items()
        if name in kept
    }


def _unknown(node: Node, need: Named, near: str | None) -> Finding:
    return Finding(
        place=need.place,
        message=f"the stage {node.name!r} needs {need.name!r}, and there is no such stage",
        hint=f"did you mean {near!r}?" if near else "the need is ignored",
        severity=Severity.WARNING,
    )


def _cycles(nodes: Sequence[Node]) -> list[Finding]:
    """Return one error for each set of stages that wait for each other, at a need that closes the circle."""
    graph: dict[str, list[Named]] = {}
    for node in nodes:  # of two with one name, either may be the one that stays
        graph.setdefault(node.name, []).extend(need for need in node.needs if need.name != node.name)
    graph = _peeled(graph)
    findings: list[Finding] = []
    told: set[str] = set()
    for name in graph:
        path = _way_back(graph, name)
        if path and told.isdisjoint(need.name for need in path):
            told.update(need.name for need in path)
            circle = " -> ".join([name, *(need.name for need in path)])
            findings.append(
                Finding(
                    place=path[-1].place,
                    message=f"stages wait for each other: {circle}",
                    hint="remove one of these needs",
                )
            )
    return findings


def _peeled(graph: Mapping[str, Sequence[Named]]) -> dict[str, list[Named]]:
    """Return the graph without the stages that wait for no circle, which of a graph without circles leaves nothing."""
    left = {name: {need.name for need in needs if need.name in graph} for name, needs in graph.items()}
    waiting: dict[str, list[str]] = {}
    for name, needs in left.items():
        for need in needs:
            waiting.setdefault(need, []).append(name)
    free = [name for name, needs in left.items() if not needs]
    while free:
        name = free.pop()
        del left[name]
        for other in waiting.get(name, ()):
            left[other].remove(name)
            if not left[other]:
                free.append(other)
    return {name: [need for need in graph[name] if need.name in left] for name in graph if name in left}


def _way_back(graph: Mapping[str, Sequence[Named]], start: str) -> tuple[Named, ...]:
    """Return the shortest way over needs from a stage to itself; empty if there is none."""
    ways: list[tuple[Named, ...]] = [(need,) for need in graph[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        last = way[-1].name
        if last == start:
            return way
        if last in graph and last not in seen:
            seen.add(last)
            ways += [(*way, need) for need in graph[last]]
    return ()
