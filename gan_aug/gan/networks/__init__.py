"""The networks of the GAN: generator and discriminator."""
