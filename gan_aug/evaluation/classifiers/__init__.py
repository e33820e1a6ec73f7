"""The downstream classifiers: networks by name, their training, their predictions."""
