"""Synthetic sets on disk: shards with their sums, and sets that were made elsewhere."""
