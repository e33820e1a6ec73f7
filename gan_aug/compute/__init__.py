"""Where work runs: one interface, one module per kind of machine."""
