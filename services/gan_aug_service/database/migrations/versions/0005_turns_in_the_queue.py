"""Turns in the queue: pauses, an order that administrators choose, and short jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    with op.batch_alter_table("jobs") as table:
        table.add_column(sa.Column("short", sa.Boolean(), nullable=False, server_default=sa.false()))
        table.add_column(sa.Column("turn", sa.BigInteger(), nullable=False, server_default="0"))
        table.add_column(sa.Column("paused", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("taken", sa.DateTime(timezone=True), nullable=True))
        table.create_index("ix_jobs_taken", ["taken"])
    op.create_table(
        "queue_pause",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_queue_pause"),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("queue_pause")
    with op.batch_alter_table("jobs") as table:
        table.drop_index("ix_jobs_taken")
        for name in ("taken", "paused", "turn", "short"):
            table.drop_column(name)
