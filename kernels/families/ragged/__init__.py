"""Ragged tensors: rows of different lengths, as values and row splits."""
