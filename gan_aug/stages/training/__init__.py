"""What a training writes down while it is at work, and how it is watched."""
