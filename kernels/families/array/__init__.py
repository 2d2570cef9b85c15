"""Shapes, slices, joins, gathers, scatters, padding, transposition."""
