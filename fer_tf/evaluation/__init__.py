"""Predictions to figures with intervals, a report, comparisons and a gate."""
