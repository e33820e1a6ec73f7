"""AUC and what surrounds it: intervals over patients and seeds, comparisons, curves, calibration."""
