"""The code that a bundle brings along: its network, its seeds, and how images are made and written.

These files are copied into every bundle as they are, so they import PyTorch, numpy and each other alone.
"""
