"""From a trained generator to a labelled synthetic data set on disk."""
