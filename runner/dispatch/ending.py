"""How a run is ended that cannot be driven: as its driver would write it."""

from collections.abc import Iterator
from dataclasses import replace

from runner.engine.journal import Entry
from runner.engine.state import RunState
from runner.naming import Address
from runner.plan.status import Status


def endings(state: RunState, outcome: Status, reason: str) -> Iterator[Entry]:
    """Yield an ending for all that has not ended in a run that ends like this, and at last for the run itself."""
    whole = Entry(address=Address(state.run), status=outcome, at=state.latest, reason=reason)
    for address in sorted((address for address in state.unfinished() if address.stage), reverse=True):
        yield replace(whole, address=address)
    why = f"not started: {reason}"
    for stage in state.plan.stages:
        around = state.stage(stage.name)
        steps = (state.step(around, step.name) for step in stage.steps)
        for address in (address for address in steps if state.standing(address).status is Status.PENDING):
            yield replace(whole, address=address, status=Status.CANCELLED, reason=why)
        match state.standing(around).status:
            case Status.PENDING:
                written = Status.CANCELLED if outcome is Status.CANCELLED else Status.NOT_RUN
                yield replace(whole, address=around, status=written, reason=why)
            case Status.PAUSED:
                yield replace(whole, address=around)
            case _:
                pass
    yield whole
