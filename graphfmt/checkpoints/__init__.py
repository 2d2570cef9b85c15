"""Checkpoint files: tfg's HDF5 states, and TensorFlow's V2 (bundles) and V1 (tables) formats."""
