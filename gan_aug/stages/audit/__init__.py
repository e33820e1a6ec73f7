"""The audit of synthetic sets: before they are released, and as a stage of `run`."""
