"""How a run is ended that cannot be driven: as its driver would write it."""

from collections.abc import Iterator

from runner.engine.journal import Entry
from runner.engine.state import RunState
from runner.naming import Address
from runner.plan.status import Status


def endings(state: RunState, outcome: Status, reason: str) -> Iterator[Entry]:
    """Yield an ending for all that has begun or waits in a run that ends like this, and at last for the run itself."""
    at = state.latest
    for address in sorted((address for address in state.unfinished() if address.stage), reverse=True):
        yield Entry(address=address, status=outcome, at=at, reason=reason)
    why = f"not started: {reason}"
    for stage in state.plan.stages:
        around = state.stage(stage.name)
        for address in (state.step(around, step.name) for step in stage.steps):
            if state.standing(address).status is Status.PENDING:
                yield Entry(address=address, status=Status.CANCELLED, at=at, reason=why)
        if state.standing(around).status is Status.PENDING:
            written = Status.CANCELLED if outcome is Status.CANCELLED else Status.NOT_RUN
            yield Entry(address=around, status=written, at=at, reason=why)
    yield Entry(address=Address(state.run), status=outcome, at=at, reason=reason)
