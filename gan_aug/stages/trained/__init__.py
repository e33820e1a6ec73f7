"""What is done with a trained GAN: another training starts from it, and it makes further sets."""
