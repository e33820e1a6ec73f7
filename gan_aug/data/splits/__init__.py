"""Training, validation and test: assigned by patient, and searched for near-duplicates across them."""
