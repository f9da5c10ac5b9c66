"""Forks: what becomes of a plan when the values of one are known.

The branches of ``each`` are ``each[0]``, ``each[1]``, in the order of the values; those of a fork in a branch of
another are ``inner[0][0]``, and so on. Whatever stands outside a fork and needs something in it needs all its branches.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from runner.plan.model import Branch, Plan, Stage

MOST_BRANCHES: Final = 1000
"""How many values a fork may have."""

MOST_STAGES: Final = 10_000
"""How many stages a run may have with all branches: forks in forks multiply, and each stage costs its driver time."""


def branch(name: str, index: int) -> str:
    """Return the name of a stage in the branch for a value."""
    return f"{name}[{index}]"


def expand(plan: Plan, fork: str, count: int) -> Plan:
    """Return the plan with a fork, and the stages that run in its branches, replaced by those of ``count`` branches.

    KeyError when there is no such stage, ValueError when it is no fork.
    """
    forked = plan.stage(fork)
    if forked.fork is None:
        raise ValueError(f"stage {fork} is no fork")
    inside = {fork, *forked.fork.stages}
    stages: list[Stage] = []
    for stage in plan.stages:
        if stage.name in inside:
            stages += (_inside(stage, forked, index, inside) for index in range(count))
        else:
            stages.append(_outside(stage, forked, count, inside, plan))
    return replace(plan, stages=tuple(stages))


def siblings(one: Stage, other: Stage) -> bool:
    """Whether two stages are in different branches of one fork, so that neither counts for the other."""
    return any(
        mine.fork == theirs.fork and mine.index != theirs.index
        for mine, theirs in zip(one.within, other.within, strict=False)
    )


def sees(stage: Stage, other: Stage) -> bool:
    """Whether a stage sees the files that another one, which it needs, has left: those of no branch but its own."""
    return stage.within[: len(other.within)] == other.within


def _inside(stage: Stage, forked: Stage, index: int, inside: set[str]) -> Stage:
    def named(name: str) -> str:
        return branch(name, index) if name in inside else name

    assert forked.fork is not None  # noqa: S101 - the caller has seen to it
    inner = None if stage is forked or stage.fork is None else stage.fork
    return replace(
        stage,
        name=named(stage.name),
        template=stage.id,
        needs=tuple(map(named, stage.needs)),
        within=(*stage.within, Branch(fork=forked.name, index=index, limit=forked.fork.limit)),
        fork=inner and replace(inner, stages=tuple(map(named, inner.stages))),
    )


def _outside(stage: Stage, forked: Stage, count: int, inside: set[str], plan: Plan) -> Stage:
    def spread(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(each for name in names for each in (_branches(name, count) if name in inside else (name,)))

    needed = inside.intersection(stage.needs)
    if not needed:
        return stage
    # A stage may stand there already for what it is a branch of.
    known = {name for names in stage.joined.values() for name in names}
    joined = {name: spread(names) for name, names in stage.joined.items()}
    joined |= {plan.stage(need).id: _branches(need, count) for need in stage.needs if need in needed - known}
    below = stage.below if count else tuple(dict.fromkeys((*stage.below, *forked.below, *forked.needs)))
    sources = () if count else (forked, *map(plan.stage, needed))  # else they are inherited from the branches
    links = {name: text for source in sources for name, text in source.links.items()}
    return replace(stage, needs=spread(stage.needs), joined=joined, below=below, links={**links, **stage.links})


def _branches(name: str, count: int) -> tuple[str, ...]:
    return tuple(branch(name, index) for index in range(count))
