"""Which run has started which: an async stage is a run of its own, and may start others."""

from collections import deque
from collections.abc import Iterator

from sqlalchemy import Connection, Select, select

from runner.plan.status import Status
from runner.store.sql.rows import lock
from runner.store.sql.tables import UNENDED, Cancel, runs


def family(connection: Connection, run: str) -> Iterator[tuple[str, Status, Cancel]]:
    """Yield a run and all that has come of it, each as ``rows.lock``, after which it starts nothing unseen.

    Raises:
        NotFoundError: there is no such run.
    """
    known = {run}
    waiting = deque(known)
    while waiting:
        each = waiting.popleft()
        yield each, *lock(connection, each)
        # What a hook is sent names any parent: it could lead back.
        found = [one for one in connection.execute(_started_by(each)).scalars() if one not in known]
        known.update(found)
        waiting.extend(found)


def _started_by(run: str) -> Select[str]:
    return select(runs.c.id).where(runs.c.parent == run).order_by(runs.c.number)


def fate(connection: Connection, parent: str) -> Cancel:
    """Return how a run is to end that its parent starts now: that may have been cancelled with its children."""
    wanted = select(runs.c.cancel_children).where(runs.c.id == parent, runs.c.status.in_(UNENDED))
    found: Cancel | None = connection.execute(wanted.with_for_update(key_share=True)).scalar()
    return found or Cancel.NOT
