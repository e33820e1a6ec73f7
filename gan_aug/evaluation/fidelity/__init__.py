"""How like real images the synthetic ones are, measured by features of a network."""
