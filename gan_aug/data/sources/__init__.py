"""Where images come from: one name in the config, one Source out, without decoding a file."""
