"""Work on this machine: a pool of processes, and one training in several."""
