"""Pages about how work is governed: the queue, and the service's rules."""
