"""From a source to a data set on disk: read, split, recorded; and the inspection of the result."""
