"""Images in: sources, manifest, splits, store and the batches a trainer reads."""
