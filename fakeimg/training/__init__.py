"""Fitting weights: one experiment, or a grid of them."""
