"""What may be done with the records of jobs and runs: submit, find, cancel, resume, remove."""
