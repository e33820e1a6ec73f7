"""Images in: sources, reading, splits and the import that joins them; the manifest and the stored images."""
