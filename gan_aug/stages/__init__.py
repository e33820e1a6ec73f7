"""The verbs and their stages: they join data, GAN, evaluation and report in a run folder."""
