"""Makes a labelled synthetic data set on disk from a trained generator."""
