"""What Alembic runs to migrate: with the connection that it is given, and this service's tables."""

from __future__ import annotations

from alembic import context

from gan_aug_service.database.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
