"""Datasets and iterators: sequences of elements that are computed as they are asked for."""
