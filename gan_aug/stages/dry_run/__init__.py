"""The dry run: what a verb would do and say, whether it would refuse, and how long it would take."""
