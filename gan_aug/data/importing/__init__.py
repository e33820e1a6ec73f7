"""From a source to a data set on disk: read, split, written down, looked at."""
