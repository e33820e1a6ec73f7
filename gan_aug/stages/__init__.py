"""The verbs: what each was asked, what is on disk, what is left to do."""
