"""Checkpoints of sessions: when to write them, their contents, and restoring them into a graph."""
