"""What a stage sees: the layers of the stages it needs, in the one order that every run has.

A stage behind a fork does not see what the branches have changed as if it had happened in one tree: it is gathered for
it below ``BRANCHES``, in a folder for each stage that it needs and in that for each branch.
"""

from collections.abc import Collection, Iterator
from typing import Final

from runner.engine.specs import Gathered, StageSpec
from runner.engine.start import depends
from runner.engine.state import RunState
from runner.naming import ORIGINS, Address, file_name
from runner.plan import forks, graph
from runner.plan.model import Stage, Workspace

BRANCHES: Final = "branches"
"""Where what the branches of a fork have changed is gathered, from the workdir."""


def stage_spec(state: RunState, stage: Address) -> StageSpec:
    """Return what a round of a stage needs before its first step."""
    found = state.plan.stage(stage.stage)
    known = [step for step in found.steps if not depends(step)]
    layers = layers_of(state, stage.stage)
    return StageSpec(
        address=stage,
        layers=layers,
        beside=side_by_side(state, layers),
        users=tuple(dict.fromkeys(step.user for step in known)),
        images=tuple(dict.fromkeys(step.image for step in known)),
        workspace=found.workspace,
        gathered=tuple(_gathered(state, found)),
    )


def layers_of(state: RunState, stage: str) -> tuple[Address, ...]:
    """Return the last rounds of all stages that a stage needs, through others too, lowest layer first.

    The order is topological, ties by the order of the file. A stage that never had a workspace, because no step of it
    ran or because it wants none, has no layer. That of a stage which another run has done is a layer of that run. A
    stage that wants a fresh tree sees only what the steps have left that fetch secrets. Of a fork a stage sees its own
    branch.
    """
    found = state.plan.stage(stage)
    if found.workspace is Workspace.FRESH:
        return _opened(state, {ORIGINS})
    return _opened(state, {each.name for each in _below(state, found) if forks.sees(found, each)})


def all_layers(state: RunState) -> tuple[Address, ...]:
    """Return the last rounds of all stages, lowest layer first: what the run as a whole has changed.

    Those of branches are left out that are gathered for a stage which has a layer.
    """
    stages = [stage for stage in state.plan.stages if stage.joined and state.layer(stage.name) is not None]
    gathered = {layer.stage for stage in stages for each in _gathered(state, stage) for layer in each.layers}
    return _opened(state, {stage.name for stage in state.plan.stages} - gathered)


def side_by_side(state: RunState, layers: tuple[Address, ...]) -> tuple[tuple[Address, Address], ...]:
    """Return the pairs among these layers of which neither stage needs the other, the lower one first."""
    needs = _needs(state)
    above = {layer: set(graph.transitive_needs(needs, layer.stage)) for layer in layers}
    return tuple(
        (lower, upper)
        for index, lower in enumerate(layers)
        for upper in layers[index + 1 :]
        if lower.stage not in above[upper]
    )


def _gathered(state: RunState, stage: Stage) -> Iterator[Gathered]:
    """Yield what the branches have changed that a stage behind their fork needs, in the order of their values."""
    for name, branches in stage.joined.items():
        for index, each in enumerate(map(state.plan.stage, branches)):
            inside = [other for other in (*_below(state, each), each) if not forks.sees(stage, other)]
            layers = _opened(state, {other.name for other in inside if forks.sees(each, other)})
            if layers:
                yield Gathered(path=f"{BRANCHES}/{file_name(name)}/{index}", layers=layers)


def _below(state: RunState, stage: Stage) -> tuple[Stage, ...]:
    """Return all stages that a stage stands on."""
    return tuple(map(state.plan.stage, graph.transitive_needs(_needs(state), stage.name)))


def _needs(state: RunState) -> dict[str, tuple[str, ...]]:
    return {stage.name: (*stage.needs, *stage.below) for stage in state.plan.stages}


def _opened(state: RunState, names: Collection[str]) -> tuple[Address, ...]:
    needs = _needs(state)
    if not names:
        return ()
    order = graph.order(needs)
    bare = {stage.name for stage in state.plan.stages if stage.workspace is Workspace.NONE}
    layers = (state.layer(name) for name in order if name in names and name not in bare)
    return tuple(address for address in layers if address is not None)
