"""A synthetic set as DICOM files that say themselves, in several places, that no patient was recorded."""
