"""The statistics: AUC and other figures, intervals over patients and seeds, comparisons, curves, calibration."""
