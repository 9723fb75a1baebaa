"""Numbers from labels and scores: rates with intervals, curves, calibration, thresholds."""
