"""Fidelity: how similar synthetic images are to real ones, measured by a network's features."""
