"""The service's records of jobs and of what they may use."""
