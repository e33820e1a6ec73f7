"""GAN augmentation for medical images: train, generate, compare, report."""

__version__ = "0.2.0"
