"""Recomputes a run's provenance chain and its results from the files on disk."""
