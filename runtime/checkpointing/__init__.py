"""Checkpoints of sessions: when they are written, what is in them, and how they come back into a graph."""
