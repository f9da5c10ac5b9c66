"""The tables. What they are in a database is made by ``migrations``; a test holds the two together.

``runs.id`` is the key by which everything else names a run; ``runs.number`` is the order in which runs were submitted.
A run that an async stage is has the id of its ``parent`` and the name of the stage (``child``); others have neither.
``runs.cancel_children`` says how runs end that this one still starts.
``entries.at`` and ``notices.at`` count seconds from the start of their run, all other times are points in time. A
notice that belongs to no address has round 0.
"""

from enum import StrEnum

from sqlalchemy import Column, ForeignKey, Index, MetaData, Table

from runner.plan.status import Status
from runner.store.sql.columns import Choice, Count, Moment, Sealed, Seconds, Texts, Words

HEAD = "0003"
"""The schema that this program works with: the newest of ``migrations/versions``."""


class Cancel(StrEnum):
    """Whether a run is to end before its time, and how."""

    NOT = ""
    POLITE = "polite"
    FORCED = "forced"


UNENDED = tuple(status for status in Status if not status.ended)
"""How runs stand that go on, or wait."""


class HookKind(StrEnum):
    """What a hook starts."""

    ASYNC = "async"


METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

meta = Table("meta", METADATA, Column("key", Words, primary_key=True), Column("value", Words, nullable=False))

pipelines = Table(
    "pipelines",
    METADATA,
    Column("name", Words, primary_key=True),
    Column("definition", Words, nullable=False),
    Column("created", Moment, nullable=False),
)


def _pipeline() -> Column[str]:
    return Column("pipeline", Words, ForeignKey("pipelines.name", ondelete="CASCADE"), primary_key=True)


properties = Table(
    "properties",
    METADATA,
    _pipeline(),
    Column("name", Words, primary_key=True),
    Column("value", Words, nullable=False),
)

secrets = Table(
    "secrets",
    METADATA,
    _pipeline(),
    Column("name", Words, primary_key=True),
    Column("sealed", Sealed, nullable=False),
    Column("updated", Moment, nullable=False),
)

hooks = Table(
    "hooks",
    METADATA,
    _pipeline(),
    Column("name", Words, primary_key=True),
    Column("kind", Choice(HookKind), nullable=False),
    Column("parameters", Texts, nullable=False),
    Column("created", Moment, nullable=False),
    Column("rotated", Moment),
)

runs = Table(
    "runs",
    METADATA,
    Column("number", Count, primary_key=True, autoincrement=True),
    Column("id", Words, nullable=False, unique=True),
    Column("pipeline", Words, nullable=False),
    Column("queue", Words, nullable=False),
    Column("priority", Count, nullable=False),
    Column("created", Moment, nullable=False),
    Column("status", Choice(Status), nullable=False),
    Column("reason", Words, nullable=False),
    Column("epoch", Count, nullable=False),
    Column("cancel", Choice(Cancel), nullable=False),
    Column("origin", Words, nullable=False),
    Column("started", Moment),
    Column("ended", Moment),
    Column("kept_until", Moment),
    Column("ordered", Words, nullable=False),
    Column("sealed", Sealed, nullable=False),
    Column("result", Words, nullable=False),
    Column("parent", Words, nullable=False, server_default=""),
    Column("child", Words, nullable=False, server_default=""),
    Column("cancel_children", Choice(Cancel), nullable=False, server_default=""),
    sqlite_autoincrement=True,  # so that the number of a forgotten run is not given to another
)
Index(None, runs.c.status, runs.c.priority, runs.c.number)
Index(None, runs.c.pipeline, runs.c.number)
Index(None, runs.c.kept_until)
Index(None, runs.c.parent, runs.c.number)


def _run() -> Column[str]:
    return Column("run", Words, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)


entries = Table(
    "entries",
    METADATA,
    _run(),
    Column("seq", Count, primary_key=True),
    Column("epoch", Count, nullable=False),
    Column("stage", Words, nullable=False),
    Column("step", Words, nullable=False),
    Column("round", Count, nullable=False),
    Column("attempt", Count, nullable=False),
    Column("status", Choice(Status), nullable=False),
    Column("at", Seconds, nullable=False),
    Column("exit_code", Count),
    Column("reason", Words, nullable=False),
    Column("branches", Count),
)

notices = Table(
    "notices",
    METADATA,
    _run(),
    Column("seq", Count, primary_key=True),
    Column("at", Seconds, nullable=False),
    Column("stage", Words, nullable=False),
    Column("step", Words, nullable=False),
    Column("round", Count, nullable=False),
    Column("attempt", Count, nullable=False),
    Column("text", Words, nullable=False),
)

inherits = Table(
    "inherits",
    METADATA,
    _run(),
    Column("origin", Words, ForeignKey("runs.id"), primary_key=True, index=True),
)
