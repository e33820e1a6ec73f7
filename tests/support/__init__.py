"""What tests of several folders share, and benchmarks too."""
