"""The comparison: arms, cells, classifiers, statistics and `report.json`; it uses manifests and images, never a GAN."""
