"""Forks of a run that is driven: their values are found out, and their branches take their place."""

from collections import defaultdict
from functools import partial

from runner.engine.job import Context
from runner.engine.stage import write_off
from runner.engine.state import RunState
from runner.errors import InfrastructureError
from runner.naming import Address
from runner.plan.forks import MOST_BRANCHES, MOST_STAGES
from runner.plan.mapping import MappingError
from runner.plan.model import Stage
from runner.plan.status import Status


def expand(context: Context, fork: Stage) -> None:
    """Let the branches of a fork take its place, or end it: without a list to fork over it has failed."""
    address = context.ledger.stage(fork.name)
    try:
        values = context.scopes.fork_values(fork)
    except MappingError as error:
        _fail(context, fork, address, f"fork {fork.id}: {error.message}" + (f" ({error.hint})" if error.hint else ""))
        return
    except InfrastructureError as error:
        write_off(context, fork, address, error.explained)
        context.ledger.record(address, Status.ERROR, reason=error.explained)
        return
    if len(values) > MOST_BRANCHES:
        why = f"fork {fork.id} has {len(values):,} values, and at most {MOST_BRANCHES:,} can be"
        _fail(context, fork, address, why)
        return
    stages = len(context.ledger.plan.stages) + (len(values) - 1) * (1 + len(fork.fork.stages if fork.fork else ()))
    if stages > MOST_STAGES:
        why = f"with the {len(values):,} branches of fork {fork.id} the run would have {stages:,} stages"
        _fail(context, fork, address, f"{why}, and at most {MOST_STAGES:,} can be")
        return
    context.ledger.record(address, Status.SUCCESS, branches=len(values))


def within_limits(state: RunState, stages: list[Stage]) -> list[Stage]:
    """Return those of these stages that may start now, since not too many branches of their forks are under way."""
    under_way = _under_way(state) if any(branch.limit for stage in stages for branch in stage.within) else {}
    found: list[Stage] = []
    for stage in stages:
        limited = [branch for branch in stage.within if branch.limit]
        if all(b.index in under_way[b.fork] or len(under_way[b.fork]) < b.limit for b in limited):
            found.append(stage)
            for branch in limited:
                under_way[branch.fork].add(branch.index)
    return found


def _under_way(state: RunState) -> defaultdict[str, set[int]]:
    """Return, for each fork, the branches that have begun and neither ended nor wait to be resumed."""
    begun: defaultdict[str, set[int]] = defaultdict(set)
    waits: defaultdict[str, set[int]] = defaultdict(set)
    going: defaultdict[str, set[int]] = defaultdict(set)
    for stage in state.plan.stages:
        for branch in stage.within:
            if state.status(stage.name) not in (Status.PENDING, Status.NOT_RUN):
                begun[branch.fork].add(branch.index)
            if not state.stage_done(stage):
                going[branch.fork].add(branch.index)
            if state.paused(stage.name):
                waits[branch.fork].add(branch.index)
    return defaultdict(set, {fork: (begun[fork] & going[fork]) - waits[fork] for fork in begun})


def _fail(context: Context, fork: Stage, address: Address, why: str) -> None:
    """End a fork that there is nothing to fork over; where the run has failed before, that is why."""
    failed = None if fork.independent else context.ledger.ask(partial(RunState.failed, stage=fork))
    status, reason = (Status.NOT_RUN, f"stage {failed} has failed") if failed else (Status.FAILURE, why)
    write_off(context, fork, address, reason)
    context.ledger.record(address, status, reason=f"not started: {reason}" if failed else reason)
