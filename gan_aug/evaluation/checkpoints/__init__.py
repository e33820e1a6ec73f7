"""Scores a GAN's checkpoints on validation images, and decides by them which is kept and when the training ends."""
