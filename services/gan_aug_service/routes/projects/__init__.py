"""Projects, their members and with whom they share, and what owners are told."""
