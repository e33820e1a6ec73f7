"""The version of this package, by itself: whoever records it needs nothing else."""

__version__ = "0.3.0"
