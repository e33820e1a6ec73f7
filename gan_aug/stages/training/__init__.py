"""What a training is made with, what it writes down while it is at work, and how it is watched."""
