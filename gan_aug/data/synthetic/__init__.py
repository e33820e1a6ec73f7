"""Synthetic sets on disk: shards with their checksums, and images that another program generated."""
