"""The run folder: its files, events and requests, and the stores that hold its large files."""
