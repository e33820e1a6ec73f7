"""Which state folder's service keeps the queue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "keeper",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_keeper"),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("keeper")
