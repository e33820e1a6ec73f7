"""DICOM in: files and archives found, headers checked, pixels decoded as the standard says."""
