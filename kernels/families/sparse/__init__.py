"""Sparse tensors, sparse segments and set operations."""
