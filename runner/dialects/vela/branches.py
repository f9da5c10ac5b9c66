"""What runs in the branches of forks: which stages stand between a fork and its join."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import or_

from runner.dialects.source import Findings, quoted
from runner.dialects.vela.references import is_reference
from runner.dialects.vela.stages import WrittenStage
from runner.errors import Severity
from runner.plan import graph
from runner.plan.graph import Graph, Named
from runner.plan.mapping import MappingError, required
from runner.plan.regions import Member, regions


def with_branches(stages: Sequence[WrittenStage], findings: Findings) -> tuple[WrittenStage, ...]:
    """Return the stages with what runs in the branches of each fork; what is wrong with forks and joins is recorded.

    A join that needs none of the last stages of its branches waits for all of them.
    """
    if not any(stage.stage.fork or stage.join for stage in stages):
        return tuple(stages)
    found = regions(_members(stages), matrix=True, suggest=findings.nearest)
    for finding in found.findings:
        record = findings.error if finding.severity is Severity.ERROR else findings.warning
        record(finding.place, finding.message, finding.hint)
    needs = {stage.named.name: {*_names(stage), found.joined.get(stage.named.name, "")} for stage in stages}
    ends = {fork: _ends(fork, found.inside, needs) for fork in found.joined.values()}
    return tuple(_with_ends(_with_inside(stage, found.inside), ends) for stage in stages)


def check_references(stages: Sequence[WrittenStage], findings: Findings) -> None:
    """Warn of references to stages of which nothing is known where they stand: only what a stage needs is."""
    known = {stage.named.name for stage in stages}
    for stage in stages:
        strange = known - {*_names(stage), *stage.stage.globals, *stage.stage.links}
        for named, name in _required(stage):
            if name in strange:
                message = f"{named.name} refers to the stage {quoted(name)}, which its stage does not need"
                hint = "add it to 'needs', or write what else it is as in '!name || text'"
                findings.warning(named.place, message, hint)


def _required(stage: WrittenStage) -> Iterator[tuple[Named, str]]:
    """Yield the names that texts of a stage refer to and that have to mean something, with who refers to them."""
    values = stage.stage.fork.values if stage.stage.fork else None
    if isinstance(values, str):
        fork = Named(name=f"the fork {quoted(stage.named.name)}", place=stage.named.place)
        yield from ((fork, name) for name in _required_by(values, path=True))
    for written in stage.steps:
        step = Named(name=f"step {quoted(written.named.name)}", place=written.named.place)
        texts = dict.fromkeys((written.step.image, *written.step.environment.values()))
        yield from ((step, name) for text in texts if is_reference(text) for name in _required_by(text))


def _required_by(text: str, *, path: bool = False) -> tuple[str, ...]:
    try:
        return required(text, path=path)
    except MappingError:
        return ()  # told where it was read


def _names(stage: WrittenStage) -> tuple[str, ...]:
    return tuple(need.name for need in stage.needs)


def _with_inside(written: WrittenStage, inside: Mapping[str, tuple[str, ...]]) -> WrittenStage:
    stage = written.stage
    if stage.fork is None:
        return written
    return replace(written, stage=replace(stage, fork=replace(stage.fork, stages=inside.get(stage.name, ()))))


def _ends(fork: str, inside: Mapping[str, tuple[str, ...]], needs: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return the stages in the branches of a fork, not in those of a fork within, that no other of these needs."""
    deeper = {name for inner in inside[fork] for name in inside.get(inner, ())}
    own = [name for name in (fork, *inside[fork]) if name not in deeper]
    needed = {need for name in own for need in needs[name]}
    return tuple(name for name in own if name not in needed)


def _with_ends(written: WrittenStage, ends: Mapping[str, tuple[str, ...]]) -> WrittenStage:
    last = ends.get(written.join.name, ()) if written.join else ()
    if written.join is None or any(name in last for name in _names(written)):
        return written
    place = written.join.place
    return replace(written, needs=(*written.needs, *(Named(name=name, place=place) for name in last)))


def _members(stages: Sequence[WrittenStage]) -> list[Member]:
    """Return the stages as what regions are found by: a need that another need has anyway is no way in or out."""
    graphed = [stage for stage in stages if not stage.stage.async_]
    needs = {stage.named.name: _names(stage) for stage in graphed}
    joined = {stage.named.name: (stage.join.name,) for stage in graphed if stage.join}
    implied = _implied({name: (*names, *joined.get(name, ())) for name, names in needs.items()})
    return [
        Member(
            name=stage.named.name,
            place=stage.named.place,
            needs=tuple(need for need in stage.needs if need.name not in implied.get(stage.named.name, ())),
            forks=stage.stage.fork is not None,
            joins=stage.join or False,
        )
        for stage in graphed
    ]


def _implied(needs: Graph) -> dict[str, frozenset[str]]:
    """Return those needs of each stage that another of its needs has, directly or not; nothing if there is a cycle."""
    try:
        order = graph.order(needs)
    except ValueError:
        return {}
    bit = {name: 1 << number for number, name in enumerate(order)}
    below: dict[str, int] = {}  # what a stage stands on; in bits, since sets could take the square of a large file
    found: dict[str, frozenset[str]] = {}
    for name in order:
        known = [need for need in needs[name] if need in bit]
        farther = reduce(or_, (below[need] for need in known), 0)
        found[name] = frozenset(need for need in known if farther & bit[need])
        below[name] = reduce(or_, (bit[need] for need in known), farther)
    return found
