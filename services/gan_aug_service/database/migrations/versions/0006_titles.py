"""Titles, owners, sources, tags and notes of runs and uploads, and how long jobs took.

Runs that are there get their owner from the job that began them, and their title from its config.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from gan_aug.config.titles import fitted_title
from gan_aug_service.database.described import folded
from gan_aug_service.database.naming import first_title, numbered, source_in_words

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

DESCRIBED = ("title", "source", "owner", "tags", "notes", "words")
FACTS = ("data_name", "labels", "verdict")
LONG = ("tags", "notes", "words", "labels")


def upgrade() -> None:
    """Make the change. No table is made anew: others refer to it."""
    for table, columns in (("runs", DESCRIBED + FACTS), ("uploads", DESCRIBED), ("jobs", ("owner",))):
        for name in columns:
            kind: Any = sa.Text() if name in LONG else sa.String(length=200)
            default = "\n" if name in ("tags", "labels") else ""
            op.add_column(table, sa.Column(name, kind, nullable=False, server_default=default))
    op.add_column("jobs", sa.Column("seconds", sa.BigInteger(), nullable=True))
    op.execute("ALTER TABLE runs ADD COLUMN key_id VARCHAR(200) CONSTRAINT fk_runs_key_id_keys REFERENCES keys (id)")
    connection = op.get_bind()
    names = {row.id: row.name for row in connection.execute(sa.text("SELECT id, name FROM keys"))}
    _fill_jobs(connection, names)
    _fill_runs(connection, names, _fill_uploads(connection, names))


def downgrade() -> None:
    """Take it back."""
    for table, columns in (
        ("runs", (*DESCRIBED, *FACTS, "key_id")),
        ("uploads", DESCRIBED),
        ("jobs", ("owner", "seconds")),
    ):
        with op.batch_alter_table(table) as batch:
            for name in columns:
                batch.drop_column(name)


def _fill_jobs(connection: sa.Connection, names: dict[str, str]) -> None:
    jobs = _table(
        "jobs", "id", "key_id", "owner", seconds=sa.BigInteger(), **dict.fromkeys(("started", "ended"), sa.DateTime())
    )
    for row in connection.execute(sa.select(jobs)).all():
        values = {"owner": names.get(row.key_id, ""), "seconds": _seconds(row.started, row.ended)}
        connection.execute(sa.update(jobs).where(jobs.c.id == row.id).values(values))


def _fill_uploads(connection: sa.Connection, names: dict[str, str]) -> dict[str, str]:
    """Give uploads their titles; returns them by id."""
    uploads = _table("uploads", "id", "key_id", "title", "owner", "words", created=sa.DateTime())
    titles: dict[str, str] = {}
    for row in connection.execute(sa.select(uploads).order_by(uploads.c.id)).all():
        title = titles[row.id] = f"Upload of {row.created:%Y-%m-%d %H:%M}"
        owner = names.get(row.key_id, "")
        values = {"title": title, "owner": owner, "words": folded(f"{title}\n{owner}\n{row.id}")}
        connection.execute(sa.update(uploads).where(uploads.c.id == row.id).values(values))
    return titles


def _fill_runs(connection: sa.Connection, names: dict[str, str], uploads: dict[str, str]) -> None:
    runs = _table("runs", "id", "project", "key_id", "title", "source", "owner", "words")
    jobs = _table("jobs", "id", "key_id", "config")
    query = sa.select(runs.c.id, runs.c.project, jobs.c.key_id, jobs.c.config).order_by(runs.c.id)
    taken: Counter[tuple[str, str]] = Counter()
    for row in connection.execute(query.outerjoin_from(runs, jobs, jobs.c.id == runs.c.id)).all():
        data = json.loads(row.config or "{}").get("data") or {}
        base, source = first_title(data, uploads), source_in_words(data, uploads)
        title = fitted_title(numbered(base, taken[row.project, base]))
        taken[row.project, base] += 1
        owner = names.get(row.key_id, "")
        words = folded(f"{title}\n{source}\n{owner}\n{row.id}")
        values = {"title": title, "source": source, "owner": owner, "key_id": row.key_id, "words": words}
        connection.execute(sa.update(runs).where(runs.c.id == row.id).values(values))


def _seconds(started: datetime | None, ended: datetime | None) -> int | None:
    return round((ended - started).total_seconds()) if started and ended else None


def _table(name: str, *texts: str, **others: Any) -> sa.TableClause:
    columns = [sa.column(text, sa.Text()) for text in texts]
    return sa.table(name, *columns, *(sa.column(other, kind) for other, kind in others.items()))
