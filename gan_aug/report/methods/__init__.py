"""What a paper needs of a report: its methods section, ready to paste, and the CLAIM checklist."""
