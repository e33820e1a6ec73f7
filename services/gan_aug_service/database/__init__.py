"""The service's records: tables, migrations and sessions, on SQLite or PostgreSQL."""
