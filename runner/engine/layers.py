"""What a stage sees: the layers of the stages it needs, in the one order that every run has."""

from runner.engine.state import RunState
from runner.naming import Address
from runner.plan import graph
from runner.plan.model import Workspace


def layers_of(state: RunState, stage: str) -> tuple[Address, ...]:
    """Return the last rounds of all stages that a stage needs, through others too, lowest layer first.

    The order is topological, ties by the order of the file. A stage that never had a workspace, because no step of it
    ran or because it wants none, has no layer.
    """
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
    rounds = (state.stage(name) for name in order if name in names - bare)
    return tuple(address for address in rounds if state.opened(address))
