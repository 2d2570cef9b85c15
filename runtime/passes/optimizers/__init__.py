"""Optimizer passes: slots, updates, initializers, and data-parallel replicas."""
