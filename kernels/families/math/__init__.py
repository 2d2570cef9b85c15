"""Elementwise functions, casts, comparisons, reductions, scans, segments, searches."""
