"""Files to stored images: decoded, brought to one size, kept in the user's cache."""
