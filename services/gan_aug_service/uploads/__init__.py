"""Uploaded zips: received, checked, unpacked, and counted against quotas."""
