"""The REST service over the verbs: API keys, jobs, records, downloads and pages. It does no science."""
