"""The job queue: its supervisor, the processes of jobs, and their events."""
