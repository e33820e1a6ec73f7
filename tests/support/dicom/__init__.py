"""DICOM files and an archive to test with."""
