"""Sorted string tables (LevelDB's format) and TensorFlow's V1 checkpoints, which are such tables."""
