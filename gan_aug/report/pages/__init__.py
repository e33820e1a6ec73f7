"""The report as a page, as text and as a PDF."""
