"""The comparison: classifiers, statistics and the report; it sees manifests, not models."""
