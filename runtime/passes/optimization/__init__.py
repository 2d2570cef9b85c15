"""Passes that make a graph smaller and faster without changing its results (white paper section 5.1)."""
