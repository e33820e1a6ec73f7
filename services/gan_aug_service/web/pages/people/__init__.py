"""Pages about people: signing in, keys, and the audit."""
