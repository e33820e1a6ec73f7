"""The records: tables, migrations and sessions, in SQLite or PostgreSQL."""
