"""A DICOMweb archive: what is searched for and retrieved, within bounds on bytes and tries."""
