"""What is wrong with executions together: their graph, their forks, their links, and what they refer to."""

from collections.abc import Iterator, Mapping, Sequence

from runner.dialects.findings import Findings, quoted
from runner.dialects.metalus.executions import WrittenExecution
from runner.dialects.metalus.texts import required
from runner.dialects.metalus.values import Link
from runner.dialects.metalus.weights import Scales
from runner.errors import Place
from runner.plan import graph, mapping
from runner.plan.graph import Node
from runner.plan.regions import Member, Regions, regions

_Links = Mapping[str, Mapping[str, Link]]


def check_graph(executions: Sequence[WrittenExecution], findings: Findings) -> Regions:
    """Record what is wrong with parents, forks and joins; return what stands in which fork.

    Metalus crashes of it, waits for ever, or reports a success of nothing (``PipelineDependencyExecutor.scala``).
    """
    known = {each.named.name for each in executions}
    for each in executions:
        for parent in each.parents:
            if parent.name == each.named.name:
                message = f"the execution {quoted(parent.name)} is a parent of itself"
                findings.error(parent.place, message, "remove it from its own parents")
            elif parent.name not in known:
                near = findings.nearest(parent.name, known)
                what = f"the execution {quoted(each.named.name)} has the parent {quoted(parent.name)}"
                message = f"{what}, and there is no such execution"
                hint = f"did you mean {near!r}?" if near else "name one of the document"
                findings.error(parent.place, message, hint)
    members = [
        Member(
            name=each.named.name,
            place=each.named.place,
            # A parent that nobody knows counts here, too: else a slip in its name would bring a second message.
            needs=each.parents,
            forks=each.fork is not None,
            joins=each.joins,
        )
        for each in executions
    ]
    nodes = [Node(name=each.named.name, place=each.named.place, needs=each.parents) for each in executions]
    found = regions(members, matrix=False)
    for finding in (*graph.cycles(nodes, what="executions", needs="parents"), *found.findings):
        findings.error(finding.place, finding.message, finding.hint)
    return found


def check_values(executions: Sequence[WrittenExecution], findings: Findings) -> None:
    """Record links that lead in a circle, and warn of references that can mean nothing where they stand."""
    links = _seen(executions, findings)
    told: set[frozenset[Place]] = set()
    for each in executions:
        seen = links[each.named.name]
        way = mapping.circle({name: link.value for name, link in seen.items()})
        places = frozenset(seen[name].place for name in way)
        if way and places not in told:
            told.add(places)
            message = f"links lead in a circle: {' -> '.join(way)}"
            findings.error(seen[way[0]].place, message, "let one of them refer to a value")
    _check_reach(executions, links, findings)


def _seen(executions: Sequence[WrittenExecution], findings: Findings) -> _Links:
    """Return the links that each execution sees: of its parents, the later ones first, under its own."""
    scales = Scales(findings, "links")
    by_name = {each.named.name: each for each in executions}
    parents = {name: tuple(parent.name for parent in each.parents) for name, each in by_name.items()}
    found: dict[str, dict[str, Link]] = {}
    for name in _ordered(parents):
        counted = (link.weight for parent in parents[name] for link in found.get(parent, {}).values())
        scales.add(sum(counted), by_name[name].named.place)
        inherited = {key: link for parent in parents[name] for key, link in found.get(parent, {}).items()}
        found[name] = {**inherited, **by_name[name].values.links}
    return found


def _ordered(parents: graph.Graph) -> Iterator[str]:
    """Yield executions behind their parents; in the order of the file where these lead in a circle, which was told."""
    try:
        yield from graph.order(parents)
    except ValueError:
        yield from parents


def _check_reach(executions: Sequence[WrittenExecution], links: _Links, findings: Findings) -> None:
    """Warn of references to executions that are no parents where these stand, and no links or globals either."""
    known = {each.named.name for each in executions}
    needed: dict[int, tuple[str, ...]] = {}  # by identity, since executions share the texts of pipelines
    for each in executions:
        name = each.named.name
        here = ({parent.name for parent in each.parents}, links[name], each.values.globals)
        for text in each.texts:
            if id(text) not in needed:
                needed[id(text)] = tuple(other for other in required(text) if other in known)
            for other in needed[id(text)]:
                if not any(other in names for names in here):
                    what = f"{quoted(text.text)} means nothing in the execution {quoted(name)}"
                    message = f"{what}: {quoted(other)} is none of its parents"
                    findings.warning(text.place, message, "add it to them, or write what counts instead behind ||")
