"""GAN augmentation for medical images: train, generate, compare, report."""

__version__ = "0.1.0"
