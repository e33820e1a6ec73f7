"""The comparison's cells: one arm with one seed, planned, computed, and kept under the hash of its inputs."""
