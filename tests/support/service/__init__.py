"""A service to test: in this process, in one of its own, in a browser."""
