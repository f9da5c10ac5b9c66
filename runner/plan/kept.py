"""What is left of stages when some of them go: who needs whom, and what runs in the branches of forks."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from runner.plan import graph
from runner.plan.model import Stage


def without(stages: Sequence[Stage], gone: Iterable[Stage]) -> tuple[Stage, ...]:
    """Return the stages as they are without those that have gone.

    A stage that went frees those that need it. But one that ran in the branches of a fork passes on what it needed:
    what stood on it stays behind the fork.
    """
    went = {stage.name: stage for stage in gone}
    all_stages = {**went, **{stage.name: stage for stage in stages}}
    here = {stage.name for stage in stages}
    inside = {name for stage in all_stages.values() if stage.fork for name in stage.fork.stages}
    needs = {name: stage.needs for name, stage in all_stages.items()}
    passed = graph.contract(needs, [name for name in needs if name in here or name not in inside])
    left = graph.prune(passed, here)
    return tuple(_within(replace(stage, needs=left[stage.name]), here) for stage in stages)


def _within(stage: Stage, here: set[str]) -> Stage:
    """Return a stage whose branches hold only stages that are there."""
    if stage.fork is None:
        return stage
    return replace(stage, fork=replace(stage.fork, stages=tuple(name for name in stage.fork.stages if name in here)))
