"""How a run goes on that a step has paused: its journal says so, and whoever drives runs does the rest."""

from runner.dispatch.agent import Means
from runner.engine.journal import Entry
from runner.engine.state import RunState
from runner.errors import ConflictError
from runner.naming import Address
from runner.plan.status import Status
from runner.store.sql.tables import Cancel


def go_on(means: Means, run: str) -> None:
    """Write that a paused run is running. If nobody lives who drives it then, it is driven as any that has begun.

    Two at a time must not do this, and nobody may cancel the run meanwhile.

    Raises:
        NotFoundError: there is no such run.
        ConflictError: it is not paused, or it was cancelled.
        InfrastructureError: it cannot be read or written.
    """
    record = means.runs.get(run)
    if record.status is not Status.PAUSED:
        raise ConflictError(
            f"run {run} is not paused: {record.status}", hint=f"`runner show {run}` tells how it stands"
        )
    if record.cancel is not Cancel.NOT:
        raise ConflictError(f"run {run} is being cancelled", hint=f"`runner rerun {run}` begins anew when it has ended")
    order, journal = means.order(run), means.journal(run)
    passed = 0.0 if record.started is None else (means.clock.now() - record.started).total_seconds()
    latest = RunState(run, order.plan, journal.read()).latest
    journal.take().append(Entry(address=Address(run), status=Status.RUNNING, at=max(latest, passed)))
