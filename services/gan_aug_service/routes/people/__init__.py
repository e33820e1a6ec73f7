"""Routes about people: their keys, their sessions, and what they did."""
