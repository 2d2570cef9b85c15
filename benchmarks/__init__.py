"""Benchmarks: tfg and TensorFlow timed in one run, as ratios: ``python -m benchmarks``."""
