"""The GANs of a run beside its first: from other seeds, and those of the learning curves' subsets."""
