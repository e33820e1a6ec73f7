"""Zip files in: checked, unpacked, counted against what may be kept."""
