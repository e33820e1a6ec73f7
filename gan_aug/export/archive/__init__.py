"""A synthetic set sent to an archive: STOW-RS or C-STORE, with a record of what arrived."""
