"""Images on demand from loaded generators."""
