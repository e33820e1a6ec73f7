"""Who is in training, validation and test, by patient; and what looks alike across them."""
