"""Async stages: which run has started which, and the hooks of pipelines."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make them; the runs that there are have no parent."""
    for name in ("parent", "child", "cancel_children"):
        op.add_column("runs", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.create_index("ix_runs_parent_number", "runs", ["parent", "number"])
    op.create_table(
        "hooks",
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("rotated", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("pipeline", "name", name="pk_hooks"),
        sa.ForeignKeyConstraint(["pipeline"], ["pipelines.name"], name="fk_hooks_pipeline", ondelete="CASCADE"),
    )
