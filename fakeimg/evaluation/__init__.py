"""What a detector's numbers are worth: rates with intervals, operating points, fairness, comparisons, shortcuts."""
