"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    _make_pipelines()
    _make_runs()
    _make_histories()


def _make_pipelines() -> None:
    op.create_table(
        "meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
    op.create_table(
        "pipelines",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_pipelines"),
    )
    for table, columns in (
        ("properties", [sa.Column("value", sa.Text(), nullable=False)]),
        (
            "secrets",
            [
                sa.Column("sealed", sa.LargeBinary(), nullable=False),
                sa.Column("updated", sa.Double(), nullable=False),
            ],
        ),
    ):
        op.create_table(
            table,
            sa.Column("pipeline", sa.Text(), nullable=False),
            sa.Column("name", sa.Text(), nullable=False),
            *columns,
            sa.PrimaryKeyConstraint("pipeline", "name", name=f"pk_{table}"),
            sa.ForeignKeyConstraint(["pipeline"], ["pipelines.name"], name=f"fk_{table}_pipeline", ondelete="CASCADE"),
        )


def _make_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("cancel", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("started", sa.Double(), nullable=True),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.Column("kept_until", sa.Double(), nullable=True),
        sa.Column("ordered", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_runs"),
        sa.UniqueConstraint("id", name="uq_runs_id"),
        sqlite_autoincrement=True,
    )
    for columns in (["status", "priority", "number"], ["pipeline", "number"], ["kept_until"]):
        op.create_index(f"ix_runs_{'_'.join(columns)}", "runs", columns)


def _make_histories() -> None:
    address = ("stage", sa.Text), ("step", sa.Text), ("round", sa.Integer), ("attempt", sa.Integer)
    for table, before, after in (
        (
            "entries",
            [sa.Column("epoch", sa.Integer(), nullable=False)],
            [
                sa.Column("status", sa.Text(), nullable=False),
                sa.Column("at", sa.Double(), nullable=False),
                sa.Column("exit_code", sa.Integer(), nullable=True),
                sa.Column("reason", sa.Text(), nullable=False),
            ],
        ),
        (
            "notices",
            [sa.Column("at", sa.Double(), nullable=False)],
            [sa.Column("text", sa.Text(), nullable=False)],
        ),
    ):
        op.create_table(
            table,
            sa.Column("run", sa.Text(), nullable=False),
            sa.Column("seq", sa.Integer(), nullable=False),
            *before,
            *(sa.Column(name, kind(), nullable=False) for name, kind in address),
            *after,
            sa.PrimaryKeyConstraint("run", "seq", name=f"pk_{table}"),
            sa.ForeignKeyConstraint(["run"], ["runs.id"], name=f"fk_{table}_run", ondelete="CASCADE"),
        )
    op.create_table(
        "inherits",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run", "origin", name="pk_inherits"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_inherits_run", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["origin"], ["runs.id"], name="fk_inherits_origin"),
    )
    op.create_index("ix_inherits_origin", "inherits", ["origin"])
