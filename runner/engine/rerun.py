"""A new run that begins at a stage of one that has ended: what it takes over, and what it runs again.

What it takes over is done as far as it is concerned, and stands on the layers of the ended run, whose volumes must be
kept for it. The steps that fetch secrets (``ORIGINS``) are run again in any case, since secrets do not outlive a run;
so their layer is a new one, and what they leave as values takes the place of what the ended run had.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from runner import naming
from runner.engine.journal import Entry
from runner.engine.state import RunState
from runner.engine.values import restarted
from runner.errors import ConflictError
from runner.naming import ORIGINS, Address
from runner.pipelinectl import layout
from runner.pipelinectl.saved import Saved
from runner.plan import graph, rules
from runner.plan.model import Plan, Stage, Workspace
from runner.plan.status import Status
from runner.records import record

_DONE: Final = (Status.SUCCESS, Status.SKIPPED)


@record
class Inheritance:
    """What a rerun begins with. ``stage`` is the round of the chosen stage whose saved values count.

    ``taken`` are the stages that are not run ``again``, with their statuses; ``layers`` are those of them that have
    one, for ``Job.inherited``.
    """

    stage: Address
    taken: Mapping[str, Status]
    again: tuple[str, ...]
    layers: Mapping[str, Address]
    _entries: tuple[Entry, ...]

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs whose volumes the rerun stands on."""
        return tuple(dict.fromkeys(layer.run for layer in self.layers.values()))

    def entries(self, run: str) -> tuple[Entry, ...]:
        """Return what the journal of the rerun, whose id this is, begins with."""
        return tuple(replace(entry, address=replace(entry.address, run=run)) for entry in self._entries)

    def values(self, saved: Saved) -> Saved:
        """Return the values that were saved at the start of the chosen stage, with the results of what is taken over.

        Those of stages that are run again are not known any more.
        """
        kept = layout.of_keys(saved.returned, {naming.returns(entry.address) for entry in self._entries})
        return replace(saved, values=restarted(saved.values, self.taken, self.again), returned=kept)


def inherit(state: RunState, stage: str, earlier: Mapping[str, Address]) -> Inheritance:
    """Return what a rerun of an ended run takes over if it begins at a stage.

    An empty ``stage`` is the first one, in the order of the graph, that was begun and did not succeed. ``earlier`` is
    what the ended run has itself inherited. Taken over are the stages that succeeded or were skipped, need nothing that
    is run again, and would do nothing else if all went well: one of which steps were left out because of a failure
    elsewhere is run again, too.

    Raises:
        ConflictError: the run has not ended, there is no such stage, it was never begun, or what is taken over cannot
            be told from what is run again.
    """
    if not state.standing(Address(state.run)).status.ended:
        raise ConflictError(f"run {state.run} has not ended", hint="wait for its end, or cancel it")
    chosen = _chosen(state, stage)
    again = _again(state, chosen)
    taken = [each for each in state.plan.stages if each.name not in again]
    layers = {each.name: layer for each in taken if (layer := _layer(state, each, earlier)) is not None}
    return Inheritance(
        stage=state.stage(chosen),
        taken={each.name: state.standing(state.stage(each.name)).status for each in taken},
        again=tuple(each.name for each in state.plan.stages if each.name in again),
        layers=layers,
        _entries=(*_forks(state, again), *(entry for each in taken for entry in _entries_of(state, each))),
    )


def _chosen(state: RunState, stage: str) -> str:
    run = state.run
    if stage and stage not in {each.name for each in state.plan.stages}:
        names = ", ".join(each.name for each in state.plan.stages if each.name != ORIGINS)
        raise ConflictError(f"run {run} has no stage {stage!r}", hint=f"its stages are {names}")
    candidates = (stage,) if stage else tuple(_unsuccessful(state))
    if not candidates:
        message = f"every stage of run {run} has succeeded"
        raise ConflictError(message, hint="name the stage at which the rerun is to begin, or rerun it as a whole")
    begun = [name for name in candidates if state.standing(state.stage(name)).started is not None]
    if stage and not begun and state.standing(state.stage(stage)).status in _DONE:
        message = f"stage {stage!r} of run {run} was done by an earlier run, and taken over"
        raise ConflictError(message, hint="rerun that one from there")
    if not begun:
        what = f"stage {stage!r} of run {run}" if stage else f"what did not succeed in run {run}"
        raise ConflictError(f"{what} was never begun", hint="rerun it from an earlier stage, or as a whole")
    return begun[0]


def _unsuccessful(state: RunState) -> Iterator[str]:
    for name in graph.order(_needs(state.plan)):
        if state.standing(state.stage(name)).status not in _DONE:
            yield name


def _again(state: RunState, chosen: str) -> Collection[str]:
    """Return the stages that are run again."""
    needs = _needs(state.plan)
    roots = {chosen, *_unsuccessful(state), *(s.name for s in state.plan.stages if _left_out(state, s))} - {ORIGINS}
    above = {name for name in needs if roots & set(graph.transitive_needs(needs, name))}
    # All stages need the origins. Only where a rerun begins with them are they the reason to run all of it.
    return set(needs) if chosen == ORIGINS else {*roots, *above, ORIGINS}


def _left_out(state: RunState, stage: Stage) -> bool:
    """Whether a step was skipped that would have run, if nothing had failed elsewhere, and no step had asked for it."""
    at = state.stage(stage.name)
    if state.standing(at).status is Status.SKIPPED and state.standing(at).reason:
        return False
    return any(
        state.standing(state.step(at, step.name)).status is Status.SKIPPED
        and not rules.asks_environment(step.ruleset, stage.ruleset)
        and rules.runs(step.ruleset, state.plan.facts, Status.SUCCESS, around=stage.ruleset).holds
        for step in stage.steps
    )


def _layer(state: RunState, stage: Stage, earlier: Mapping[str, Address]) -> Address | None:
    if stage.workspace is Workspace.NONE:
        return None
    layer = earlier.get(stage.name) or state.layer(stage.name)
    if layer is not None and stage.workspace is Workspace.SHARED:
        raise ConflictError(
            f"stage {stage.name!r} of run {state.run} has worked in the tree that stages share; it has changed since",
            hint="rerun it as a whole",
        )
    return layer


def _forks(state: RunState, again: Collection[str]) -> Iterator[Entry]:
    """Yield that forks were expanded, in that order, but those that stand on something that is run again."""
    for fork, count in state.branches.items():
        if not set(state.forked[fork].needs) & set(again):
            yield Entry(address=Address(state.run, fork), status=Status.SUCCESS, at=0.0, branches=count)


def _entries_of(state: RunState, stage: Stage) -> Iterable[Entry]:
    """Yield how a stage and its steps stand, as facts of another run."""
    at = state.stage(stage.name)
    for address in (*(state.step(at, step.name) for step in stage.steps), at):
        standing = state.standing(address)
        reason = standing.reason or f"taken over from run {state.run}"
        yield Entry(address=address, status=standing.status, at=0.0, exit_code=standing.exit_code, reason=reason)


def _needs(plan: Plan) -> dict[str, tuple[str, ...]]:
    return {stage.name: stage.needs for stage in plan.stages}
