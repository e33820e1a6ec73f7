"""Figures beside a named reference of the same run: `python -m benchmarks.NAME` from the repository's folder."""
