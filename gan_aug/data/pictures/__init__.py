"""Pictures of images: PNG files, what marks a synthetic one, contact sheets."""
