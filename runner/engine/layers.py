"""What a stage sees: the layers of the stages it needs, in the one order that every run has."""

from runner.engine.specs import StageSpec
from runner.engine.start import depends
from runner.engine.state import RunState
from runner.naming import ORIGINS, Address
from runner.plan import graph
from runner.plan.model import Workspace


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
    )


def layers_of(state: RunState, stage: str) -> tuple[Address, ...]:
    """Return the last rounds of all stages that a stage needs, through others too, lowest layer first.

    The order is topological, ties by the order of the file. A stage that never had a workspace, because no step of it
    ran or because it wants none, has no layer. That of a stage which another run has done is a layer of that run. A
    stage that wants a fresh tree sees only what the steps have left that fetch secrets.
    """
    if state.plan.stage(stage).workspace is Workspace.FRESH:
        return _opened(state, {ORIGINS})
    needs = {other.name: other.needs for other in state.plan.stages}
    return _opened(state, set(graph.transitive_needs(needs, stage)))


def all_layers(state: RunState) -> tuple[Address, ...]:
    """Return the last rounds of all stages, lowest layer first: what the run as a whole has changed."""
    return _opened(state, {stage.name for stage in state.plan.stages})


def side_by_side(state: RunState, layers: tuple[Address, ...]) -> tuple[tuple[Address, Address], ...]:
    """Return the pairs among these layers of which neither stage needs the other, the lower one first."""
    needs = {other.name: other.needs for other in state.plan.stages}
    above = {layer: set(graph.transitive_needs(needs, layer.stage)) for layer in layers}
    return tuple(
        (lower, upper)
        for index, lower in enumerate(layers)
        for upper in layers[index + 1 :]
        if lower.stage not in above[upper]
    )


def _opened(state: RunState, names: set[str]) -> tuple[Address, ...]:
    order = graph.order({stage.name: stage.needs for stage in state.plan.stages})
    bare = {stage.name for stage in state.plan.stages if stage.workspace is Workspace.NONE}
    layers = (state.layer(name) for name in order if name in names - bare)
    return tuple(address for address in layers if address is not None)
