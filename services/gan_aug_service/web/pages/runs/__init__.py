"""Pages about one run, or two: what it is called, removing it, two reports side by side, adopting one."""
