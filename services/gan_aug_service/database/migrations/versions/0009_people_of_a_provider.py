"""People who sign in with a provider, beside keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the change: SQLite would not drop the old table for a new one, since other tables refer to it."""
    op.add_column("keys", sa.Column("identity", sa.String(length=200), nullable=True))
    op.create_index("ix_keys_identity", "keys", ["identity"], unique=True)


def downgrade() -> None:
    """Take it back."""
    op.drop_index("ix_keys_identity", "keys")
    op.drop_column("keys", "identity")
