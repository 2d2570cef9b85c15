"""Checkpoints as files: tfg's own HDF5 states, TensorFlow's bundles, and the tables of its first version."""
