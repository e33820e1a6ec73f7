"""Pages of projects, and of what owners are told."""
