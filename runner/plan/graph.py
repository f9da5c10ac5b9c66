"""The graph of stages: what is wrong with it, its order, and what is left of it when stages go.

A graph is a mapping from each stage, in the order of the file, to the stages that it needs.
"""

import graphlib
import heapq
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from runner.errors import Finding, Place, Severity
from runner.records import record

Graph = Mapping[str, Sequence[str]]
Suggest = Callable[[str, Collection[str]], str | None]
"""The known name nearest to an unknown one, if any is near."""

_MOST_SHOWN = 16  # names of a circle


@record
class Named:
    """A name and where it was written."""

    name: str
    place: Place


@record
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
    return (*findings, *cycles(nodes))


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
    names = tuple(graph)
    rank = {name: index for index, name in enumerate(names)}
    ready: list[int] = []
    ordered: list[str] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, rank[name])
        ordered.append(names[heapq.heappop(ready)])
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


def contract(graph: Graph, kept: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the graph of the stages that are kept, in which they wait for each other as before.

    A stage that went passes on what it needed. Needs that the graph does not have are ignored.
    """
    return {name: tuple(_kept(graph, name, kept)) for name in graph if name in kept}


def _kept(graph: Graph, name: str, kept: Collection[str]) -> list[str]:
    """Return what is left of the needs of a stage, in their order; a cycle does no harm."""
    found: list[str] = []
    seen: set[str] = set()
    waiting = list(reversed(graph[name]))
    while waiting:
        need = waiting.pop()
        if need in seen or need not in graph:
            continue
        seen.add(need)
        if need in kept:
            found.append(need)
        else:
            waiting += reversed(graph[need])
    return found


def _unknown(node: Node, need: Named, near: str | None) -> Finding:
    return Finding(
        place=need.place,
        message=f"the stage {node.name!r} needs {need.name!r}, and there is no such stage",
        hint=f"did you mean {near!r}?" if near else "the need is ignored",
        severity=Severity.WARNING,
    )


def cycles(nodes: Sequence[Node], *, what: str = "stages", needs: str = "needs") -> list[Finding]:
    """Return one error for each set of stages that wait for each other, at a need that closes the circle.

    ``what`` and ``needs`` are the words of the file for both.
    """
    known = {node.name for node in nodes}
    graph: dict[str, list[Named]] = {name: [] for name in known}
    for node in nodes:  # of two with one name, either may be the one that stays
        graph[node.name] += (need for need in node.needs if need.name != node.name and need.name in known)
    member = {name: circle for circle in _circles(graph) for name in circle}
    findings: list[Finding] = []
    told: set[str] = set()
    for node in nodes:
        circle = member.get(node.name, frozenset())
        if circle and node.name not in told:
            told |= circle
            path = _way_back(graph, node.name)
            findings.append(
                Finding(
                    place=path[-1].place,
                    message=f"{what} wait for each other: {_shown([node.name, *(need.name for need in path)])}",
                    hint=f"remove one of these {needs}",
                )
            )
    return findings


def _shown(circle: Sequence[str]) -> str:
    if len(circle) > _MOST_SHOWN:
        circle = (*circle[: _MOST_SHOWN - 2], f"({len(circle) - _MOST_SHOWN + 1} more)", circle[-1])
    return " -> ".join(circle)


def _circles(graph: Mapping[str, Sequence[Named]]) -> list[frozenset[str]]:
    """Return the sets of names that all need each other, directly or not, in linear time (Kosaraju's algorithm)."""
    needed_by: dict[str, list[str]] = {name: [] for name in graph}
    for name, needs in graph.items():
        for need in needs:
            needed_by[need.name].append(name)
    taken: set[str] = set()
    circles: list[frozenset[str]] = []
    for name in reversed(_depth_first(graph)):
        if name not in taken:
            circle, open_ends = {name}, [name]
            while open_ends:
                others = {other for other in needed_by[open_ends.pop()] if other not in taken and other not in circle}
                circle |= others
                open_ends += others
            taken |= circle
            circles += [frozenset(circle)] if len(circle) > 1 else []
    return circles


def _depth_first(graph: Mapping[str, Sequence[Named]]) -> list[str]:
    """Return all names in the order in which a depth-first search is done with them."""
    seen: set[str] = set()
    done: list[str] = []
    for start in graph:
        way = [] if start in seen else [(start, iter(graph[start]))]
        seen.add(start)
        while way:
            need = next((need.name for need in way[-1][1] if need.name not in seen), None)
            if need is None:
                done.append(way.pop()[0])
            else:
                seen.add(need)
                way.append((need, iter(graph[need])))
    return done


def _way_back(graph: Mapping[str, Sequence[Named]], start: str) -> tuple[Named, ...]:
    """Return the shortest way over needs from a stage of a circle to itself."""
    came_by: dict[str, tuple[str, Named]] = {}  # from which stage, by which of its needs
    ends = deque([start])
    while start not in came_by:
        name = ends.popleft()
        for need in graph[name]:
            if need.name not in came_by:
                came_by[need.name] = (name, need)
                ends.append(need.name)
    way: list[Named] = []
    name = start
    while not way or name != start:
        name, need = came_by[name]
        way.append(need)
    return tuple(reversed(way))
