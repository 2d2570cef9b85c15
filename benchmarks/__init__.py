"""tfg beside TensorFlow, in one run, as ratios: ``python -m benchmarks``."""
