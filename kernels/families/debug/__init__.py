"""Assertions, numeric checks, printing, summaries."""
