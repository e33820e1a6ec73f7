"""What Alembic runs to migrate: on the connection it is handed, with this service's tables."""

from __future__ import annotations

from alembic import context

from gan_aug_service.database.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
