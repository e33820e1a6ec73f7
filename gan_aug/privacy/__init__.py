"""The privacy audit: copies of training images, membership, and the verdict on what may be released."""
