"""The cells of a comparison: one arm with one seed; planned, computed, and kept under the hash of their inputs."""
