"""What runs have made, as the service hands it out."""
