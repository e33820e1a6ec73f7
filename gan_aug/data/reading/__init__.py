"""From files to stored images: decoded, brought to one size, and kept in the user's cache."""
