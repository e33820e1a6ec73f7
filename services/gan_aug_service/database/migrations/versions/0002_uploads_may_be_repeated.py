"""An upload's Idempotency-Key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UNIQUE = "uq_uploads_key_id_idempotency_key"


def upgrade() -> None:
    """Make the change."""
    with op.batch_alter_table("uploads") as table:
        table.add_column(sa.Column("idempotency_key", sa.String(length=200), nullable=True))
        table.create_unique_constraint(UNIQUE, ["key_id", "idempotency_key"])


def downgrade() -> None:
    """Take it back."""
    with op.batch_alter_table("uploads") as table:
        table.drop_constraint(UNIQUE, type_="unique")
        table.drop_column("idempotency_key")
