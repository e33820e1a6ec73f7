"""Work on this machine: pools of processes, and training in several processes."""
