"""Networks, their weights, and the detector that wraps one."""
