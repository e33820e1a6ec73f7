"""The provenance chain and the results, computed again from what is on disk."""
