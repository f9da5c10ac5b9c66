"""Forks: how many branches have taken the place of one."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the column; no entry that there is was one of a fork."""
    op.add_column("entries", sa.Column("branches", sa.Integer(), nullable=True))
