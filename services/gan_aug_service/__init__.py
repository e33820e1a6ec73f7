"""The REST service over the verbs: keys, jobs, records and downloads; no science."""
