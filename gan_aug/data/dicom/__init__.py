"""DICOM in: find files or query an archive, check headers, and decode pixels as the standard says."""
