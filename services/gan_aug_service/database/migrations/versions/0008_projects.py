"""Projects as records of their own, made of the names that are in use; with whom they share; notices to owners."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NAMING = ("keys", "runs", "jobs", "uploads", "releases")
"""The tables whose records name a project."""


def upgrade() -> None:
    """Make the change."""
    projects = op.create_table(
        "projects",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        sa.UniqueConstraint("name", name="uq_projects_name"),
    )
    op.create_table(
        "shares",
        sa.Column("project", sa.String(length=200), nullable=False),
        sa.Column("reader", sa.String(length=200), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name="fk_shares_project_projects"),
        sa.ForeignKeyConstraint(["reader"], ["projects.name"], name="fk_shares_reader_projects"),
        sa.PrimaryKeyConstraint("project", "reader", name="pk_shares"),
    )
    op.create_index("ix_shares_reader", "shares", ["reader"], unique=False)
    op.create_table(
        "notices",
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("key_id", sa.String(length=200), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=200), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("read", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name="fk_notices_key_id_keys"),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
    )
    op.create_index("ix_notices_key_id", "notices", ["key_id"], unique=False)
    op.create_index("ix_notices_target", "notices", ["target"], unique=False)
    moment = datetime.now(UTC)
    rows = [
        {"id": _new_id(), "name": name, "title": name, "created": moment, "archived": None} for name in _names_in_use()
    ]
    op.bulk_insert(projects, rows)


def downgrade() -> None:
    """Take it back."""
    for table in ("notices", "shares", "projects"):
        op.drop_table(table)


def _names_in_use() -> list[str]:
    """The names of projects in all records, and the one that the first key is of."""
    names = {"default"}
    for table in NAMING:
        names |= {row[0] for row in op.get_bind().execute(sa.text(f"SELECT DISTINCT project FROM {table}"))}  # noqa: S608
    return sorted(names)


def _new_id() -> str:
    # The same as database/tables.py makes; a migration does not change when that does.
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(6)}"
