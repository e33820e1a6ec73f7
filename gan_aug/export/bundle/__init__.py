"""A trained generator as a MONAI Bundle, with which others make images without gan-aug."""
